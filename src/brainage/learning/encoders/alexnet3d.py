"""AlexNet in three dimensions, as in the SFCN and OpenBHB comparisons (2.55 M parameters)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from brainage.core.choices import Choice
from brainage.learning.encoders._common import WIDTH

if TYPE_CHECKING:
    from torch import nn

    from brainage.learning.encoders._layers import Encoder

CHOICE = Choice(label="AlexNet3D", sentence="AlexNet3D", settings=WIDTH)


def build(width: float = 1.0, channels: int = 1) -> Encoder:
    """Build one with random weights."""
    from torch import nn

    from brainage.learning.encoders._layers import finished, scaled

    sizes = [scaled(size, width) for size in (64, 128, 192, 192, 128)]
    layers = nn.Sequential(
        *_block(channels, sizes[0], 5, stride=2),
        nn.MaxPool3d(3, 3),
        *_block(sizes[0], sizes[1], 3),
        nn.MaxPool3d(3, 3),
        *_block(sizes[1], sizes[2], 3, pad=1),
        *_block(sizes[2], sizes[3], 3, pad=1),
        *_block(sizes[3], sizes[4], 3, pad=1),
        nn.AdaptiveMaxPool3d(1),
    )
    return finished(nn.Sequential(OrderedDict(layers=layers, flatten=nn.Flatten())), sizes[-1])


def _block(
    channels_in: int, channels: int, kernel: int, stride: int = 1, pad: int = 0
) -> list[nn.Module]:
    from torch import nn

    return [
        nn.Conv3d(channels_in, channels, kernel, stride, pad),
        nn.BatchNorm3d(channels),
        nn.ReLU(),
    ]
