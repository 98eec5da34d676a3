"""What encoders are made of."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional


class Encoder(nn.Module):
    """What a ``build`` returns, for type checkers: a network that says how long its vectors are."""

    feature_size: int


def finished(network: nn.Module, feature_size: int) -> Encoder:
    """Return a network as an encoder; on a GPU its first convolution is worked in blocks."""
    encoder = cast(Encoder, network)
    encoder.feature_size = feature_size
    # The class alone: weights, their names and what they were drawn from stay as they are.
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv3d))
    if first.stride == (2, 2, 2) and first.kernel_size[0] % 2:
        first.__class__ = FirstConv
    return encoder


def scaled(channels: int, width: float, step: int = 4) -> int:
    """Return a number of feature maps at a width, a multiple of `step`."""
    return max(step, round(channels * width / step) * step)


class FirstConv(nn.Conv3d):
    """The first convolution of a network: stride 2, an odd kernel, very few channels in.

    GPUs have no fast kernel for that. The same sums are a convolution of stride 1 in which the
    voxels of a block of 2 x 2 x 2 are channels, and the blocks that a kernel covers along the
    last axis are channels too: for so many they have one.
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.in_blocks(x) if x.is_cuda else super().forward(x)

    def in_blocks(self, x: Tensor) -> Tensor:
        """Compute what ``forward`` of the plain convolution does, but for rounding."""
        kernel, margin = self.kernel_size[0], int(self.padding[0])
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


class Residual(nn.Module):
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
