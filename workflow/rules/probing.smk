"""Linear probes on the frozen encoder, and their baselines."""

# The settings of a step are the section and what stands beside it.
PROBING = {**config["probing"], "seed": config["seed"]}


use rule index as probe_age with:
    input:
        **EMBEDDINGS,
        **files("scans", "splits", "qc"),
    output:
        **files("predictions_of"),
    log:
        log_of("probe_age/{training}"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    params:
        **line("probe-age", "{training}", THREADS),
        settings=settings("probe_age", **PROBING),
        code=step_hash("probing.probe_age"),


use rule probe_age as predict_baseline with:
    input:
        **STORE,
        **files("scans", "splits", "qc"),
        regions=lambda w: STUDY.made_regions(w.training),
    log:
        log_of("predict_baseline/{training}"),
    wildcard_constraints:
        training=STUDY.pattern(STUDY.baselines),
    params:
        **line("predict-baseline", "{training}", THREADS),
        settings=settings(
            "predict_baseline",
            **{**PROBING, "regions": STUDY.regions},
            contents=STUDY.contents("probing"),
            # The same voxels as the encoder that is compared with them.
            channels=config["experiments"][MAIN]["channels"],
            # Roles are the same for all experiments of a fold.
            people_of=STUDY.experiments[0],
        ),
        code=step_hash("probing.predict_baseline"),


use rule probe_age as probe_site with:
    input:
        **EMBEDDINGS,
        **STORE,
        **files("scans", "splits"),
    output:
        **files("site_probe_of"),
    log:
        log_of("probe_site/{training}"),
    params:
        **line("probe-site", "{training}", THREADS),
        settings=lambda w: settings(
            "probe_site",
            **PROBING,
            channels=STUDY.learning(w.training)["channels"],
            # The same people and sites for every cell of the grid.
            people_of=STUDY.runs[experiment(w)]["of"],
        ),
        code=step_hash("probing.probe_site"),


use rule probe_age as probe_diagnosis with:
    input:
        **EMBEDDINGS,
        **files("scans", "splits"),
    output:
        **files("diagnosis_scores_of"),
    log:
        log_of("probe_diagnosis/{training}"),
    params:
        **line("probe-diagnosis", "{training}", THREADS),
        settings=settings(
            "probe_diagnosis",
            **PROBING,
            groups=config["statistics"]["groups"],
            control=config["statistics"]["control"],
        ),
        code=step_hash("probing.probe_diagnosis"),


use rule index as gather with:
    input:
        lambda w: STUDY.of_trainings(f"{w.table}_of", STUDY.gathered(w.table)),
    output:
        f"{RESULTS}/probing/{{table}}.tsv",
    log:
        log_of("gather/{table}"),
    wildcard_constraints:
        table="predictions|site_probe|diagnosis_scores",
    conda:
        "../../envs/analysis.yaml"
    params:
        **line("gather", "{table}"),
        settings=lambda w: settings("gather", trainings=trainings(STUDY.gathered(w.table))),
        code=step_hash("probing.gather"),


use rule gather as gather_grid with:
    input:
        lambda w: STUDY.of_trainings(f"{w.table}_of", STUDY.grid),
    output:
        f"{RESULTS}/probing/grid/{{table}}.tsv",
    log:
        log_of("gather_grid/{table}"),
    params:
        **line("gather", "grid_{table}"),
        settings=settings("gather", trainings=trainings(STUDY.grid)),
        code=step_hash("probing.gather"),
