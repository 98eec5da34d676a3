"""The commands of probing: predictions from frozen encoders and by the baselines."""

from __future__ import annotations

from brainage.core.command import Settings, step
from brainage.core.layout import Layout
from brainage.core.training import Training


@step(of="training")
def probe_age(files: Layout, training: Training, settings: Settings) -> None:
    """Predict age by ridge regression on the frozen embedding."""
    from brainage.probing.age import probe_age as probe

    probe(files, training, settings)


@step(of="training")
def probe_site(files: Layout, training: Training, settings: Settings) -> None:
    """Measure site predictability from the embedding, from age and sex, and from voxels."""
    from brainage.probing.site import probe_site as probe

    probe(files, training, settings)


@step(of="training")
def probe_diagnosis(files: Layout, training: Training, settings: Settings) -> None:
    """Predict diagnosis from the embedding, out of fold."""
    from brainage.probing.diagnosis import probe_diagnosis as probe

    probe(files, training, settings)


@step(of="training")
def predict_baseline(files: Layout, training: Training, settings: Settings) -> None:
    """Predict age without an encoder: ridge on voxels or regional volumes, or the median age."""
    from brainage.probing.baselines import predict_baseline as predict

    predict(files, training, settings)


@step(of="table")
def gather(files: Layout, table: str, settings: Settings) -> None:
    """Concatenate the same table of several trainings."""
    from brainage.probing.gather import gather_trainings

    gather_trainings(files, table, settings["trainings"])
