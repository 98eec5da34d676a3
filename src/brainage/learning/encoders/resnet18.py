"""ResNet-18 in three dimensions, by MONAI (33.16 M parameters)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brainage.core.choices import Choice
from brainage.learning.encoders._common import WIDTH

if TYPE_CHECKING:
    from brainage.learning.encoders._layers import Encoder

CHOICE = Choice(label="ResNet-18", sentence="a 3D ResNet-18", settings=WIDTH)


def build(width: float = 1.0, channels: int = 1) -> Encoder:
    """Build one with random weights."""
    from monai.networks.nets import ResNet

    from brainage.learning.encoders._layers import finished, scaled

    planes = [scaled(size, width) for size in (64, 128, 256, 512)]
    network = ResNet(
        block="basic",
        layers=[2, 2, 2, 2],
        block_inplanes=planes,
        spatial_dims=3,
        n_input_channels=channels,
        conv1_t_size=7,
        conv1_t_stride=2,
        feed_forward=False,
    )
    return finished(network, planes[-1])
