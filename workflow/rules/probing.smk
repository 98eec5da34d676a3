"""Linear probes on the frozen encoder, and their baselines."""

GATHERED = {
    table: trainings_of(EXPERIMENTS + (BASELINES if table == "predictions" else []))
    for table in ("predictions", "site_probe", "diagnosis_scores")
}


rule probe_age:
    input:
        **EMBEDDINGS,
        **files("scans", "splits"),
    output:
        **files("predictions_of"),
    log:
        results("logs/probe_age/{training}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        settings=settings("probe_age", "probing", "seed"),
        code=step_hash("probing.probe_age"),
    shell:
        "brainage --threads {THREADS} {rule} {RESULTS:q} {wildcards.training}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule probe_age as predict_baseline with:
    input:
        **STORE,
        **files("scans", "splits"),
        regions=lambda wildcards: REGIONS if "ridge_regions" in wildcards.training else [],
    log:
        results("logs/predict_baseline/{training}.log"),
    wildcard_constraints:
        training=one_of(BASELINES),
    params:
        settings=settings(
            "predict_baseline",
            "probing",
            "seed",
            # The same voxels as the encoder that is compared with them.
            channels=learning(MAIN)["channels"],
            # Roles are the same for all experiments of a fold.
            people_of=EXPERIMENTS[0],
            regions=REGIONS,
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
        results("logs/probe_site/{training}.log"),
    params:
        settings=lambda wildcards: settings(
            "probe_site",
            "probing",
            "seed",
            channels=learning(experiment(wildcards))["channels"],
            # The same people and sites for every cell of the grid.
            people_of=RUNS[experiment(wildcards)]["of"],
        ),
        code=step_hash("probing.probe_site"),


use rule probe_age as probe_diagnosis with:
    output:
        **files("diagnosis_scores_of"),
    log:
        results("logs/probe_diagnosis/{training}.log"),
    params:
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
        lambda wildcards: of_trainings(f"{wildcards.table}_of", GATHERED[wildcards.table]),
    output:
        results("probing/{table}.tsv"),
    log:
        results("logs/gather/{table}.log"),
    wildcard_constraints:
        table="predictions|site_probe|diagnosis_scores",
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=10,
    params:
        table=lambda wildcards: wildcards.table,
        settings=lambda wildcards: settings("gather", trainings=GATHERED[wildcards.table]),
        code=step_hash("probing.gather"),
    shell:
        "brainage gather {RESULTS:q} {params.table} --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule gather as gather_grid with:
    input:
        lambda wildcards: of_trainings(f"{wildcards.table}_of", trainings_of(GRID)),
    output:
        results("probing/grid/{table}.tsv"),
    log:
        results("logs/gather_grid/{table}.log"),
    params:
        table=lambda wildcards: f"grid_{wildcards.table}",
        settings=settings("gather", trainings=trainings_of(GRID)),
        code=step_hash("probing.gather"),
