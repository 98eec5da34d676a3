"""Linear probes on the frozen encoder, and their baselines."""


rule probe_age:
    input:
        **EMBEDDINGS,
        **files("scans", "splits"),
    output:
        **files("predictions_of"),
    log:
        log_of("probe_age/{training}"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        **line("probe-age"),
        settings=settings("probe_age", "probing", "seed"),
        code=step_hash("probing.probe_age"),
    shell:
        "brainage --threads {params.threads} {params.step} {params.results:q} {wildcards.training}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule probe_age as predict_baseline with:
    input:
        **STORE,
        **files("scans", "splits"),
        regions=lambda w: STUDY.regions if "ridge_regions" in w.training else [],
    log:
        log_of("predict_baseline/{training}"),
    wildcard_constraints:
        training=STUDY.pattern(STUDY.baselines),
    params:
        **line("predict-baseline"),
        settings=settings(
            "predict_baseline",
            "probing",
            "seed",
            # The same voxels as the encoder that is compared with them.
            channels=config["experiments"][MAIN]["channels"],
            # Roles are the same for all experiments of a fold.
            people_of=STUDY.experiments[0],
            regions=STUDY.regions,
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
        **line("probe-site"),
        settings=lambda w: settings(
            "probe_site",
            "probing",
            "seed",
            channels=STUDY.learning(w.training)["channels"],
            # The same people and sites for every cell of the grid.
            people_of=STUDY.runs[experiment(w)]["of"],
        ),
        code=step_hash("probing.probe_site"),


use rule probe_age as probe_diagnosis with:
    output:
        **files("diagnosis_scores_of"),
    log:
        log_of("probe_diagnosis/{training}"),
    params:
        **line("probe-diagnosis"),
        settings=settings(
            "probe_diagnosis",
            "probing",
            "seed",
            groups=config["statistics"]["groups"],
            control=config["statistics"]["control"],
        ),
        code=step_hash("probing.probe_diagnosis"),


rule gather:
    input:
        lambda w: STUDY.of_trainings(f"{w.table}_of", gathered(w)),
    output:
        f"{RESULTS}/probing/{{table}}.tsv",
    log:
        log_of("gather/{table}"),
    wildcard_constraints:
        table="predictions|site_probe|diagnosis_scores",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        **line("gather"),
        table=lambda w: w.table,
        settings=lambda w: settings("gather", trainings=trainings(gathered(w))),
        code=step_hash("probing.gather"),
    shell:
        "brainage {params.step} {params.results:q} {params.table} --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule gather as gather_grid with:
    input:
        lambda w: STUDY.of_trainings(f"{w.table}_of", STUDY.grid),
    output:
        f"{RESULTS}/probing/grid/{{table}}.tsv",
    log:
        log_of("gather_grid/{table}"),
    params:
        **line("gather"),
        table=lambda w: f"grid_{w.table}",
        settings=settings("gather", trainings=trainings(STUDY.grid)),
        code=step_hash("probing.gather"),
