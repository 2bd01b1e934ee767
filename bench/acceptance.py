"""Runs real clips through the service over HTTP and checks what comes back, clip by clip.

    python -m bench.acceptance --out build/acceptance [--only NAME]...

For each captioned clip: erase and 2x upscale through the embedded service; then the result is opened again and compared
with its source: frame count, pts, audio packets, size, and what PP-OCR (through ``rapidocr``'s own engine, not the code
under test) still finds where a caption was. Prints two tables, one row per clip each: what was checked here, and what
``report.json`` says. Writes a strip of pictures per clip, before and after, of the frames that look worst.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_det import TextDetOutput
from rapidocr.utils.output import RapidOCROutput

from domain.limits import MIN_SIDE

CLIPS = Path(__file__).resolve().parents[2] / "shared" / "data" / "clips" / "captioned"
#: Where the captions are not at the bottom: X,Y,WIDTH,HEIGHT as fractions.
REGIONS = {
    "zh_vertical_ad_A.mp4": "0,0.1,1,0.3",
    "zh_vertical_ad_B.mp4": "0,0.1,1,0.3",
    "zh_caption_strip_1120x90.mp4": "0,0,1,1",
}
_STRIP_ROWS = 6
_STRIP_WIDTH = 900
#: Pictures of a strip are at least so far apart: one fault is one picture.
_STRIP_SECONDS = 0.3
_COLUMNS = (
    *("clip", "size", "frames", "pts drift", "audio", "faststart", "captions"),
    *("text before", "detected after", "read after", "stages (s)", "wall (s)"),
)
#: Of ``report.json``: figures of the erase, then the worst that any caption of the clip came to.
_ERASE_FIGURES = ("captions", "captions_read", "captions_redone", "captions_failed", "coverage", "outside_difference")
_CAPTION_FIGURES = ("residual_text", "ghost_levels", "seam", "flicker")

Boxes = list[tuple[float, float, float, float]]


@dataclass(frozen=True)
class Video:
    """What a file holds: presentation times in seconds from the first frame, and a hash per audio stream's packets."""

    seconds: tuple[float, ...]
    audio: tuple[str, ...]
    size: tuple[int, int]
    faststart: bool


def _packets_digest(path: Path, audio_index: int) -> str:
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for packet in container.demux(audio=audio_index):
            if packet.dts is not None:
                digest.update(bytes(packet))
    return digest.hexdigest()[:12]


def _seconds(frame: av.VideoFrame) -> float:
    if frame.pts is None or frame.time_base is None:
        raise ValueError("a frame without a time")
    return float(frame.pts * frame.time_base)


def _bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)


def open_video(path: Path) -> Video:
    """Read times and audio packets of ``path``."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        seconds = [_seconds(frame) for frame in container.decode(stream)]
        size = (stream.width, stream.height)
        audio_count = len(container.streams.audio)
    digests = [_packets_digest(path, index) for index in range(audio_count)]
    head = path.read_bytes()[:4096]
    return Video(tuple(t - seconds[0] for t in seconds), tuple(digests), size, b"moov" in head)


def _caption_boxes(captions: list[dict[str, Any]], seconds: float) -> Boxes:
    """Return the boxes (x0, y0, x1, y1 as fractions) of the captions that are on screen at ``seconds``."""
    return [
        (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        for box in (c["box_displayed"] for c in captions if c["start_seconds"] <= seconds < c["end_seconds"])
    ]


def _still_found(engine: RapidOCR, image: NDArray[np.uint8], boxes: Boxes, *, read: bool) -> bool:
    """Tell whether PP-OCR finds text of which more than 30 % lies inside one of ``boxes``.

    With ``read``, only text counts that it also reads, with a score of 0.5 (its default) and two characters or more: a
    detection alone is often an edge of the scene.
    """
    height, width = image.shape[:2]
    top = max(0, int((min(b[1] for b in boxes) - 0.05) * height))
    bottom = min(height, int((max(b[3] for b in boxes) + 0.05) * height))
    found = engine(image[top:bottom], use_det=True, use_cls=False, use_rec=read)
    if not isinstance(found, TextDetOutput | RapidOCROutput) or found.boxes is None:
        return False
    texts = found.txts if isinstance(found, RapidOCROutput) else None
    for corners, text in zip(found.boxes, texts or ["??"] * len(found.boxes), strict=True):
        if len(text.strip()) < 2:
            continue
        (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
        y0, y1 = y0 + top, y1 + top
        for bx0, by0, bx1, by1 in boxes:
            overlap = max(0.0, min(x1, bx1 * width) - max(x0, bx0 * width)) * max(
                0.0, min(y1, by1 * height) - max(y0, by0 * height)
            )
            if overlap > 0.3 * (x1 - x0) * (y1 - y0):
                return True
    return False


@dataclass(slots=True)
class Residual:
    """Frames with a caption; of those, with text detected before; detected after; and read after."""

    captioned: int = 0
    before: int = 0
    detected: int = 0
    read: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A captioned frame: what shows before and after where the captions are, and how bad that looks.

    ``suspicion`` orders moments: text read, text detected, then how much more the filled place changed since the last
    frame than what lies around it.
    """

    seconds: float
    suspicion: tuple[bool, bool, float]
    pair: tuple[NDArray[np.uint8], NDArray[np.uint8]]


