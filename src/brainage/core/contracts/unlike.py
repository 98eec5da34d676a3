"""Columns on how unlike the training data a scan is.

Apart from the other columns, as these follow from a threshold: imaging and learning, which read
those, are not done again when it changes.
"""

from __future__ import annotations

from brainage.core.contract import Column
from brainage.core.thresholds import UNLIKE_PERCENTILE

UNLIKE_TRAINING = (
    Column(
        "embedding_percentile",
        "number",
        "share of held-out healthy people, in percent, whose embedding is nearer to the training "
        "people's; n/a: trained on, no embedding, or too few such people",
        required=False,
    ),
    Column(
        "image_percentile",
        "number",
        "the same for measures of the image; n/a: trained on, or a measure is missing",
        required=False,
    ),
    Column(
        "unlike_training",
        "text",
        f"whether one of the two is {UNLIKE_PERCENTILE} or more: the scan is unlike the training "
        "data; n/a: neither is known",
        required=False,
        allowed=("true", "false"),
    ),
)
