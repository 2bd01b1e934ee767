"""The network that paints what no frame reveals: a small U-Net on blocks of 2x2 pixels that corrects what is there.

It works where chroma does, on luma unshuffled to half the side, so that all three planes are one picture (O.
Ronneberger et al., "U-Net", 2015, for the shape; dilated layers at the bottom as in S. Iizuka et al., "Globally and
Locally Consistent Image Completion", 2017, so that a hole's middle sees its rim). Its result is added to the spatial
fill under the mask, so that it begins as that fill, and is given its own last output moved along the motion, so that
what it invents stays.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.1
_BLOCK = 2
#: luma, confidence, mask, previous luma and whether it is known in blocks; both chroma planes of now and before.
_INPUTS = 5 * _BLOCK**2 + 4
_OUTPUTS = _BLOCK**2 + 2
_DILATIONS = (1, 2, 4, 8)
#: Sides are halved thrice after the unshuffle.
SIZE_MULTIPLE = 16


class _Layer(nn.Module):
    """A 3x3 convolution and its activation; with ``add`` the input is added."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1, add: bool = False) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation)
        self.add = add
        nn.init.kaiming_normal_(self.convolution.weight, a=_SLOPE)
        nn.init.zeros_(self.convolution.bias)
        if add:
            self.convolution.weight.data *= 0.3

    def forward(self, features: Tensor) -> Tensor:
        changed = functional.leaky_relu(self.convolution(features), _SLOPE)
        return features + changed if self.add else changed


class FillNetwork(nn.Module):
    """Fills one frame.

    Args:
        widths: channels at a half, a quarter, an eighth and a sixteenth of the side.
    """

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.widths = widths
        first, second, third, last = widths
        self.head = _Layer(_INPUTS, first)
        self.down = nn.ModuleList(
            (_Layer(first, second, stride=2), _Layer(second, third, stride=2), _Layer(third, last, stride=2))
        )
        self.encode = nn.ModuleList((_Layer(second, second, add=True), _Layer(third, third, add=True)))
        self.bottom = nn.Sequential(*(_Layer(last, last, dilation=each, add=True) for each in _DILATIONS))
        self.up = nn.ModuleList((nn.Conv2d(last, third, 1), nn.Conv2d(third, second, 1), nn.Conv2d(second, first, 1)))
        self.decode = nn.ModuleList(
            (_Layer(third, third, add=True), _Layer(second, second, add=True), _Layer(first, first, add=True))
        )
        self.tail = nn.Conv2d(first, _OUTPUTS, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return luma (N, 1, H, W) and chroma (N, 2, H/2, W/2), not clipped.

        What goes in are the inputs of ``gpu_worker.fill.learned``, in that order; sides are multiples of
        ``SIZE_MULTIPLE``.
        """
        luma, chroma, confidence, mask, previous_luma, previous_chroma, previous_known = inputs
        blocks = (luma, confidence, mask, previous_luma, previous_known)
        packed = [functional.pixel_unshuffle(each, _BLOCK) for each in blocks]
        features = self.head(torch.cat((*packed, chroma, previous_chroma), dim=1))
        skips = [features]
        for number, layer in enumerate(self.down):
            features = layer(features)
            if number < len(self.encode):
                features = self.encode[number](features)
                skips.append(features)
        features = self.bottom(features)
        for widen, layer in zip(self.up, self.decode, strict=True):
            enlarged = functional.interpolate(widen(features), scale_factor=2.0, mode="nearest")
            features = layer(enlarged + skips.pop())
        change = self.tail(features).float()
        with torch.autocast(luma.device.type, enabled=False):
            return luma + functional.pixel_shuffle(change[:, : _BLOCK**2], _BLOCK), chroma + change[:, _BLOCK**2 :]
