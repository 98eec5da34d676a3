"""Reports: figures, the study's page, the quality page, a page for each person."""

# What the pages say of the choices comes from the choices' own modules.
PARTS = choice_modules(
    "learning.losses", "learning.encoders", "imaging.measures", "reporting.sections"
)
RUN = {
    "trainings": {name: trainings([name]) for name in STUDY.experiments},
    "simulated": STUDY.simulated,
    "locked": locked_versions(),
}
REPORT = settings("report", *config, **RUN)
# The tables that figures and pages are made from, and what was trained with.
TABLES = tables_of(STUDY.layout, {**config, **RUN})
TABLES["encoders"] = STUDY.of_trainings("encoder_description", STUDY.experiments)


# All in one job: reading the tables and loading matplotlib takes longer than drawing.
use rule index as figures with:
    input:
        **TABLES,
    output:
        **{
            name: shown(STUDY.file("figure", figure=name), name, figure.category, figure.label)
            for name, figure in FIGURES.items()
        },
    log:
        log_of("figures"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **line("figures"),
        settings=REPORT,
        code=step_hash("reporting.figures", PARTS),


use rule figures as truth_recovery with:
    output:
        shown(STUDY.file("truth_recovery"), "truth_recovery", "Truth", "Planted and recovered"),
    log:
        log_of("truth_recovery"),
    params:
        **line("truth-recovery"),
        settings=REPORT,
        code=step_hash("reporting.truth_recovery"),


use rule figures as study_page with:
    input:
        **TABLES,
        remarks=[STUDY.file("dataset_remarks", dataset=name) for name in config["datasets"]],
        figures=rules.figures.output,
    output:
        shown(STUDY.file("study_page"), "study", "Pages", "The study's page"),
    log:
        log_of("study_page"),
    params:
        **line("study-page"),
        settings=REPORT,
        code=step_hash("reporting.study_page", PARTS),


use rule figures as quality_page with:
    input:
        **files("scans", "qc"),
    output:
        **files("quality_page"),
    log:
        log_of("quality_page"),
    params:
        **line("quality-page"),
        settings=settings("quality_page", "report", "statistics", "imaging", "quality", "datasets"),
        code=step_hash("reporting.quality_page", PARTS),


use rule figures as person_pages with:
    input:
        **TABLES,
        weights=STUDY.of_trainings("encoder", [MAIN]),
    output:
        **files("people_page"),
    log:
        log_of("person_pages"),
    params:
        **line("person-pages"),
        settings=REPORT,
        code=step_hash("reporting.person_pages", PARTS),
