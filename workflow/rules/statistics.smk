"""Statistics: the brain-age gap, its accuracy, groups, ROC curves, change with time."""

# The settings of a step are the section and what stands beside it.
ANALYSIS = {
    **config["statistics"],
    "seed": config["seed"],
    "external_sites": config["splits"]["external_sites"],
}


use rule regions as gaps with:
    input:
        **files("predictions"),
    output:
        **files("gaps", "reference"),
    log:
        log_of("gaps"),
    conda:
        "../../envs/analysis.yaml"
    params:
        **line("gaps"),
        code=step_hash("statistics.gaps"),


use rule index as accuracy with:
    input:
        **files("gaps", "predictions", "site_probe"),
    output:
        **files("accuracy"),
    log:
        log_of("accuracy"),
    conda:
        "../../envs/analysis.yaml"
    threads: THREADS
    params:
        **line("accuracy", threads=THREADS),
        settings=settings("accuracy", **ANALYSIS),
        code=step_hash("statistics.accuracy"),


use rule accuracy as groups with:
    input:
        **files("gaps"),
    output:
        **files("groups"),
    log:
        log_of("groups"),
    params:
        **line("groups", threads=THREADS),
        settings=settings("groups", **ANALYSIS),
        code=step_hash("statistics.groups"),


use rule accuracy as roc with:
    input:
        **files("gaps", "diagnosis_scores"),
    output:
        **files("roc", "roc_curves"),
    log:
        log_of("roc"),
    params:
        **line("roc", threads=THREADS),
        settings=settings("roc", **ANALYSIS),
        code=step_hash("statistics.roc"),


use rule accuracy as slopes with:
    input:
        **files("gaps"),
    output:
        **files("slopes", "person_slopes"),
    log:
        log_of("slopes"),
    params:
        **line("slopes", threads=THREADS),
        settings=settings("slopes", **ANALYSIS),
        code=step_hash("statistics.slopes"),


# Effects of the number and diversity of training people; only where the config has a grid.
use rule accuracy as grid with:
    input:
        **files("grid_predictions", "grid_site_probe", "grid_diagnosis_scores"),
    output:
        **files("grid_accuracy", "grid_sites", "grid_diagnosis"),
    log:
        log_of("grid"),
    params:
        **line("grid", threads=THREADS),
        settings=settings("grid", "runs", **ANALYSIS),
        code=step_hash("statistics.grid"),
