"""Image processing: each raw head to a brain on the template's grid, and its quality."""

IMAGING_CODE = {
    "registration": module_hash("brainage.imaging.registration"),
    "measures": {
        name: module_hash(module) for name, module in modules("brainage.imaging.measures").items()
    },
}


# Neither scans.tsv nor the splits go in: a corrected age runs nobody's imaging again.
use rule index as preprocess with:
    input:
        lambda w: STUDY.images(w.dataset, w.chunk),
    output:
        **files("measures"),
    log:
        log_of("preprocess/{dataset}_{chunk}"),
    params:
        **line("preprocess", "{dataset}_{chunk}"),
        settings=lambda w: settings(
            "preprocess", code=IMAGING_CODE, **STUDY.imaging(w.dataset, w.chunk)
        ),
        # Sizes and dates: where they are others, the job looks whether the images are.
        images=lambda w: STUDY.plan["chunks"][w.dataset][w.chunk]["images"],
        code=step_hash("imaging.preprocess"),


use rule index as quality with:
    input:
        **files("scans"),
        tables=STUDY.measures(),
    output:
        **files("qc"),
    log:
        log_of("quality"),
    params:
        **line("quality"),
        settings=settings(
            "quality",
            "quality",
            contents=STUDY.contents("quality"),
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
    container:
        config["container"]
    threads: 1
    resources:
        mem_mb=NEEDS.memory,
        runtime=NEEDS.minutes,
    params:
        **line("regions"),
        code=step_hash("imaging.regions"),
    shell:
        "brainage {params.step} {params.results:q} 2>&1 | tee {log:q}"
