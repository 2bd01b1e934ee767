"""Doubles pictures and videos whose large original is known, and compares.

    python -m bench.upscale [--models NAME ...] [--quick] [--pictures FOLDER]

Pictures: luma PSNR and SSIM on Set5, Set14 and the first forty of BSD100, made small by MATLAB's bicubic, beside
figures that were published under the same protocol. Videos: clean clips made small, through H.264, doubled, against the
large clip: what users have. Flicker is how far the change from frame to frame is from the original's own, in levels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from bench.metrics import flicker, mean_over, psnr, ssim_map
from gpu_worker.training.codec import luma_through_h264
from gpu_worker.training.doubling.benchmark import Luma, benchmark_pair
from gpu_worker.training.doubling.benchmark import psnr as picture_psnr
from gpu_worker.training.resize import resize_bicubic
from gpu_worker.upscaling.upscaler import AUTOMATIC, Upscaler, open_upscaler, upscaler_names
from gpu_worker.video.frame import Plane, Planes

_SETS = ("Set5_HR", "Set14_HR", "BSD100_HR_001-040")
#: x2, luma, border of 2 px; the last column is of all hundred pictures of BSD100.
_PUBLISHED = (
    ("bicubic (published)", (33.66, 30.24, 29.56)),
    ("FSRCNN (published)", (37.00, 32.63, 31.53)),
    ("CARN (published)", (37.76, 33.52, 32.09)),
    ("IMDN, 694 K (published)", (38.00, 33.63, 32.19)),
    ("SPAN (published)", (38.08, 33.71, 32.22)),
    ("SwinIR-light (published)", (38.14, 33.86, 32.31)),
)
#: SSIM's window of 11 reaches over the border by this much.
_SSIM_BORDER = 7
_BICUBIC = "bicubic"


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of a clean clip, and how hard its small version is compressed."""

    file: str
    start: int
    frames: int
    crf: int


CLIPS = (
    Clip("static_traffic_day.mp4", 50, 40, 23),
    Clip("juggle_park.mp4", 20, 40, 28),
    Clip("cups_hands_fast.mp4", 60, 40, 23),
    Clip("bbb_anim_open.webm", 300, 40, 28),
    Clip("flower_timelapse.mp4", 20, 40, 23),
    Clip("tos_action_A.mp4", 20, 40, 33),
)


@dataclass(frozen=True, slots=True)
class VideoScore:
    """One upscaler on one clip. ``fps`` counts only the doubling."""

    clip: str
    name: str
    psnr: float
    ssim: float
    flicker: float
    fps: float


