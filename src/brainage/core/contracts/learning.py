"""The tables of learning, and how a model names the people that it saw."""

from __future__ import annotations

import hashlib

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import RUN, SCAN_ID

INDEX = Table(
    "index.tsv",
    "Which row of an array belongs to which scan.",
    (SCAN_ID, Column("row", "integer", "row of the array, from 0")),
    key=("scan_id",),
)

HISTORY = Table(
    "history.tsv",
    "Training curves: one row an epoch.",
    (
        *RUN,
        Column("epoch", "integer", "epoch, from 1"),
        Column("learning_rate", "number", "learning rate of the epoch"),
        Column(
            "train_loss", "number", "mean loss over the batches of the epoch, on training people"
        ),
        Column("validation_loss", "number", "loss on validation people", required=False),
        Column(
            "validation_mae",
            "number",
            "MAE of a ridge probe on validation people, in years",
            required=False,
        ),
        Column(
            "rates_tried",
            "text",
            "learning rates that this one was chosen among, each with its MAE on validation people",
            required=False,
            may_lack=True,
        ),
    ),
    key=("experiment", "fold", "seed", "epoch"),
)


def person_hash(dataset: str, participant_id: str) -> str:
    """Name a person in a model's description without saying who it is.

    The model carries these for everyone whose age it saw, so that a probe can refuse to be
    tested on them.
    """
    return hashlib.sha256(f"{dataset}\t{participant_id}".encode()).hexdigest()[:16]
