"""Who: the simulated cohort, the table of scans, the roles of people."""


rule simulate_tables:
    output:
        participants=results("simulated/{dataset}/participants.tsv"),
        truth=results("simulated/{dataset}_truth.tsv"),
    log:
        results("logs/simulate_tables/{dataset}.log"),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=simulation,
        folder=subpath(output.participants, parent=True),
        code=code("simulation/simulate.py"),
    shell:
        "python -m brainage simulate-tables {params.folder:q} --name {wildcards.dataset}"
        " --truth {output.truth:q} --settings {params.settings:q} 2>&1 | tee {log}"


rule simulate_images:
    output:
        results("simulated/{dataset}_images/{chunk}.tsv"),
    log:
        results("logs/simulate_images/{dataset}_{chunk}.log"),
    benchmark:
        results("benchmarks/simulate_images/{dataset}_{chunk}.tsv")
    # All heads first: chunks of imaging take as long as each other, and then no core is left over.
    priority: 1
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=simulation,
        people=chunk_people,
        folder=lambda wildcards: results(f"simulated/{wildcards.dataset}"),
        code=code("simulation/simulate.py"),
    shell:
        "python -m brainage simulate-images {params.folder:q} --list {output:q}"
        " --settings {params.settings:q} --people {params.people} 2>&1 | tee {log}"


rule index:
    input:
        LISTING["tables"],
    output:
        scans=results("cohort/scans.tsv"),
        remarks=results("cohort/remarks.json"),
    log:
        results("logs/index.log"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        settings=settings(
            "results", "datasets", "cohort", "splits", "statistics", listing=LISTING["listing"]
        ),
        code=code("cohort/index.py", "datasets/bids.py", "simulation/plan.py"),
    shell:
        "python -m brainage index {output.scans:q} --remarks {output.remarks:q}"
        " --settings {params.settings:q} 2>&1 | tee {log}"


rule split:
    input:
        scans=results("cohort/scans.tsv"),
        qc=results("imaging/qc.tsv"),
    output:
        results("cohort/splits.tsv"),
    log:
        results("logs/split.log"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("splits", "cohort", "seed", "runs"),
        code=code("cohort/splits.py"),
    shell:
        "python -m brainage split {output:q} --scans {input.scans:q} --qc {input.qc:q}"
        " --settings {params.settings:q} 2>&1 | tee {log}"
