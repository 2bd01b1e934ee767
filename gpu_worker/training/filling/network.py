"""The network that paints what no frame reveals: a small U-Net on blocks of 2x2 pixels that corrects what is there.

It works where chroma does, on luma unshuffled to half the side, so that all three planes are one picture (O.
Ronneberger et al., "U-Net", 2015, for the shape; dilated layers at the bottom as in S. Iizuka et al., "Globally and
Locally Consistent Image Completion", 2017, so that a hole's middle sees its rim), and on the contrast of each place
(divisive normalisation, as in K. Jarrett et al., "What is the Best Multi-Stage Architecture for Object Recognition?",
2009). Its result is added to the spatial fill under the mask, so that it begins as that fill, and is given its own last
output moved along the motion, so that what it invents stays.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_SLOPE = 0.1
_BLOCK = 2
#: Luma in blocks, both chroma planes, mask and confidence in blocks; then luma, whether it is known, chroma of before.
_OF_NOW = 3 * _BLOCK**2 + 2
_INPUTS = _OF_NOW + 2 * _BLOCK**2 + 2
_OUTPUTS = _BLOCK**2 + 2
#: Side, in blocks, of what a place's light and contrast are taken from.
_LIGHT_SIDE = 31
#: Contrast below this is none; and the share of a neighbourhood from which on it tells of it.
_UNSEEN = 1.5 / 255
_FEW = 0.01
#: Crops of 128 pixels are 8 wide there: further apart than this, nothing would be learnt.
_DILATIONS = (1, 2, 4, 1, 2, 4, 1)
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
        # What is learnt from single frames must not be upset by the first ones that have another before them.
        self.head.convolution.weight.data[:, _OF_NOW:] = 0
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
        blocks, before, hole = (functional.pixel_unshuffle(each, _BLOCK) for each in (luma, previous_luma, mask))
        known, seen = functional.pixel_unshuffle(previous_known, _BLOCK), 1 - hole.amax(dim=1, keepdim=True)
        light, contrast = _light(blocks, seen)
        tint, colour = _light(chroma, seen)
        now = ((blocks - light) / contrast, (chroma - tint) / colour, hole)
        then = ((before - light) / contrast * known, known, (previous_chroma - tint) / colour * known[:, :1])
        sure = functional.pixel_unshuffle(confidence, _BLOCK)
        features = self.head(torch.cat((*now, sure, *then), dim=1))
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
            detail = functional.pixel_shuffle(change[:, : _BLOCK**2] * contrast, _BLOCK)
            return luma + detail, chroma + change[:, _BLOCK**2 :] * colour


def _light(planes: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of planes (N, C, H, W) around each place, and how far what is ``seen`` there is off it.

    Told apart from these, a texture is the same in light and in shade, and what is made up in a clear sky is as faint.
    """
    mean = _around(planes.mean(dim=1, keepdim=True))
    squares = (planes - mean).square().mean(dim=1, keepdim=True) * seen
    return mean, (_around(squares) / (_around(seen) + _FEW) + _UNSEEN**2).sqrt()


def _around(plane: Tensor) -> Tensor:
    reach = _LIGHT_SIDE // 2
    rows = functional.avg_pool2d(plane, (_LIGHT_SIDE, 1), 1, (reach, 0), count_include_pad=False)
    return functional.avg_pool2d(rows, (1, _LIGHT_SIDE), 1, (0, reach), count_include_pad=False)
