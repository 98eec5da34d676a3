"""Image processing: each raw head to a brain on the template's grid, and its quality."""

IMAGING_CODE = {
    "registration": module_hash("brainage.imaging.registration"),
    "measures": {
        name: module_hash(module) for name, module in modules("brainage.imaging.measures").items()
    },
}


def chunk_settings(wildcards):
    """Settings of imaging, with the scans of a chunk."""
    name = wildcards.dataset
    scans = (
        None if name in STUDY.simulated else STUDY.plan["chunks"][name][wildcards.chunk]["scans"]
    )
    mine = {scan for scan, _ in scans or ()}
    excluded = STUDY.plan["exclude"].items()
    return settings(
        "preprocess",
        imaging={k: v for k, v in config["imaging"].items() if k not in ("chunk_size", "exclude")},
        folder=f"{RESULTS}/simulated/{name}" if scans is None else dataset(wildcards)["path"],
        scans=scans,
        exclude={scan: why for scan, why in excluded if scans is None or scan in mine},
        code=IMAGING_CODE,
    )


# Neither scans.tsv nor the splits go in: a corrected age runs nobody's imaging again.
rule preprocess:
    input:
        lambda w: STUDY.images(w.dataset, w.chunk),
    output:
        **files("measures"),
    log:
        log_of("preprocess/{dataset}_{chunk}"),
    benchmark:
        f"{RESULTS}/benchmarks/preprocess/{{dataset}}_{{chunk}}.tsv"
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


use rule index as quality with:
    input:
        **files("scans"),
        tables=STUDY.measures(),
        # Manual decisions, read from the settings below.
        decisions=config["quality"]["decisions"] or [],
    output:
        **files("qc"),
    log:
        log_of("quality"),
    params:
        settings=settings(
            "quality",
            "quality",
            chunks={name: [*map(int, own)] for name, own in STUDY.plan["chunks"].items()},
        ),
        code=step_hash("imaging.quality", choice_modules("imaging.measures")),


rule regions:
    input:
        **files("qc"),
    output:
        **files("regions"),
    log:
        log_of("regions"),
    conda:
        "../../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=step_hash("imaging.regions"),
    shell:
        "brainage {rule} {RESULTS:q} 2>&1 | tee {log:q}"
