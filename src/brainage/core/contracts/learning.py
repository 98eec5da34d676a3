"""The tables of learning."""

from __future__ import annotations

from brainage.core.contract import Column, Table
from brainage.core.contracts.columns import RUN, SCAN_ID

INDEX = Table(
    "index.tsv",
    "The row of an array for each scan.",
    (
        SCAN_ID,
        Column("row", "integer", "row of the array, from 0"),
        # Names what was seen and nobody: a hash of an id is turned back by trying all ids.
        Column(
            "brain_sha256",
            "text",
            "first 16 hexadecimal digits of the SHA-256 of the brain's voxels in the store",
        ),
        Column(
            "grey_matter_sha256",
            "text",
            "the same for its grey-matter map, if the store has one",
            required=False,
            may_lack=True,
        ),
    ),
    key=("scan_id",),
)

HISTORY = Table(
    "history.tsv",
    "Training curves: one row per epoch.",
    (
        *RUN,
        Column("epoch", "integer", "epoch, from 1"),
        Column("learning_rate", "number", "learning rate in the middle of the epoch"),
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
            "learning rates that were tried, each with its MAE on validation people",
            required=False,
            may_lack=True,
        ),
    ),
    key=("experiment", "fold", "seed", "epoch"),
)
