"""Erases drawn captions and compares with the clean clips.

    python -m bench.erase [--quick] [--premium] [--only NAME] [--pictures FOLDER]

Columns are PSNR of luma in dB inside the true mask: nothing done, OpenCV's Telea with the true mask, ours with masks
found automatically, ours with the true mask, Premium with masks found automatically. End errors are frames per caption.
"""

from __future__ import annotations

import argparse
import base64
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.captioned_clips import CASES, CaptionedClip, Case, draw
from domain.detection import Box, CaptionEvent, Shot
from domain.job import Quality
from domain.regions import CAPTION_BAND
from gpu_worker.captions.band import Band
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL, CaptionFinder
from gpu_worker.fill.eraser import EraseReport, erase
from gpu_worker.fill.windows import decode_mask
from gpu_worker.inference.session import open_session
from gpu_worker.video.frame import Frame

_RATE = 25
Mask = NDArray[np.bool_]


def true_masks(clip: CaptionedClip) -> list[Mask]:
    """Return each frame's drawn pixels with 2 px around them."""
    kernel = np.ones((5, 5), np.uint8)
    return [cv2.dilate((opacity > 0.02).astype(np.uint8), kernel).astype(bool) for opacity in clip.opacity]


def true_events(clip: CaptionedClip, masks: list[Mask]) -> tuple[CaptionEvent, ...]:
    """Return the drawn captions as events with their true masks."""
    events = []
    for index, caption in enumerate(clip.captions):
        mask = masks[(caption.start + caption.end) // 2]
        rows, columns = np.nonzero(mask)
        box = Box(x0=int(columns.min()), y0=int(rows.min()), x1=int(columns.max()) + 1, y1=int(rows.max()) + 1)
        _, png = cv2.imencode(".png", mask[box.y0 : box.y1, box.x0 : box.x1].astype(np.uint8) * 255)
        events.append(
            CaptionEvent(
                index=index,
                start_frame=caption.start,
                end_frame=caption.end,
                start_seconds=caption.start / _RATE,
                end_seconds=caption.end / _RATE,
                box=box,
                mask_png=base64.b64encode(png.tobytes()).decode(),
            )
        )
    return tuple(events)


def shots_of(frames: list[Frame]) -> tuple[Shot, ...]:
    """Return shots by a plain difference of thumbnails: the bench's clips have few and clear cuts."""
    small = [cv2.resize(frame.y, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float32) for frame in frames]
    cuts = [i for i in range(1, len(small)) if np.abs(small[i] - small[i - 1]).mean() > 22]
    return tuple(
        Shot(start_frame=start, end_frame=end, start_pts=start)
        for start, end in zip([0, *cuts], [*cuts, len(frames)], strict=True)
    )


def erased(
    frames: list[Frame], events: tuple[CaptionEvent, ...], shots: tuple[Shot, ...], quality: Quality
) -> tuple[list[Frame], EraseReport]:
    """Return the frames with all patches applied, and the report."""
    report = EraseReport()
    done = []
    for frame, patches in erase(frames, events, shots, quality, report=report):
        y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()
        for patch in patches:
            box = patch.box
            half = (slice(box.y0 // 2, (box.y1 + 1) // 2), slice(box.x0 // 2, (box.x1 + 1) // 2))
            y[box.y0 : box.y1, box.x0 : box.x1], u[half], v[half] = patch.y, patch.u, patch.v
        done.append(Frame(frame.index, frame.pts, frame.time_base, y, u, v))
    return done, report


def telea(frames: list[Frame], masks: list[Mask]) -> list[Frame]:
    """Return the frames' luma inpainted one by one."""
    done = []
    for frame, mask in zip(frames, masks, strict=True):
        y = np.asarray(cv2.inpaint(frame.y, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA), dtype=np.uint8)
        done.append(replace(frame, y=y))
    return done


def psnr(frames: list[Frame], clean: list[Frame], masks: list[Mask]) -> float:
    """Return the PSNR of luma inside the masks, over all frames, in dB."""
    errors = [
        np.square(frame.y[mask].astype(np.float32) - truth.y[mask])
        for frame, truth, mask in zip(frames, clean, masks, strict=True)
        if mask.any()
    ]
    return float(10 * np.log10(255**2 / max(1e-9, np.concatenate(errors).mean())))


def found_masks(frames: list[Frame], events: tuple[CaptionEvent, ...]) -> list[Mask]:
    """Return each frame's mask as the events have it."""
    masks = [np.zeros(frame.y.shape, dtype=bool) for frame in frames]
    for event in events:
        box = event.box
        for index in range(event.start_frame, event.end_frame):
            masks[index][box.y0 : box.y1, box.x0 : box.x1] |= decode_mask(event)
    return masks


def timeline_errors(clip: CaptionedClip, events: tuple[CaptionEvent, ...]) -> list[int]:
    """Return, per drawn caption, the larger error of its two ends in frames; 999 where it was missed."""
    errors = []
    for caption in clip.captions:
        near = [
            event
            for event in events
            if event.start_frame < caption.end
            and caption.start < event.end_frame
            and min(event.end_frame, caption.end) - max(event.start_frame, caption.start)
            > 0.4 * (caption.end - caption.start)
        ]
        if near:
            start, end = min(event.start_frame for event in near), max(event.end_frame for event in near)
            errors.append(max(abs(start - caption.start), abs(end - caption.end)))
        else:
            errors.append(999)
    return errors


def residual_frames(frames: list[Frame], clean: list[Frame], masks: list[Mask]) -> tuple[int, int]:
    """Return on how many captioned frames text is detected where it was drawn, and how many were looked at.

    Frames whose clean original looks like text there as well do not count.
    """
    detector = TextDetector(open_session(DETECTION_MODEL))
    band = Band(CAPTION_BAND, frames[0].width, frames[0].height, 0)
    left = looked = 0

    def has_text(frame: Frame, mask: Mask) -> bool:
        for line in detector.find_lines(band.cut(frame)):
            box, _ = band.to_coded(line.rect, np.zeros((line.rect.height, line.rect.width), np.uint8))
            if mask[box.y0 : box.y1, box.x0 : box.x1].mean() > 0.2:
                return True
        return False

    for frame, truth, mask in list(zip(frames, clean, masks, strict=True))[::3]:
        if mask.any() and not has_text(truth, mask):
            looked += 1
            left += has_text(frame, mask)
    return left, looked


def strip(clip: CaptionedClip, masks: list[Mask], versions: list[list[Frame]], path: Path) -> None:
    """Write one picture: the middle frame of every caption, one row per version."""
    columns = []
    for caption in clip.captions[:3]:
        index = (caption.start + caption.end) // 2
        rows = np.flatnonzero(masks[index].any(axis=1))
        part = slice(max(0, int(rows[0]) - 20), int(rows[-1]) + 20)
        columns.append(np.vstack([_bgr(version[index])[part] for version in versions]))
    height = max(column.shape[0] for column in columns)
    same = [np.asarray(cv2.resize(column, (column.shape[1], height)), dtype=np.uint8) for column in columns]
    cv2.imwrite(str(path), np.hstack(same))


def _bgr(frame: Frame) -> NDArray[np.uint8]:
    size = (frame.width, frame.height)
    planes = (frame.y, cv2.resize(frame.v, size), cv2.resize(frame.u, size))
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2BGR), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Result:
    """What one case came to. ``decibels``: untouched, Telea, automatic, ideal and, where asked for, Premium."""

    case: Case
    decibels: tuple[float, ...]
    recall: float
    precision: float
    size: float
    coverage: float
    end_errors: tuple[int, ...]
    residual: tuple[int, int]
    detect_fps: float
    erase_fps: float

    def row(self) -> str:
        """Return the table's line."""
        scores = " ".join(f"{score:6.2f}" for score in self.decibels)
        masks = f"{self.recall:.3f} {self.precision:.3f} x{self.size:.2f} {self.coverage:.2f}"
        left, looked = self.residual
        speeds = f"{self.detect_fps:.0f} {self.erase_fps:.0f}"
        return (
            f"{self.case.kind:7s}{self.case.file[:20]:21s}{scores} | {masks} | {left}/{looked} | {speeds} | "
            + " ".join(str(error) for error in self.end_errors)
        )


_HEADER = f"{'case':28s}  none  Telea   auto   true   prem | recall prec size cover | residual | fps | end errors"


def mask_quality(clip: CaptionedClip, found: list[Mask]) -> tuple[float, float]:
    """Return recall of the drawn pixels, and precision, for which 4 px around them count as right."""
    drawn = [opacity > 0.1 for opacity in clip.opacity]
    kernel = np.ones((9, 9), np.uint8)
    wide = [cv2.dilate(truth.astype(np.uint8), kernel).astype(bool) for truth in drawn]
    hits = sum(int((mask & truth).sum()) for mask, truth in zip(found, drawn, strict=True))
    good = sum(int((mask & truth).sum()) for mask, truth in zip(found, wide, strict=True))
    return hits / sum(int(truth.sum()) for truth in drawn), good / max(1, sum(int(mask.sum()) for mask in found))


def measure(clip: CaptionedClip, *, premium: bool, pictures: Path | None) -> Result:
    """Find, erase and score one case; leave a strip of pictures where asked for."""
    masks, shots = true_masks(clip), shots_of(clip.clean)
    begun = time.perf_counter()
    finder = CaptionFinder(clip.clean[0].width, clip.clean[0].height, 0, (), _RATE)
    for frame in clip.captioned:
        finder.process_frame(frame, frame.index / _RATE)
    events = finder.flush()
    detect_fps = len(clip.clean) / (time.perf_counter() - begun)
    automatic, report = erased(clip.captioned, events, shots, Quality.NORMAL)
    ideal, _ = erased(clip.captioned, true_events(clip, masks), shots, Quality.NORMAL)
    versions = [clip.captioned, telea(clip.captioned, masks), automatic, ideal]
    if premium:
        versions.append(erased(clip.captioned, events, shots, Quality.PREMIUM)[0])
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        strip(clip, masks, [*versions, clip.clean], pictures / f"{clip.case.file}.png")
    found = found_masks(clip.clean, events)
    recall, precision = mask_quality(clip, found)
    return Result(
        case=clip.case,
        decibels=tuple(psnr(version, clip.clean, masks) for version in versions),
        recall=recall,
        precision=precision,
        size=sum(int(mask.sum()) for mask in found) / sum(int(mask.sum()) for mask in masks),
        coverage=report.coverage,
        end_errors=tuple(timeline_errors(clip, events)),
        residual=residual_frames(automatic, clip.clean, masks),
        detect_fps=detect_fps,
        erase_fps=report.frames_changed / max(report.seconds, 1e-9),
    )


def main() -> None:
    """Run the bench and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/clips/clean"))
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="one case of each kind")
    parser.add_argument("--premium", action="store_true")
    parser.add_argument("--only", default="", help="part of a clip's name")
    parser.add_argument("--pictures", type=Path, help="folder for a strip of pictures per case")
    options = parser.parse_args()
    if not options.clips.is_dir():
        parser.error(f"there are no clean clips at {options.clips}")
    numbered = [(number, case) for number, case in enumerate(CASES) if options.only in case.file]
    if options.quick:
        numbered = [
            next(item for item in numbered if item[1].kind == kind) for kind in {c.kind: 0 for _, c in numbered}
        ]
    print(_HEADER)
    results: list[Result] = []
    for number, case in numbered:
        clip = draw(case, options.clips, options.width, seed=number)
        results.append(measure(clip, premium=options.premium, pictures=options.pictures))
        print(results[-1].row(), flush=True)
    for kind in {result.case.kind: 0 for result in results}:
        print_mean(f"mean {kind}", [result for result in results if result.case.kind == kind])
    print_mean("mean of all", results)


def print_mean(name: str, results: list[Result]) -> None:
    """Print the mean of every column of decibels."""
    means = np.mean([result.decibels for result in results], axis=0)
    print(f"{name:28s}" + " ".join(f"{value:6.2f}" for value in means))


if __name__ == "__main__":
    main()