def residual(source: Path, result: Path, captions: list[dict[str, Any]], strip: Path) -> Residual:
    """Count the frames on which text is still found, and write a strip of the worst moments."""
    # By default a strip is enlarged until its short side has 736 pixels: minutes a clip, and no better at this size.
    limits = {"Det.limit_type": "max", "Det.limit_side_len": 960}
    engine = RapidOCR(params={"Global.log_level": "error", **limits})
    count = Residual()
    worst: list[Moment] = []
    previous: NDArray[np.uint8] | None = None
    with av.open(str(source)) as a, av.open(str(result)) as b:
        first = None
        for old, new in zip(a.decode(video=0), b.decode(video=0), strict=True):
            time_now = _seconds(old)
            first = time_now if first is None else first
            boxes = _caption_boxes(captions, time_now - first)
            cleaned = _bgr(new)
            if boxes:
                shown = _bgr(old)
                count.captioned += 1
                count.before += _still_found(engine, shown, boxes, read=False)
                detected = _still_found(engine, cleaned, boxes, read=False)
                read = detected and _still_found(engine, cleaned, boxes, read=True)
                count.detected += detected
                count.read += read
                suspicion = (read, detected, _unrest(cleaned, previous, boxes))
                pair = (_around(shown, boxes), _around(cleaned, boxes))
                worst = _worst([*worst, Moment(time_now - first, suspicion, pair)])
            previous = cleaned
    if worst:
        rows = [_strip_row(moment) for moment in sorted(worst, key=lambda moment: moment.seconds)]
        width = max(row.shape[1] for row in rows)
        cv2.imwrite(str(strip), np.vstack([np.pad(row, ((0, 6), (0, width - row.shape[1]), (0, 0))) for row in rows]))
    return count


def _worst(moments: list[Moment]) -> list[Moment]:
    """Return the most suspicious moments, of each run of neighbours the worst."""
    kept: list[Moment] = []
    for moment in sorted(moments, key=lambda moment: moment.suspicion, reverse=True):
        if all(abs(moment.seconds - other.seconds) >= _STRIP_SECONDS for other in kept):
            kept.append(moment)
    return kept[:_STRIP_ROWS]


def _unrest(image: NDArray[np.uint8], previous: NDArray[np.uint8] | None, boxes: Boxes) -> float:
    """Return how much more the boxes changed since the last frame than the lines beside them, in levels."""
    if previous is None:
        return 0.0
    inside = np.zeros(image.shape[:2], dtype=bool)
    around = np.zeros(image.shape[:2], dtype=bool)
    for x0, y0, x1, y1 in boxes:
        inside[_pixels(image, (x0, y0, x1, y1))] = True
        around[_pixels(image, (x0 - 0.03, y0 - 0.03, x1 + 0.03, y1 + 0.03))] = True
    around &= ~inside
    change = np.abs(image.astype(np.int16) - previous).mean(axis=2)
    return float(change[inside].mean() - change[around].mean()) if inside.any() and around.any() else 0.0


