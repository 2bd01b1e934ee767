"""Runs real clips through the service over HTTP and checks what comes back, clip by clip.

    python -m bench.acceptance --out build/acceptance [--only NAME]...

For each captioned clip: erase and 2x upscale through the embedded service; then the result is opened again and compared
with its source: frame count, pts, audio packets, size, and what PP-OCR (through ``rapidocr``'s own engine, not the code
under test) still finds where a caption was. Prints one Markdown row per clip and writes before/after strips.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
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
_COLUMNS = (
    *("clip", "size", "frames", "pts drift", "audio", "faststart", "captions"),
    *("text before", "detected after", "read after", "stages (s)", "wall (s)"),
)


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


def _caption_boxes(captions: list[dict[str, Any]], seconds: float) -> list[tuple[float, float, float, float]]:
    """Return the boxes (x0, y0, x1, y1 as fractions) of the captions that are on screen at ``seconds``."""
    return [
        (box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"])
        for box in (c["box_displayed"] for c in captions if c["start_seconds"] <= seconds < c["end_seconds"])
    ]


def _still_found(
    engine: RapidOCR, image: NDArray[np.uint8], boxes: list[tuple[float, float, float, float]], *, read: bool
) -> bool:
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


def residual(source: Path, result: Path, captions: list[dict[str, Any]], strip: Path) -> Residual:
    """Count the frames on which text is still found, and write a picture strip."""
    # By default a strip is enlarged until its short side has 736 pixels: minutes a clip, and no better at this size.
    limits = {"Det.limit_type": "max", "Det.limit_side_len": 960}
    engine = RapidOCR(params={"Global.log_level": "error", **limits})
    count = Residual()
    rows = []
    with av.open(str(source)) as a, av.open(str(result)) as b:
        first = None
        for old, new in zip(a.decode(video=0), b.decode(video=0), strict=True):
            time_now = _seconds(old)
            first = time_now if first is None else first
            boxes = _caption_boxes(captions, time_now - first)
            if not boxes:
                continue
            count.captioned += 1
            shown, cleaned = _bgr(old), _bgr(new)
            count.before += _still_found(engine, shown, boxes, read=False)
            if _still_found(engine, cleaned, boxes, read=False):
                count.detected += 1
                count.read += _still_found(engine, cleaned, boxes, read=True)
            rows.append((shown, cleaned, boxes))
            if len(rows) > 40 * _STRIP_ROWS:
                rows = rows[::2]
    if rows:
        picked = [rows[i] for i in np.linspace(0, len(rows) - 1, min(_STRIP_ROWS, len(rows))).astype(int)]
        cv2.imwrite(str(strip), np.vstack([_strip_row(*row) for row in picked]))
    return count


def _strip_row(
    shown: NDArray[np.uint8], cleaned: NDArray[np.uint8], boxes: list[tuple[float, float, float, float]]
) -> NDArray[np.uint8]:
    height = shown.shape[0]
    top = max(0, int((min(b[1] for b in boxes) - 0.04) * height))
    bottom = min(height, int((max(b[3] for b in boxes) + 0.04) * height))
    pair = [
        image[int(top * image.shape[0] / height) : int(bottom * image.shape[0] / height)] for image in (shown, cleaned)
    ]
    return np.hstack([cv2.resize(image, (900, 160), interpolation=cv2.INTER_AREA) for image in pair]).astype(np.uint8)


def check(clip: Path, out: Path) -> str:
    """Run one clip through the service and return its row of the table."""
    folder = out / clip.stem
    source = open_video(clip)
    command = [sys.executable, "-m", "local", "run", "--video", str(clip), "--erase", "captions"]
    if min(source.size) >= MIN_SIDE:
        command += ["--upscale", "2"]
    if clip.name in REGIONS:
        command += ["--region", REGIONS[clip.name]]
    started = time.monotonic()
    done = subprocess.run([*command, "--out", str(folder)], capture_output=True, text=True, check=False)
    wall_seconds = time.monotonic() - started
    if done.returncode != 0:
        return f"| {clip.name} | exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]} |"
    result = open_video(folder / "video.mp4")
    captions = json.loads((folder / "captions.json").read_text())["captions"]
    stages = json.loads((folder / "report.json").read_text())["stages"]
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
        ", ".join(f"{stage['stage']} {stage['seconds']:.1f}" for stage in stages),
        f"{wall_seconds:.0f}",
    ]
    return "| " + " | ".join(facts) + " |"


def main() -> None:
    """Check every captioned MP4 clip, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|")
    for clip in sorted(CLIPS.glob("*.mp4")):
        if not arguments.only or clip.name in arguments.only:
            print(check(clip, arguments.out), flush=True)


if __name__ == "__main__":
    main()
