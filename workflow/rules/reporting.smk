"""Reports: figures, the study's page, the quality page, a page for each person."""

# What the pages say of the choices comes from the choices' own modules.
PARTS = [
    name
    for package in (
        "learning.losses",
        "learning.encoders",
        "imaging.measures",
        "reporting.sections",
    )
    for name in choice_modules(package)
]


def shown(path, caption, category, label):
    """A file that Snakemake's own report shows; figures bring their captions."""
    caption = CAPTIONS / f"{caption}.rst" if caption in FIGURES else f"../report/{caption}.rst"
    return report(results(path), caption=caption, category=category, labels={"figure": label})


# All in one job: reading the tables and loading matplotlib takes longer than drawing.
rule figures:
    input:
        **TABLES,
    output:
        **{
            name: shown(FILES["figure"].format(figure=name), name, figure.category, figure.label)
            for name, figure in FIGURES.items()
        },
    log:
        results("logs/figures.log"),
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=REPORT,
        code=step_hash("reporting.figures", PARTS),
    shell:
        "brainage {rule} {RESULTS:q} --settings {params.settings:q} 2>&1 | tee {log:q}"


use rule figures as truth_recovery with:
    output:
        shown(
            FILES["truth_recovery"], "truth_recovery", "Truth", "Planted and recovered, as a table"
        ),
    log:
        results("logs/truth_recovery.log"),
    params:
        settings=REPORT,
        code=step_hash("reporting.truth_recovery"),


use rule figures as study_page with:
    input:
        **TABLES,
        remarks=[results(FILES["dataset_remarks"].format(dataset=k)) for k in config["datasets"]],
        figures=rules.figures.output,
    output:
        shown(FILES["study_page"], "study", "Pages", "The study's page"),
    log:
        results("logs/study_page.log"),
    params:
        settings=REPORT,
        code=step_hash("reporting.study_page", PARTS),


use rule figures as quality_page with:
    input:
        **files("scans", "qc"),
    output:
        **files("quality_page"),
    log:
        results("logs/quality_page.log"),
    params:
        settings=settings(
            "quality_page", "report", "statistics", "cohort", "imaging", "quality", "datasets"
        ),
        code=step_hash("reporting.quality_page", PARTS),


use rule figures as person_pages with:
    input:
        **TABLES,
        weights=of_trainings("encoder", trainings_of([MAIN])),
    output:
        **files("people_page"),
    log:
        results("logs/person_pages.log"),
    params:
        settings=REPORT,
        code=step_hash("reporting.person_pages", PARTS),
