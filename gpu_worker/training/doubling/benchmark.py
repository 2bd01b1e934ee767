"""Peak signal-to-noise ratio of luma as super-resolution papers measure it: bicubic halves, border of 2 px left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gpu_worker.training.resize import luma, resize_bicubic

_BORDER = 2
_BLACK, _WHITE = 16, 235

Luma = NDArray[np.float64]


def benchmark_pair(path: Path) -> tuple[Luma, Luma]:
    """Return the luma of a benchmark picture, cut to even sides, and of its bicubic half, which was RGB of 8 bits."""
    with Image.open(path) as image:
        large = np.asarray(image.convert("RGB"), dtype=np.float64)
    large = large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]
    channels = [resize_bicubic(large[..., channel], 0.5) for channel in range(3)]
    return luma(large), luma(np.clip(np.rint(np.stack(channels, axis=-1)), 0, 255))


def psnr(result: Luma, truth: Luma) -> float:
    """Return the ratio in dB, without the border."""
    inner = (slice(_BORDER, -_BORDER),) * 2
    error = np.square(np.clip(result, _BLACK, _WHITE)[inner] - truth[inner]).mean()
    return float(10 * np.log10(255**2 / error))


def mean_psnr(double: Callable[[Luma], Luma], folder: Path) -> float:
    """Return the mean over a folder's pictures of what ``double`` makes of their halves."""
    scores = [psnr(double(small), large) for large, small in map(benchmark_pair, sorted(folder.glob("*.png")))]
    return float(np.mean(scores))
