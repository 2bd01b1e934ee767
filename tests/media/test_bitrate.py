"""The asked bitrate comes out, within a tenth, of pictures that need it; and no second takes more than the buffer."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from gpu_worker.video.encoders import RateTarget
from gpu_worker.video.source import ColourTags
from gpu_worker.video.writer import PictureFormat, PieceWriter

RATE = 25
FRAMES = 2 * RATE


def moving_noise(width: int, height: int, frames: int):
    """A texture that pans under noise that is new in every frame: no two frames have anything to spare each other."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(30, 220, (height // 8, width // 8), np.uint8)
    scene = cv2.resize(coarse, (width + 4 * frames, height), interpolation=cv2.INTER_CUBIC)
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    for index in range(frames):
        luma = scene[:, 4 * index : 4 * index + width] + rng.normal(0, 25, (height, width))
        yield np.clip(luma, 0, 255).astype(np.uint8), chroma, chroma


@pytest.mark.parametrize("preset", ["superfast", "faster"])
@pytest.mark.parametrize(
    ("mbps", "size"),
    [(1, (320, 180)), (5, (320, 180)), (10, (640, 360)), pytest.param(50, (1280, 720), marks=pytest.mark.slow)],
)
def test_the_asked_rate_comes_out(preset, mbps, size, tmp_path) -> None:
    path = tmp_path / "piece.mp4"
    shape = PictureFormat(
        width=size[0],
        height=size[1],
        bit_depth=8,
        time_base=Fraction(1, RATE),
        frame_rate=Fraction(RATE),
        sample_aspect_ratio=None,
        colour=ColourTags(1, 1, 1, 1),
    )
    with PieceWriter(path, shape, RateTarget(mbps, preset)) as writer:
        for index, planes in enumerate(moving_noise(*size, FRAMES)):
            writer.write(planes, index)
    with av.open(path) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.dts is not None]
    assert len(sizes) == FRAMES
    megabits = np.array(sizes) * 8 / 1e6
    assert megabits.sum() * RATE / FRAMES == pytest.approx(mbps, rel=0.1)
    second = np.convolve(megabits, np.ones(RATE), "valid")
    # A second takes in at most what flows in a second, and what the buffer held before.
    assert second.max() <= 1.5 * mbps + 1.5 * mbps
