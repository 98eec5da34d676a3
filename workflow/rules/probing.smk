"""What the representation knows: linear probes on the frozen encoder, and their baselines."""


rule probe_age:
    input:
        **EMBEDDINGS,
        scans=results("cohort/scans.tsv"),
        splits=results("cohort/splits.tsv"),
    output:
        results(f"probing/{{experiment}}/{RUN}/predictions.tsv"),
    log:
        results(f"logs/probe_age/{{experiment}}_{RUN}.log"),
    wildcard_constraints:
        experiment="|".join(re.escape(name) for name in RUNS),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        threads=THREADS,
        settings=settings("probing", "seed"),
        code=code("probing"),
    shell:
        "python -m brainage --threads {params.threads} probe-age {output:q} --embeddings {input.embeddings:q}"
        " --encoder {input.description:q}"
        " --scans {input.scans:q} --splits {input.splits:q} --experiment {wildcards.experiment}"
        " --fold {wildcards.fold} --seed {wildcards.seed} --settings {params.settings:q} 2>&1 | tee {log}"


rule predict_baseline:
    input:
        **STORE,
        scans=results("cohort/scans.tsv"),
        splits=results("cohort/splits.tsv"),
        regions=lambda wildcards: REGIONS if wildcards.experiment == "ridge_regions" else [],
    output:
        results(f"probing/{{experiment}}/{RUN}/predictions.tsv"),
    log:
        results(f"logs/predict_baseline/{{experiment}}_{RUN}.log"),
    wildcard_constraints:
        experiment="|".join(BASELINES),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        threads=THREADS,
        # The same voxels as the encoder that is compared with them.
        settings=settings("probing", "seed", channels=config["experiments"][MAIN]["channels"]),
        regions=lambda wildcards, input: f"--regions '{input.regions}'" if input.regions else "",
        # Roles are the same for all experiments of a fold.
        people_of=EXPERIMENTS[0],
        code=code("probing"),
    shell:
        "python -m brainage --threads {params.threads} predict-baseline {output:q} --store {input.brains:q}"
        " --scans {input.scans:q} --splits {input.splits:q} --baseline {wildcards.experiment}"
        " {params.regions} --people-of {params.people_of} --fold {wildcards.fold} --seed {wildcards.seed}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


rule probe_site:
    input:
        **EMBEDDINGS,
        **{name: path for name, path in STORE.items() if name != "rows"},
        scans=results("cohort/scans.tsv"),
        splits=results("cohort/splits.tsv"),
    output:
        results(f"probing/{{experiment}}/{RUN}/site_probe.tsv"),
    log:
        results(f"logs/probe_site/{{experiment}}_{RUN}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        threads=THREADS,
        settings=lambda wildcards: settings(
            "probing",
            "seed",
            healthy=config["cohort"]["healthy"],
            channels=learning(wildcards)["channels"],
        ),
        # The same people and sites for every cell of the grid.
        people_of=lambda wildcards: RUNS[wildcards.experiment]["of"],
        code=code("probing"),
    shell:
        "python -m brainage --threads {params.threads} probe-site {output:q} --embeddings {input.embeddings:q}"
        " --encoder {input.description:q}"
        " --store {input.brains:q} --scans {input.scans:q} --splits {input.splits:q}"
        " --experiment {wildcards.experiment} --fold {wildcards.fold} --seed {wildcards.seed}"
        " --people-of {params.people_of:q} --settings {params.settings:q} 2>&1 | tee {log}"


rule probe_diagnosis:
    input:
        **EMBEDDINGS,
        scans=results("cohort/scans.tsv"),
        splits=results("cohort/splits.tsv"),
    output:
        results(f"probing/{{experiment}}/{RUN}/diagnosis_scores.tsv"),
    log:
        results(f"logs/probe_diagnosis/{{experiment}}_{RUN}.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        threads=THREADS,
        settings=settings(
            "probing",
            "seed",
            groups=config["statistics"]["groups"],
            control=config["statistics"]["control"],
        ),
        code=code("probing"),
    shell:
        "python -m brainage --threads {params.threads} probe-diagnosis {output:q} --embeddings {input.embeddings:q}"
        " --encoder {input.description:q}"
        " --scans {input.scans:q} --splits {input.splits:q} --experiment {wildcards.experiment}"
        " --fold {wildcards.fold} --seed {wildcards.seed} --settings {params.settings:q} 2>&1 | tee {log}"


rule gather:
    input:
        all_runs,
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
        code=code("probing/gather.py"),
    shell:
        "python -m brainage gather {output:q} --table {wildcards.table} --runs {input:q} 2>&1 | tee {log}"


use rule gather as gather_grid with:
    input:
        lambda wildcards: tables_of(GRID, wildcards.table),
    output:
        results("probing/grid/{table}.tsv"),
    log:
        results("logs/gather_grid/{table}.log"),