def _pixels(image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> tuple[slice, slice]:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (min(1.0, max(0.0, side)) for side in box)
    return slice(round(y0 * height), round(y1 * height)), slice(round(x0 * width), round(x1 * width))


def _around(image: NDArray[np.uint8], boxes: Boxes) -> NDArray[np.uint8]:
    """Return the part of a picture that holds all boxes, and some more on every side, ``_STRIP_WIDTH`` wide."""
    low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
    part = image[_pixels(image, (low[0] - 0.05, low[1] - 0.05, high[2] + 0.05, high[3] + 0.05))]
    height = max(1, round(part.shape[0] * _STRIP_WIDTH / part.shape[1]))
    return np.asarray(cv2.resize(part, (_STRIP_WIDTH, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _strip_row(moment: Moment) -> NDArray[np.uint8]:
    height = max(part.shape[0] for part in moment.pair)
    shown, cleaned = (np.pad(part, ((0, height - part.shape[0]), (0, 6), (0, 0))) for part in moment.pair)
    read, detected, unrest = moment.suspicion
    verdict = "text read" if read else "text detected" if detected else "no text"
    note = f"{moment.seconds:.2f} s: {verdict}, unrest {unrest:.1f}"
    cv2.putText(cleaned, note, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255))
    return np.hstack((shown, cleaned))


def check(clip: Path, out: Path, *, upscale: bool) -> tuple[str, str]:
    """Run one clip through the service and return its rows of the two tables."""
    folder = out / clip.stem
    source = open_video(clip)
    command = [sys.executable, "-m", "local", "run", "--video", str(clip), "--erase", "captions"]
    if upscale and min(source.size) >= MIN_SIDE:
        command += ["--upscale", "2"]
    if clip.name in REGIONS:
        command += ["--region", REGIONS[clip.name]]
    started = time.monotonic()
    done = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True, check=False)
    wall_seconds = time.monotonic() - started
    if done.returncode != 0:
        row = f"| {clip.name} | exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]} |"
        return row, row
    result = open_video(folder / "video.mp4")
    captions = json.loads((folder / "captions.json").read_text())["captions"]
    report = json.loads((folder / "report.json").read_text())
    left = residual(clip, folder / "video.mp4", captions, out / f"{clip.stem}.png")
    drift = max(abs(a - b) for a, b in zip(source.seconds, result.seconds, strict=False))
    facts = [
        clip.name,
        f"{source.size[0]}x{source.size[1]} -> {result.size[0]}x{result.size[1]}",
        f"{len(source.seconds)} = {len(result.seconds)}"
        if len(source.seconds) == len(result.seconds)
        else "FRAMES DIFFER",
        f"{1000 * drift:.2f} ms",
        "same" if source.audio == result.audio else "AUDIO DIFFERS",
        "yes" if result.faststart else "NO",
        f"{len(captions)}",
        f"{left.before} of {left.captioned}",
        f"{left.detected}",
        f"{left.read}",
        ", ".join(f"{stage['stage']} {stage['seconds']:.1f}" for stage in report["stages"]),
        f"{wall_seconds:.0f}",
    ]
    return _row(facts), _row([clip.name, *_report_figures(report["erase"])])


def _report_figures(erase: dict[str, Any]) -> list[str]:
    worst = (max((caption[name] for caption in erase["events"]), default=0) for name in _CAPTION_FIGURES)
    return [*(str(erase[name]) for name in _ERASE_FIGURES), *(f"{value:.3g}" for value in worst)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Check every captioned MP4 clip, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--erase-only", action="store_true", help="without doubling, which takes most of the time")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(_head(_COLUMNS))
    reported = []
    for clip in sorted(CLIPS.glob("*.mp4")):
        if not arguments.only or clip.name in arguments.only:
            checked, report = check(clip, arguments.out, upscale=not arguments.erase_only)
            reported.append(report)
            print(checked, flush=True)
    print()
    print(_head(("clip", *_ERASE_FIGURES, *(f"worst {name}" for name in _CAPTION_FIGURES))))
    print(*reported, sep="\n")


def _head(columns: Sequence[str]) -> str:
    return f"{_row(columns)}\n{_row(['---'] * len(columns))}"


if __name__ == "__main__":
    main()
