"""The commands of the statistics, from predictions.tsv to the tables that the reports read."""

from __future__ import annotations

from brainage.core.command import Settings, step
from brainage.core.layout import Layout


@step(settings=False)
def gaps(files: Layout) -> None:
    """Compute the brain-age gap and correct it with constants fitted on calibration people."""
    from brainage.statistics.gaps import compute_gaps

    compute_gaps(files.file("predictions"), files.file("gaps"), files.file("reference"))


@step()
def accuracy(files: Layout, settings: Settings) -> None:
    """Measure how well age is predicted on healthy test people."""
    from brainage.statistics.accuracy import measure_accuracy

    inputs = files.file("gaps"), files.file("predictions")
    measure_accuracy(*inputs, files.file("accuracy"), settings, files.file("site_probe"))


@step()
def groups(files: Layout, settings: Settings) -> None:
    """Compare the corrected gap between diagnoses."""
    from brainage.statistics.groups import compare_groups

    compare_groups(files.file("gaps"), files.file("groups"), settings)


@step()
def roc(files: Layout, settings: Settings) -> None:
    """ROC analysis: patients against controls, and the added value of the gap over age and sex."""
    from brainage.statistics.roc import compute_roc

    inputs = files.file("gaps"), files.file("diagnosis_scores")
    compute_roc(*inputs, files.file("roc"), files.file("roc_curves"), settings)


@step()
def slopes(files: Layout, settings: Settings) -> None:
    """Fit the longitudinal change of the corrected gap."""
    from brainage.statistics.longitudinal import fit_slopes

    outputs = files.file("slopes"), files.file("person_slopes")
    fit_slopes(files.file("gaps"), *outputs, settings)


@step()
def grid(files: Layout, settings: Settings) -> None:
    """Measure the effects of the number and diversity of training people."""
    from brainage.statistics.grid import measure_grid

    measure_grid(files, settings)
