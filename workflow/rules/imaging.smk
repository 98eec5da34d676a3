"""Image processing: each raw head to a brain on the template's grid, and its quality."""

IMAGING_CODE = {
    "registration": module_hash("brainage.imaging.registration"),
    "measures": {
        name: module_hash(module) for name, module in modules("brainage.imaging.measures").items()
    },
}


def chunk_images(wildcards):
    """The raw images of a chunk; of simulated ones the table that says that they are there."""
    name, chunk = wildcards.dataset, wildcards.chunk
    if name in SIMULATED:
        return results(FILES["simulated_images"].format(dataset=name, chunk=chunk))
    folder = config["datasets"][name]["path"]
    return [f"{folder}/{t1w}" for _, t1w in CHUNKS[name][chunk]["scans"]]


def chunk_settings(wildcards):
    """Settings of imaging, with the scans of a chunk."""
    name = wildcards.dataset
    own = CHUNKS[name][wildcards.chunk]["scans"]
    return settings(
        "preprocess",
        imaging={k: v for k, v in config["imaging"].items() if k not in ("chunk_size", "exclude")},
        exclude={k: why for k, why in PLAN["exclude"].items() if k.startswith(f"{name}_")},
        folder=(
            results(f"simulated/{name}") if name in SIMULATED else config["datasets"][name]["path"]
        ),
        scans=None if name in SIMULATED else own,
        code=IMAGING_CODE,
    )


# Neither scans.tsv nor the splits go in: a corrected age runs nobody's imaging again.
rule preprocess:
    input:
        chunk_images,
    output:
        **files("measures"),
    log:
        results("logs/preprocess/{dataset}_{chunk}.log"),
    benchmark:
        results("benchmarks/preprocess/{dataset}_{chunk}.tsv")
    retries: 1
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
    params:
        settings=chunk_settings,
        code=step_hash("imaging.preprocess"),
    shell:
        "brainage {rule} {RESULTS:q} {wildcards.dataset}_{wildcards.chunk}"
        " --settings {params.settings:q} 2>&1 | tee {log:q}"


rule quality:
    input:
        **files("scans"),
        tables=[
            results(FILES["measures"].format(dataset=dataset, chunk=chunk))
            for dataset, chunks in CHUNKS.items()
            for chunk in chunks
        ],
        # Manual decisions, read from the settings below.
        decisions=config["quality"]["decisions"] or [],
    output:
        **files("qc"),
    log:
        results("logs/quality.log"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=settings(
            "quality", "quality", chunks={name: [*map(int, CHUNKS[name])] for name in CHUNKS}
        ),
        code=step_hash("imaging.quality", choice_modules("imaging.measures")),
    shell:
        "brainage {rule} {RESULTS:q} --settings {params.settings:q} 2>&1 | tee {log:q}"


rule regions:
    input:
        **files("qc"),
    output:
        **files("regions"),
    log:
        results("logs/regions.log"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=step_hash("imaging.regions"),
    shell:
        "brainage {rule} {RESULTS:q} 2>&1 | tee {log:q}"
