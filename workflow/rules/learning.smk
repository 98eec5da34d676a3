"""The representation: one array of all brains, encoders, embeddings."""


rule store:
    input:
        scans=results("cohort/scans.tsv"),
        qc=results("imaging/qc.tsv"),
    output:
        **STORE,
    log:
        results("logs/store.log"),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        imaging=subpath(input.qc, parent=True),
        channels=CHANNELS,
        code=code("learning/store.py"),
    shell:
        "python -m brainage store {output.brains:q} --scans {input.scans:q} --qc {input.qc:q}"
        " --imaging {params.imaging:q} --channels {params.channels} 2>&1 | tee {log}"


rule pretrain:
    input:
        **STORE,
        scans=results("cohort/scans.tsv"),
        splits=results("cohort/splits.tsv"),
    output:
        **ENCODER,
        history=results(f"learning/{{experiment}}/{RUN}/history.tsv"),
    log:
        results(f"logs/pretrain/{{experiment}}_{RUN}.log"),
    benchmark:
        results(f"benchmarks/pretrain/{{experiment}}_{RUN}.tsv")
    priority: 1
    retries: 1
    conda:
        "../../envs/learning.yaml"
    threads: THREADS
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 2880 * attempt,
        gpu=gpus,
    params:
        threads=THREADS,
        settings=lambda wildcards: json.dumps(learning(wildcards)),
        # A cell of the grid has as many optimiser steps as the experiment with all people.
        steps_of=lambda wildcards: RUNS[wildcards.experiment]["of"],
        # Outside the outputs, which Snakemake deletes before a job starts again.
        checkpoints=results(f"checkpoints/{{experiment}}_{RUN}"),
        code=code("learning"),
    shell:
        "python -m brainage --threads {params.threads} pretrain {output.weights:q} --store {input.brains:q}"
        " --scans {input.scans:q} --splits {input.splits:q} --checkpoints {params.checkpoints:q}"
        " --experiment {wildcards.experiment} --fold {wildcards.fold} --seed {wildcards.seed}"
        " --steps-of {params.steps_of:q} --settings {params.settings:q} 2>&1 | tee {log}"


rule embed:
    input:
        **STORE,
        **ENCODER,
    output:
        array=results(f"learning/{{experiment}}/{RUN}/embeddings.npy"),
        index=results(f"learning/{{experiment}}/{RUN}/embeddings.tsv"),
    log:
        results(f"logs/embed/{{experiment}}_{RUN}.log"),
    conda:
        "../../envs/learning.yaml"
    threads: THREADS
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=gpus,
    params:
        threads=THREADS,
        device=lambda wildcards: learning(wildcards)["device"],
        code=code("learning"),
    shell:
        "python -m brainage --threads {params.threads} embed {output.array:q} --store {input.brains:q}"
        " --encoder {input.weights:q} --device {params.device} 2>&1 | tee {log}"
