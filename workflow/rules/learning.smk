"""Representation learning: one array of all brains, encoders, embeddings."""


use rule index as store with:
    input:
        **files("scans", "qc"),
    output:
        **STORE,
    log:
        log_of("store"),
    conda:
        "../../envs/learning.yaml"
    params:
        **line("store"),
        settings=settings("store", channels=STUDY.channels),
        code=step_hash("learning.store"),


use rule store as pretrain with:
    input:
        **STORE,
        **files("scans", "splits"),
    output:
        **files("encoder", "encoder_description", "training_history"),
    log:
        log_of("pretrain/{training}"),
    priority: 1
    threads: THREADS
    resources:
        mem_mb=NEEDS.memory,
        runtime=NEEDS.minutes,
        gpu=NEEDS.gpus,
        slurm_partition=NEEDS.partition,
    params:
        **line("pretrain", "{training}", THREADS),
        settings=lambda w: settings(
            "pretrain",
            "threads",
            learning=STUDY.learning(w.training),
            # A cell of the grid has as many optimiser steps as the experiment with all people.
            steps_of=STUDY.runs[experiment(w)]["of"],
            code=step_hash("learning.pretrain", STUDY.modules(w.training, "losses", "encoders")),
        ),


use rule pretrain as embed with:
    input:
        **STORE,
        **files("encoder", "encoder_description"),
    output:
        **files("embeddings", "embedding_index"),
    log:
        log_of("embed/{training}"),
    params:
        **line("embed", "{training}", THREADS),
        settings=lambda w: settings(
            "embed",
            "threads",
            device=STUDY.learning(w.training)["device"],
            code=step_hash("learning.embed", STUDY.modules(w.training, "encoders")),
        ),
