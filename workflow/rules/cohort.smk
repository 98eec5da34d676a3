"""The simulated cohort, each data set's scans, the table of all scans, the roles of people."""


# Each rule is one command. The others take from this one whatever they don't say themselves.
rule index:
    input:
        [STUDY.file("dataset_scans", dataset=name) for name in config["datasets"]],
    output:
        **files("scans"),
    log:
        log_of("index"),
    conda:
        "../../envs/imaging.yaml"
    container:
        config["container"]
    threads: 1
    resources:
        mem_mb=NEEDS.memory,
        runtime=NEEDS.minutes,
    params:
        **line("index"),
        settings=settings(
            "index",
            "cohort",
            datasets={
                k: {"all_controls": v["all_controls"]} for k, v in config["datasets"].items()
            },
        ),
        code=step_hash("cohort.index"),
    shell:
        "brainage {params.step} {params.results:q} {params.name:q} --settings {params.settings:q}"
        " 2>&1 | tee {log:q}"


use rule index as simulate_tables with:
    input:
        [],
    output:
        **files("participants", "truth"),
    log:
        log_of("simulate_tables/{dataset}"),
    conda:
        "../../envs/learning.yaml"
    params:
        **line("simulate-tables", "{dataset}"),
        settings=lambda w: settings("simulate_tables", simulation=dataset(w)["simulation"]),
        code=step_hash("simulation.simulate_tables"),


use rule simulate_tables as simulate_images with:
    output:
        **files("simulated_images"),
    log:
        log_of("simulate_images/{dataset}_{chunk}"),
    # All heads first: chunks of imaging take as long as each other, and then no core is left over.
    priority: 1
    params:
        **line("simulate-images", "{dataset}_{chunk}"),
        settings=lambda w: settings(
            "simulate_images",
            simulation=dataset(w)["simulation"],
            people=STUDY.plan["chunks"][w.dataset][w.chunk]["people"],
        ),
        code=step_hash("simulation.simulate_images"),


use rule index as read_dataset with:
    input:
        lambda w: STUDY.tables_of(w.dataset),
    output:
        **files("dataset_scans", "dataset_remarks"),
    log:
        log_of("read_dataset/{dataset}"),
    params:
        **line("read-dataset", "{dataset}"),
        settings=lambda w: settings(
            "read_dataset",
            dataset=dataset(w),
            run=config["cohort"]["run"],
            **STUDY.plan["read"].get(w.dataset, {}),
            chunks=[*STUDY.plan["chunks"][w.dataset]],
        ),
        code=reader_code,


use rule index as split with:
    input:
        **files("scans", "qc"),
    output:
        **files("splits"),
    log:
        log_of("split"),
    params:
        **line("split"),
        settings=settings("split", "splits", "seed", "runs"),
        code=step_hash("cohort.split"),
