"""What it means: the brain-age gap, its accuracy, groups, ROC curves, change with time."""

ANALYSIS = settings(
    "statistics",
    "seed",
    healthy=config["cohort"]["healthy"],
    external_sites=config["splits"]["external_sites"],
)


rule gaps:
    input:
        results("probing/predictions.tsv"),
    output:
        gaps=results("statistics/gaps.tsv"),
        reference=results("statistics/reference.tsv"),
    log:
        results("logs/gaps.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        threads=THREADS,
        code=code("statistics/gaps.py"),
    shell:
        "python -m brainage --threads {params.threads} gaps {output.gaps:q} --reference {output.reference:q}"
        " --predictions {input:q} 2>&1 | tee {log}"


rule accuracy:
    input:
        gaps=results("statistics/gaps.tsv"),
        predictions=results("probing/predictions.tsv"),
        site_probe=results("probing/site_probe.tsv"),
    output:
        results("statistics/accuracy.tsv"),
    log:
        results("logs/accuracy.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        threads=THREADS,
        settings=ANALYSIS,
        code=code("statistics"),
    shell:
        "python -m brainage --threads {params.threads} accuracy {output:q} --gaps {input.gaps:q}"
        " --predictions {input.predictions:q} --site-probe {input.site_probe:q}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


rule groups:
    input:
        results("statistics/gaps.tsv"),
    output:
        results("statistics/groups.tsv"),
    log:
        results("logs/groups.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        threads=THREADS,
        settings=ANALYSIS,
        code=code("statistics"),
    shell:
        "python -m brainage --threads {params.threads} groups {output:q} --gaps {input:q}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


rule roc:
    input:
        gaps=results("statistics/gaps.tsv"),
        scores=results("probing/diagnosis_scores.tsv"),
    output:
        roc=results("statistics/roc.tsv"),
        curves=results("statistics/roc_curves.tsv"),
    log:
        results("logs/roc.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=20,
    params:
        threads=THREADS,
        settings=ANALYSIS,
        code=code("statistics"),
    shell:
        "python -m brainage --threads {params.threads} roc {output.roc:q} --curves {output.curves:q}"
        " --gaps {input.gaps:q} --diagnosis-scores {input.scores:q}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


rule slopes:
    input:
        results("statistics/gaps.tsv"),
    output:
        slopes=results("statistics/slopes.tsv"),
        persons=results("statistics/person_slopes.tsv"),
    log:
        results("logs/slopes.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        threads=THREADS,
        settings=ANALYSIS,
        code=code("statistics"),
    shell:
        "python -m brainage --threads {params.threads} slopes {output.slopes:q} --persons {output.persons:q}"
        " --gaps {input:q} --settings {params.settings:q} 2>&1 | tee {log}"


# What the number and variety of the people trained on do; only where the config has a grid.
rule grid:
    input:
        predictions=results("probing/grid/predictions.tsv"),
        site_probe=results("probing/grid/site_probe.tsv"),
        scores=results("probing/grid/diagnosis_scores.tsv"),
    output:
        accuracy=results("statistics/grid_accuracy.tsv"),
        sites=results("statistics/grid_sites.tsv"),
        diagnosis=results("statistics/grid_diagnosis.tsv"),
    log:
        results("logs/grid.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        threads=THREADS,
        settings=settings(
            "statistics",
            "seed",
            "runs",
            healthy=config["cohort"]["healthy"],
            external_sites=config["splits"]["external_sites"],
        ),
        code=code("statistics"),
    shell:
        "python -m brainage --threads {params.threads} grid {output.accuracy:q}"
        " --sites {output.sites:q} --diagnosis {output.diagnosis:q}"
        " --predictions {input.predictions:q} --site-probe {input.site_probe:q}"
        " --diagnosis-scores {input.scores:q} --settings {params.settings:q} 2>&1 | tee {log}"
