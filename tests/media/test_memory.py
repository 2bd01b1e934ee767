"""Memory does not grow with the length of the video, nor beyond bounds with the size of what is erased."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.child import run

ROOT = Path(__file__).resolve().parents[2]
#: Erases 60 % of a panning 1080p picture for as many frames as are asked for. Two cores, because each further one fills
#: a frame of its own: 50 to 170 MB more.
ERASE_MOST_OF_1080P = """
import os
import sys
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from fractions import Fraction
import cv2
import numpy as np
from domain.detection import Box, CaptionEvent, Shot
from domain.job import Quality
from gpu_worker.fill.eraser import erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.video.masks import encode_mask
from gpu_worker.video.frame import Frame

count = int(sys.argv[2])
coarse = np.random.default_rng(0).integers(0, 255, (200, 400), dtype=np.uint8)
scene = cv2.resize(coarse, (2400, 1200), interpolation=cv2.INTER_CUBIC)
def frames():
    for index in range(count):
        y = scene[:1080, 3 * index : 3 * index + 1920].copy()
        chroma = y[::2, ::2].copy()
        yield Frame(index, index, Fraction(1, 25), y, chroma, chroma)
box = Box(x0=192, y0=108, x1=1728, y1=918)
mask = encode_mask(np.ones((box.height, box.width), bool))
event = CaptionEvent(
    index=0, start_frame=0, end_frame=count, start_seconds=0, end_seconds=count / 25, box=box, mask_png=mask
)
shots = (Shot(start_frame=0, end_frame=count, start_pts=0),)
for _ in erase(frames(), overlays_of((event,)), shots, Quality(sys.argv[1])):
    pass
"""


def _peak_megabytes(*arguments: str) -> float:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}"}
    peak = run([sys.executable, *arguments], environment).peak_megabytes
    assert peak is not None
    return peak


@pytest.mark.slow
def test_six_times_the_frames_take_the_same_memory(rendered, tmp_path) -> None:
    # Far more frames than the encoder looks ahead; a leak of source frames alone would be 30 MB, of results 120.
    short = rendered(name="short.mp4", frames=100, width=320, height=180, shots=())
    long = rendered(name="long.mp4", frames=600, width=320, height=180, shots=())
    worker = ("-m", "gpu_worker", "upscale")
    grown = _peak_megabytes(*worker, str(long), str(tmp_path / "b.mp4")) - _peak_megabytes(
        *worker, str(short), str(tmp_path / "a.mp4")
    )
    assert grown < 20


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "frames", "most"), [("normal", 16, 1200), ("premium", 8, 3000)])
def test_most_of_a_full_hd_picture_is_erased_in_bounded_memory(quality, frames, most) -> None:
    """A job may take 1.5 GB in Normal and 4 in Premium: what is left is for the models, the decoder and the encoder."""
    assert _peak_megabytes("-c", ERASE_MOST_OF_1080P, quality, str(frames)) < most


def test_the_memory_of_a_child_is_its_own() -> None:
    large = bytearray(300_000_000)
    for at in range(0, len(large), 4096):
        large[at] = 1
    assert _peak_megabytes("-S", "-c", "pass") < 100


def test_the_memory_of_several_processes_is_added_up() -> None:
    hold = "held = b'x' * 100_000_000; import time; time.sleep(0.7)"
    start = f"import subprocess, sys; two = [subprocess.Popen([sys.executable, '-S', '-c', {hold!r}]) for _ in 'ab']"
    assert 200 < _peak_megabytes("-S", "-c", f"{start}; [each.wait() for each in two]") < 300
