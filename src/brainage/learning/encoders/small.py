"""A residual network of five convolutions, for a machine without a GPU.

It keeps some of the layout of the brain: where tissue is lost says more about age than
how much of it, and a global mean over so few channels would drop that. Made for volumes of about
40 x 48 x 40 voxels.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from brainage.core.choices import Choice
from brainage.learning.encoders._common import WIDTH

if TYPE_CHECKING:
    from brainage.learning.encoders._layers import Encoder

CHOICE = Choice(
    label="small network",
    sentence="a small 3D convolutional network",
    settings=WIDTH,
)


def build(width: float = 1.0, channels: int = 1) -> Encoder:
    """Build one with random weights."""
    from torch import nn

    from brainage.learning.encoders._layers import Residual, finished, scaled

    a, b, c = (scaled(size, width) for size in (8, 16, 32))
    parts: dict[str, nn.Module] = {
        "stem": nn.Sequential(
            nn.Conv3d(channels, a, 5, 2, 2, bias=False), nn.BatchNorm3d(a), nn.ReLU()
        ),
        "stages": nn.Sequential(Residual(a, b, 2), Residual(b, c, 2)),
        "pool": nn.AdaptiveAvgPool3d((2, 3, 2)),
        "flatten": nn.Flatten(),
    }
    return finished(nn.Sequential(OrderedDict(parts)), c * 12)
