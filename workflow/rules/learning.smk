"""Representation learning: one array of all brains, encoders, embeddings."""


def parts(wildcards, *kinds):
    """Modules of the loss and the encoder of a training: its neighbours change nothing."""
    own = learning(experiment(wildcards))
    chosen = {"losses": own["loss"], "encoders": own["encoder"]["name"]}
    return [f"brainage.learning.{kind}.{chosen[kind]}" for kind in kinds]


rule store:
    input:
        **files("scans", "qc"),
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
        settings=settings("store", channels=CHANNELS),
        code=step_hash("learning.store"),
    shell:
        "brainage {rule} {RESULTS:q} --settings {params.settings:q} 2>&1 | tee {log:q}"


rule pretrain:
    input:
        **STORE,
        **files("scans", "splits"),
    output:
        **files("encoder", "encoder_description", "training_history"),
    log:
        results("logs/pretrain/{training}.log"),
    benchmark:
        results("benchmarks/pretrain/{training}.tsv")
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
        settings=lambda wildcards: settings(
            "pretrain",
            "threads",
            learning=learning(experiment(wildcards)),
            # A cell of the grid has as many optimiser steps as the experiment with all people.
            steps_of=RUNS[experiment(wildcards)]["of"],
            code=step_hash("learning.pretrain", parts(wildcards, "losses", "encoders")),
        ),
    shell:
        "brainage --threads {THREADS} {rule} {RESULTS:q} {wildcards.training}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


rule embed:
    input:
        **STORE,
        **files("encoder", "encoder_description"),
    output:
        **files("embeddings", "embedding_index"),
    log:
        results("logs/embed/{training}.log"),
    conda:
        "../../envs/learning.yaml"
    threads: THREADS
    resources:
        mem_mb=8000,
        runtime=120,
        gpu=gpus,
    params:
        settings=lambda wildcards: settings(
            "embed",
            "threads",
            device=learning(experiment(wildcards))["device"],
            code=step_hash("learning.embed", parts(wildcards, "encoders")),
        ),
    shell:
        "brainage --threads {THREADS} {rule} {RESULTS:q} {wildcards.training}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"
