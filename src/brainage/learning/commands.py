"""The steps of learning as commands."""

from __future__ import annotations

from brainage.core.command import Settings, step
from brainage.core.layout import Layout
from brainage.core.training import Training


@step()
def store(files: Layout, settings: Settings) -> None:
    """Put all brains that passed quality control into one array on disk."""
    from brainage.learning.store import build

    build(files, settings["channels"])


@step(of="training")
def pretrain(files: Layout, training: Training, settings: Settings) -> None:
    """Pretrain one encoder, resuming from its checkpoint if there is one."""
    from brainage.learning.pretrain import pretrain as train

    named = {key: settings[key] for key in ("threads", "code", "steps_of")}
    train(files, training, settings["learning"], **named)


@step(of="training")
def embed(files: Layout, training: Training, settings: Settings) -> None:
    """Compute the embeddings of all brains in the store with a trained encoder."""
    from brainage.learning.embed import embed as write_embeddings

    named = {key: settings[key] for key in ("device", "threads", "code")}
    write_embeddings(files, training, **named)