class Bicubic:
    """OpenCV's bicubic interpolation of luma: what every player has."""

    name = _BICUBIC
    scale = 2

    def begin(self, planes: Planes, bit_depth: int) -> Callable[[], Planes]:
        """Return what will double a picture."""
        return partial(self.upscale, planes, bit_depth)

    def upscale(self, planes: Planes, _bit_depth: int) -> Planes:
        """Return the planes at twice the size."""
        y, u, v = (
            np.asarray(cv2.resize(plane, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
            for plane in planes
        )
        return y, u, v


def opened(name: str) -> Upscaler:
    """Return a fresh upscaler, the bench's own bicubic among them."""
    return Bicubic() if name == _BICUBIC else open_upscaler(name)


def double_picture(upscaler: Upscaler, small: Luma) -> Luma:
    """Return a benchmark's luma doubled; codes of 10 bits, so that rounding does not count."""
    y = np.rint(small * 4).astype(np.uint16)
    grey = np.zeros(((y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2), np.uint16)
    return np.asarray(upscaler.upscale((y, grey, grey), 10)[0] / 4, dtype=np.float64)


def score_pictures(double: Callable[[Luma], Luma], folder: Path) -> tuple[float, float]:
    """Return mean PSNR in dB and mean SSIM over a folder."""
    ratios, likenesses = [], []
    inner = (slice(_SSIM_BORDER, -_SSIM_BORDER),) * 2
    for path in sorted(folder.glob("*.png")):
        large, small = benchmark_pair(path)
        result = double(small)
        ratios.append(picture_psnr(result, large))
        likenesses.append(float(ssim_map(_float(result), _float(large))[inner].mean()))
    return float(np.mean(ratios)), float(np.mean(likenesses))


def _float(picture: Luma) -> Plane:
    as_plane: Plane = picture.astype(np.float32)  # type: ignore[assignment]  # SSIM works on any kind of number
    return as_plane


def luma_frames(path: Path, clip: Clip) -> list[NDArray[np.uint8]]:
    """Return the luma of the clip's frames, sides cut to multiples of four."""
    with av.open(str(path), "r") as container:
        frames = []
        for index, frame in enumerate(container.decode(video=0)):
            if index >= clip.start + clip.frames:
                break
            if index >= clip.start:
                y = np.asarray(frame.to_ndarray(format="yuv420p")[: frame.height], dtype=np.uint8)
                frames.append(y[: y.shape[0] // 4 * 4, : y.shape[1] // 4 * 4].copy())
    return frames


def score_video(name: str, clip: Clip, large: list[NDArray[np.uint8]], small: list[NDArray[np.uint8]]) -> VideoScore:
    """Double one clip and compare with the large one."""
    upscaler = opened(name)
    grey = np.full((small[0].shape[0] // 2, small[0].shape[1] // 2), 128, np.uint8)
    upscaler.upscale((small[-1], grey, grey), 8)  # the first run of a network also makes its plan
    begun = time.perf_counter()
    doubled = [upscaler.upscale((y, grey, grey), 8)[0] for y in small]
    seconds = time.perf_counter() - begun
    everywhere = [np.ones(y.shape, dtype=bool) for y in large]
    ratio = psnr(doubled, large, everywhere)
    likeness = mean_over((ssim_map(*pair) for pair in zip(doubled, large, strict=True)), everywhere)
    assert ratio is not None
    assert likeness is not None
    return VideoScore(clip.file, name, ratio, likeness, flicker(doubled, large, everywhere, ()), len(small) / seconds)


def strip(names: Sequence[str], large: NDArray[np.uint8], small: NDArray[np.uint8], path: Path) -> None:
    """Write one picture: the most detailed part of a frame by every upscaler, and the original last."""
    grey = np.full((small.shape[0] // 2, small.shape[1] // 2), 128, np.uint8)
    versions = [opened(name).upscale((small, grey, grey), 8)[0] for name in names]
    side = min(240, *large.shape)
    detail = cv2.boxFilter(np.abs(cv2.Laplacian(large, cv2.CV_32F)), -1, (side, side))
    middle = detail[side // 2 : detail.shape[0] - side // 2 or None, side // 2 : detail.shape[1] - side // 2 or None]
    top, left = np.unravel_index(int(middle.argmax()), middle.shape)
    part = (slice(int(top), int(top) + side), slice(int(left), int(left) + side))
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.hstack([version[part] for version in [*versions, large]])
    cv2.imwrite(str(path), np.repeat(np.repeat(row, 2, axis=0), 2, axis=1))


def picture_rows(names: Sequence[str], folder: Path) -> Iterator[str]:
    """Yield the rows of the table of pictures."""
    yield "| upscaler | " + " | ".join(f"{name.split('_')[0]} PSNR / SSIM" for name in _SETS) + " |"
    yield "|---|" + "---|" * len(_SETS)

    def matlab(small: Luma) -> Luma:
        return resize_bicubic(small, 2)

    for name in (f"{_BICUBIC} (MATLAB's)", *names):
        upscaler = None if name.startswith(_BICUBIC) else opened(name)
        double = matlab if upscaler is None else lambda small, by=upscaler: double_picture(by, small)
        scores = [score_pictures(double, folder / each) for each in _SETS]
        yield f"| {name} | " + " | ".join(f"{ratio:.2f} / {likeness:.4f}" for ratio, likeness in scores) + " |"
    for name, ratios in _PUBLISHED:
        yield f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |"


def video_scores(names: Sequence[str], clips: Sequence[Clip], folder: Path, pictures: Path | None) -> list[VideoScore]:
    """Return every upscaler's score on every clip; leave strips where asked for."""
    scores = []
    for clip in clips:
        large = luma_frames(folder / clip.file, clip)
        half = [np.asarray(cv2.resize(y, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8) for y in large]
        small = luma_through_h264(half, clip.crf, "medium")
        scores += [score_video(name, clip, large, small) for name in (_BICUBIC, *names)]
        if pictures is not None:
            strip((_BICUBIC, *names), large[len(large) // 2], small[len(small) // 2], pictures / f"{clip.file}.png")
    return scores


def video_rows(scores: Sequence[VideoScore]) -> Iterator[str]:
    """Yield the rows of the table of videos, with the mean of all clips at the end."""
    yield "| clip | upscaler | PSNR dB | SSIM | flicker | fps |"
    yield "|---|---|---|---|---|---|"
    for score in scores:
        yield (
            f"| {score.clip} | {score.name} | {score.psnr:.2f} | {score.ssim:.4f} |"
            f" {score.flicker:.3f} | {score.fps:.1f} |"
        )
    for name in dict.fromkeys(score.name for score in scores):
        own = [score for score in scores if score.name == name]
        means = [
            float(np.mean([getattr(score, field) for score in own])) for field in ("psnr", "ssim", "flicker", "fps")
        ]
        yield "| mean | {} | {:.2f} | {:.4f} | {:.3f} | {:.1f} |".format(name, *means)


def main() -> None:
    """Run the bench and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", nargs="+", default=[name for name in upscaler_names() if name != AUTOMATIC])
    parser.add_argument("--quick", action="store_true", help="two clips")
    parser.add_argument("--pictures", type=Path, help="folder for a strip of pictures per clip")
    parser.add_argument("--json", type=Path, help="file for the figures of the videos")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"there is no data at {options.data}")
    for row in picture_rows(options.models, options.data / "sr"):
        print(row, flush=True)
    print()
    clips = CLIPS[:2] if options.quick else CLIPS
    scores = video_scores(options.models, clips, options.data / "clips" / "clean", options.pictures)
    for row in video_rows(scores):
        print(row)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps([asdict(score) for score in scores], indent=1))


if __name__ == "__main__":
    main()
