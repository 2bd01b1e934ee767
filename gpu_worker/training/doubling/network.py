"""The networks that double luma: a body of 3x3 convolutions on the small picture, a shuffle to the large one.

The shuffle is that of W. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network", 2016. The input can be unshuffled likewise, which costs a quarter per channel; but at
equal cost more channels on fewer pixels learned far worse (8 layers, 1,500 steps: 64 channels on half the side 36.26
dB on Set5, 32 channels on the side as it is 36.82). Each layer trains as a sum of branches and runs as one kernel (X.
Ding et al., "RepVGG", 2021). The activation is one that onnxruntime fuses into the convolution: with a learned slope
the CPU took 1.7 times as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.1
_SCALE = 2


@dataclass(frozen=True, slots=True)
class Architecture:
    """``unshuffle``: side of the block of pixels that becomes channels; ``layers`` of ``channels`` in the body."""

    unshuffle: int
    channels: int
    layers: int


class _RepConv(nn.Module):
    """A 3x3 convolution, trained as 3x3 + 1x1 + identity; all are linear, so one kernel is their sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.full = nn.Conv2d(channels, channels, 3, padding=1)
        self.point = nn.Parameter(torch.zeros(channels, channels))
        self.register_buffer("identity", torch.eye(channels), persistent=False)
        nn.init.kaiming_normal_(self.full.weight, a=_SLOPE)
        self.full.weight.data *= 0.3  # the identity carries the signal at first

    def kernel(self) -> Tensor:
        """Return the sum of the branches, (channels, channels, 3, 3)."""
        centre = (self.point + self.identity)[:, :, None, None]
        return self.full.weight + functional.pad(centre, (1, 1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        return functional.conv2d(features, self.kernel(), self.full.bias, padding=1)

    def fused(self) -> nn.Conv2d:
        """Return the plain convolution that does the same."""
        weight = self.kernel().detach()
        plain = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        assert plain.bias is not None
        assert self.full.bias is not None
        plain.weight.data.copy_(weight)
        plain.bias.data.copy_(self.full.bias.detach())
        return plain.to(weight.device)


class Doubler(nn.Module):
    """Doubles luma: (N, 1, H, W), 0-1, to (N, 1, 2H, 2W); H and W are multiples of ``architecture.unshuffle``."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        pixels = architecture.unshuffle**2
        self.head = nn.Conv2d(pixels, architecture.channels, 3, padding=1)
        self.body: nn.ModuleList = nn.ModuleList(_RepConv(architecture.channels) for _ in range(architecture.layers))
        self.tail = nn.Conv2d(architecture.channels, _SCALE**2 * pixels, 3, padding=1)
        self.shortcut = nn.Conv2d(pixels, _SCALE**2 * pixels, 3, padding=1)
        nn.init.kaiming_normal_(self.head.weight, a=_SLOPE)
        self.tail.weight.data *= 0.1
        self._begin_as_nearest()

    def forward(self, picture: Tensor) -> Tensor:
        """Return the doubled picture, not clipped."""
        side = self.architecture.unshuffle
        pixels = functional.pixel_unshuffle(picture, side) if side > 1 else picture
        features = functional.leaky_relu(self.head(pixels), _SLOPE)
        for layer in self.body:
            features = functional.leaky_relu(layer(features), _SLOPE)
        detail = self.tail(features).float()
        with torch.autocast(picture.device.type, enabled=False):
            # The picture itself does not go through bfloat16, whose steps are wider than half a level of 8 bits.
            return functional.pixel_shuffle(detail + self.shortcut(pixels), _SCALE * side)

    def fused(self) -> FusedDoubler:
        """Return the network that runs: the same function in fewer steps."""
        return FusedDoubler(self)

    def _begin_as_nearest(self) -> None:
        """Let the shortcut repeat each pixel, so that training begins with a picture."""
        side, out = self.architecture.unshuffle, _SCALE * self.architecture.unshuffle
        weight = torch.zeros_like(self.shortcut.weight)
        for row in range(out):
            for column in range(out):
                weight[row * out + column, (row // _SCALE) * side + column // _SCALE, 1, 1] = 1.0
        self.shortcut.weight.data.copy_(weight)
        assert self.shortcut.bias is not None
        self.shortcut.bias.data.zero_()


class FusedDoubler(nn.Module):
    """What a trained ``Doubler`` does: each layer one convolution, the unshuffle a stride of the first two."""

    def __init__(self, trained: Doubler) -> None:
        super().__init__()
        self.architecture = trained.architecture
        self.head = _strided(trained.head, trained.architecture.unshuffle)
        self.body = nn.ModuleList(layer.fused() for layer in trained.body if isinstance(layer, _RepConv))
        self.tail = trained.tail
        self.shortcut = _strided(trained.shortcut, trained.architecture.unshuffle)
        self.eval()

    def forward(self, picture: Tensor) -> Tensor:
        """Return the doubled picture, not clipped."""
        features = functional.leaky_relu(self.head(picture), _SLOPE)
        for layer in self.body:
            features = functional.leaky_relu(layer(features), _SLOPE)
        doubled = self.tail(features) + self.shortcut(picture)
        return functional.pixel_shuffle(doubled, _SCALE * self.architecture.unshuffle)


def _strided(trained: nn.Conv2d, side: int) -> nn.Conv2d:
    """Return the convolution on pixels that equals ``trained`` on pixels unshuffled by ``side``."""
    weight = trained.weight.detach()
    outputs = weight.shape[0]
    # (out, row and column in the block, block row, block column) to (out, 1, row, column).
    blocks = weight.reshape(outputs, side, side, 3, 3).permute(0, 3, 1, 4, 2).reshape(outputs, 1, 3 * side, 3 * side)
    plain = nn.Conv2d(1, outputs, 3 * side, stride=side, padding=side)
    assert plain.bias is not None
    assert trained.bias is not None
    plain.weight.data.copy_(blocks)
    plain.bias.data.copy_(trained.bias.detach())
    return plain.to(weight.device)
