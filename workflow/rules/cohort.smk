"""The simulated cohort, each data set's scans, the table of all scans, the roles of people."""


def simulation(wildcards):
    """Settings of a simulated data set."""
    return config["datasets"][wildcards.dataset]["simulation"]


def tables_of_dataset(wildcards):
    """The tables that a data set's reader reads; of a simulated one those of its images too."""
    name = wildcards.dataset
    if name not in SIMULATED:
        return PLAN["tables"][name]
    participants = FILES["participants"].format(dataset=name)
    images = (FILES["simulated_images"].format(dataset=name, chunk=k) for k in CHUNKS[name])
    return [results(path) for path in (participants, *images)]


def reader_code(wildcards):
    """Code of a data set's own reader."""
    name = wildcards.dataset
    kind = "bids" if name in SIMULATED else config["datasets"][name]["kind"]
    return step_hash("datasets.read_dataset", [f"brainage.datasets.readers.{kind}"])


rule simulate_tables:
    output:
        **files("participants", "truth"),
    log:
        results("logs/simulate_tables/{dataset}.log"),
    conda:
        "../../envs/learning.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=lambda wildcards: settings("simulate_tables", simulation=simulation(wildcards)),
        code=step_hash("simulation.simulate_tables"),
    shell:
        "brainage {rule} {RESULTS:q} {wildcards.dataset} --settings {params.settings:q}"
        " 2>&1 | tee {log:q}"


rule simulate_images:
    output:
        **files("simulated_images"),
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
        settings=lambda wildcards: settings(
            "simulate_images",
            simulation=simulation(wildcards),
            people=CHUNKS[wildcards.dataset][wildcards.chunk]["people"],
        ),
        code=step_hash("simulation.simulate_images"),
    shell:
        "brainage {rule} {RESULTS:q} {wildcards.dataset}_{wildcards.chunk}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule simulate_tables as read_dataset with:
    input:
        tables_of_dataset,
    output:
        **files("dataset_scans", "dataset_remarks"),
    log:
        results("logs/read_dataset/{dataset}.log"),
    conda:
        "../../envs/imaging.yaml"
    params:
        settings=lambda wildcards: settings(
            "read_dataset",
            dataset=config["datasets"][wildcards.dataset],
            run=config["cohort"]["run"],
            listing=PLAN["listing"].get(wildcards.dataset),
            chunks=[*CHUNKS[wildcards.dataset]],
        ),
        code=reader_code,


rule index:
    input:
        [results(FILES["dataset_scans"].format(dataset=name)) for name in config["datasets"]],
    output:
        **files("scans"),
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
            "index",
            "cohort",
            datasets={
                name: {"all_controls": data["all_controls"]}
                for name, data in config["datasets"].items()
            },
        ),
        code=step_hash("cohort.index"),
    shell:
        "brainage {rule} {RESULTS:q} --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule index as split with:
    input:
        **files("scans", "qc"),
    output:
        **files("splits"),
    log:
        results("logs/split.log"),
    params:
        settings=settings("split", "splits", "seed", "runs"),
        code=step_hash("cohort.split"),
