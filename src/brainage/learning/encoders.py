"""Networks from a volume to a vector, and the heads that training puts on them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from brainage.core.files import InputError

NAMES = ("small", "resnet18", "densenet121", "alexnet3d")


def build(name: str, width: float = 1.0, channels: int = 1) -> nn.Module:
    """Build an encoder with random weights.

    ``resnet18`` (33.16 M parameters), ``densenet121`` (11.24 M) and ``alexnet3d`` (2.55 M)
    are those of the paper's code at width 1; ``small`` is for a laptop without a GPU and
    volumes of about 40 x 48 x 40 voxels.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    width
        Factor on the number of feature maps.
    channels
        Images of each scan: 1, or 2 with grey matter.

    Returns
    -------
    torch.nn.Module
        From (n, channels, x, y, z) to (n, ``feature_size``); it has an attribute ``feature_size``.

    Raises
    ------
    InputError
        For another name, or a width of 0 or less.
    """
    if name not in NAMES:
        raise InputError(f"encoder.name is {name!r}; it must be one of {', '.join(NAMES)}")
    if not width > 0:
        raise InputError(f"encoder.width is {width}; it must be above 0")
    make = {
        "small": Small,
        "alexnet3d": AlexNet3D,
        "resnet18": _resnet18,
        "densenet121": _densenet121,
    }[name]
    network = make(width, channels)
    # The class alone: weights, their names and what they were drawn from stay as they are.
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv3d))
    if first.stride == (2, 2, 2) and first.kernel_size[0] % 2:
        first.__class__ = _FirstConv
    return network


def _scaled(channels: int, width: float, step: int = 4) -> int:
    return max(step, round(channels * width / step) * step)


class _FirstConv(nn.Conv3d):
    """The first convolution of a network: stride 2, an odd kernel, very few channels in.

    GPUs have no fast kernel for that. The same sums are a convolution of stride 1 in which the
    voxels of a block of 2 x 2 x 2 are channels, and the blocks that a kernel covers along the
    last axis are channels too: for so many they have one.
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.in_blocks(x) if x.is_cuda else super().forward(x)

    def in_blocks(self, x: Tensor) -> Tensor:
        """Compute what ``forward`` of the plain convolution does, but for rounding."""
        kernel, margin = self.kernel_size[0], self.padding[0]
        blocks = (kernel + 1) // 2  # that the kernel covers along each axis
        pad: list[int] = []
        for side in reversed(x.shape[2:]):
            steps = (side + 2 * margin - kernel) // 2 + 1
            pad += [margin, 2 * (steps + blocks - 1) - side - margin]
        x = _blocks_as_channels(functional.pad(x, pad)).unfold(3, blocks, 1)
        weight = _blocks_as_channels(functional.pad(self.weight, [0, 1] * 3))
        x = x.flatten(4).permute(0, 4, 1, 2, 3)
        weight = weight.transpose(3, 4).flatten(3)[:, :, :, None].permute(0, 4, 1, 2, 3)
        return functional.conv3d(x, weight, self.bias)


def _blocks_as_channels(x: Tensor) -> Tensor:
    """Turn (n, channels, x, y, z) into (n, x / 2, y / 2, z / 2, 8 channels)."""
    x = x.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    return x.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4)


class _Residual(nn.Module):
    """Two 3x3x3 convolutions around which the input is carried."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv3d(channels_in, channels, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm3d(channels)
        self.second = nn.Conv3d(channels, channels, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm3d(channels)
        self.carry: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            self.carry = nn.Sequential(
                nn.AvgPool3d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv3d(channels_in, channels, 1, bias=False),
                nn.BatchNorm3d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(y)) + self.carry(x))


class Small(nn.Module):
    """A residual network of five convolutions.

    It keeps some of the layout of the brain: where tissue is lost says more about age than
    how much of it, and a global mean over so few channels would drop that.
    """

    def __init__(self, width: float, channels: int = 1) -> None:
        super().__init__()
        a, b, c = (_scaled(size, width) for size in (8, 16, 32))
        self.stem = nn.Sequential(
            nn.Conv3d(channels, a, 5, 2, 2, bias=False), nn.BatchNorm3d(a), nn.ReLU()
        )
        self.stages = nn.Sequential(_Residual(a, b, 2), _Residual(b, c, 2))
        self.pool = nn.AdaptiveAvgPool3d((2, 3, 2))
        self.feature_size = c * 12

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.stages(self.stem(x))).flatten(1)


class AlexNet3D(nn.Module):
    """AlexNet in three dimensions, as in the SFCN and OpenBHB comparisons (2.55 M)."""

    def __init__(self, width: float, channels: int = 1) -> None:
        super().__init__()
        sizes = [_scaled(size, width) for size in (64, 128, 192, 192, 128)]

        def block(channels_in: int, channels: int, kernel: int, stride: int = 1, pad: int = 0):
            return [
                nn.Conv3d(channels_in, channels, kernel, stride, pad),
                nn.BatchNorm3d(channels),
                nn.ReLU(),
            ]

        self.layers = nn.Sequential(
            *block(channels, sizes[0], 5, 2),
            nn.MaxPool3d(3, 3),
            *block(sizes[0], sizes[1], 3),
            nn.MaxPool3d(3, 3),
            *block(sizes[1], sizes[2], 3, pad=1),
            *block(sizes[2], sizes[3], 3, pad=1),
            *block(sizes[3], sizes[4], 3, pad=1),
            nn.AdaptiveMaxPool3d(1),
        )
        self.feature_size = sizes[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


def _resnet18(width: float, channels: int) -> nn.Module:
    from monai.networks.nets import ResNet

    planes = [_scaled(size, width) for size in (64, 128, 256, 512)]
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
    network.feature_size = planes[-1]
    return network


def _densenet121(width: float, channels: int) -> nn.Module:
    from monai.networks.nets import DenseNet

    network = DenseNet(
        spatial_dims=3,
        in_channels=channels,
        out_channels=1,
        init_features=_scaled(64, width),
        growth_rate=_scaled(32, width),
        block_config=(6, 12, 24, 16),
    )
    feature_size = network.class_layers.out.in_features
    network.class_layers.out = nn.Identity()
    network.feature_size = feature_size
    return network


class ProjectionHead(nn.Module):
    """Linear(d, d), ReLU, Linear(d, size); only training uses it, never a probe."""

    def __init__(self, feature_size: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(feature_size, feature_size), nn.ReLU(), nn.Linear(feature_size, size)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class AgeHead(nn.Module):
    """Linear(d, 1) whose output is in years.

    It begins at the mean age of the people it is fitted on and counts in their SD: with plain
    years, hundreds of steps would go into learning the mean.
    """

    def __init__(self, feature_size: int, ages: Sequence[float]) -> None:
        super().__init__()
        years = torch.as_tensor(ages, dtype=torch.float64)
        self.linear = nn.Linear(feature_size, 1)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("mean", years.mean().float())
        self.register_buffer("sd", years.std(correction=0).clamp(min=1.0).float())

    def forward(self, features: Tensor) -> Tensor:
        return self.mean + self.sd * self.linear(features).squeeze(1)
