"""DenseNet121 in three dimensions, by MONAI (11.24 M parameters)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from brainage.core.choices import Choice
from brainage.learning.encoders._common import WIDTH

if TYPE_CHECKING:
    from brainage.learning.encoders._layers import Encoder

CHOICE = Choice(label="DenseNet121", sentence="a 3D DenseNet121", settings=WIDTH)


def build(width: float = 1.0, channels: int = 1) -> Encoder:
    """Build one with random weights."""
    from monai.networks.nets import DenseNet
    from torch import nn

    from brainage.learning.encoders._layers import finished, scaled

    network = DenseNet(
        spatial_dims=3,
        in_channels=channels,
        out_channels=1,
        init_features=scaled(64, width),
        growth_rate=scaled(32, width),
        block_config=(6, 12, 24, 16),
    )
    feature_size = cast(nn.Linear, network.class_layers.out).in_features
    network.class_layers.out = nn.Identity()
    return finished(network, feature_size)
