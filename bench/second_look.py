"""What the second look makes of clean frames, of good fills and of spoilt ones: where its gates come from.

    python -m bench.second_look [--quick] [--only NAME] [--width PIXELS]

Every caption of the erase bench is judged in each version; rows say how many fail, each figure's median and worst.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.baselines import telea
from bench.captioned_clips import CaptionedClip, Mask, draw
from bench.erase import chosen, true_events
from bench.scoring import found_masks
from bench.worker import erase_patches
from domain.detection import Box, CaptionEvent, Detection
from domain.job import EraseSettings
from domain.renewals import LEND_FRAMES
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.finder import DETECTION_MODEL
from gpu_worker.fill.eraser import erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.fill.second_look import Shown, Verdict
from gpu_worker.inference.session import open_session
from gpu_worker.review.judge import Judge
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.masks import decode_mask, encode_mask
from gpu_worker.video.patches import apply_patches

#: A letter of twelve that the mask has missed.
_MISSED_SHARE = 12
_FIGURES = ("residual", "ghost_levels", "seam", "flicker")


def smaller(event: CaptionEvent, pixels: int) -> CaptionEvent:
    """Return a caption whose mask has lost ``pixels`` on every side."""
    padded = np.pad(decode_mask(event).astype(np.uint8), pixels)
    eroded = cv2.erode(padded, np.ones((2 * pixels + 1,) * 2, np.uint8)) > 0
    return event.model_copy(update={"mask_png": encode_mask(eroded[pixels:-pixels, pixels:-pixels])})


def with_missed_letter(event: CaptionEvent) -> CaptionEvent:
    """Return a caption whose mask leaves out a piece of the line as wide as a letter."""
    mask = decode_mask(event).copy()
    start = mask.shape[1] // 3
    mask[:, start : start + mask.shape[1] // _MISSED_SHARE] = False
    return event.model_copy(update={"mask_png": encode_mask(mask)})


def _filled(clip: CaptionedClip, detection: Detection, events: tuple[CaptionEvent, ...]) -> list[Frame]:
    return [apply_patches(*pair) for pair in erase(clip.captioned, overlays_of(events), detection.shots)]


def _spoilt(
    frames: Sequence[Frame], masks: Sequence[Mask], change: Callable[[int, NDArray[np.float32]], NDArray[np.float32]]
) -> list[Frame]:
    """Return frames whose luma inside the mask is ``change`` of it, given the frame's number and the luma."""
    done = []
    for number, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        luma = frame.y.astype(np.float32)
        mixed = np.where(mask, change(number, luma), luma)
        done.append(replace(frame, y=np.clip(mixed + 0.5, 0, 255).astype(np.uint8)))
    return done


def versions(clip: CaptionedClip, detection: Detection) -> dict[str, tuple[Sequence[Frame], tuple[CaptionEvent, ...]]]:
    """Return every version's frames and the masks that it was filled with."""
    events = detection.captions
    masks = found_masks(detection, clip.captioned)
    fill = _filled(clip, detection, events)
    painted = telea(clip.captioned, masks)
    made: dict[str, tuple[Sequence[Frame], tuple[CaptionEvent, ...]]] = {
        "clean frames": (clip.clean, events),
        "Normal, true mask": (fill, events),
        "Telea, true mask": (painted, events),
        "untouched": (clip.captioned, events),
        "every other frame Telea": ([(fill, painted)[n % 2][n] for n in range(len(fill))], events),
    }
    for pixels in (1, 2, 3):
        less = tuple(smaller(event, pixels) for event in events)
        made[f"mask {pixels} px too small"] = (_filled(clip, detection, less), less)
    missed = tuple(with_missed_letter(event) for event in events)
    made["a letter missed"] = (_filled(clip, detection, missed), missed)
    for levels in (4, 8):
        made[f"{levels} levels brighter"] = (_spoilt(fill, masks, lambda _, y, by=levels: y + by), events)  # type: ignore[misc]
    made["8 levels every other frame"] = (_spoilt(fill, masks, lambda n, y: y + 8 * (n % 2)), events)
    for share in (0.05, 0.1, 0.2):

        def ghost(number: int, luma: NDArray[np.float32], share: float = share) -> NDArray[np.float32]:
            return (luma * (1 - share) + clip.captioned[number].y * share).astype(np.float32)

        made[f"{share:.0%} of the caption left"] = (_spoilt(fill, masks, ghost), events)
    return made


def verdicts(
    judge: Judge,
    clip: CaptionedClip,
    detection: Detection,
    version: tuple[Sequence[Frame], Sequence[CaptionEvent]],
) -> list[Verdict]:
    """Return the verdict on each caption, in the shot in which it begins."""
    frames, events = version
    overlays = overlays_of(events)
    whole = Box(x0=0, y0=0, x1=frames[0].width, y1=frames[0].height)
    found = []
    for overlay in overlays:
        shot = next(shot for shot in detection.shots if shot.start_frame <= overlay.start_frame < shot.end_frame)
        life = range(overlay.start_frame, min(overlay.end_frame, shot.end_frame))
        around = range(max(shot.start_frame, life.start - LEND_FRAMES), min(shot.end_frame, life.stop + LEND_FRAMES))
        free = [n for n in around if not any(other.is_on(n) for other in overlays)]
        shown = Shown(
            overlay,
            [clip.captioned[number] for number in life],
            [Patch(whole, frames[number].y, frames[number].u, frames[number].v) for number in life],
            [clip.captioned[number] for number in free],
            [
                other
                for other in overlays
                if other.number != overlay.number and other.start_frame < life.stop and life.start < other.end_frame
            ],
        )
        found.append(judge.judge(shown))
    return found


def row(name: str, found: Sequence[Verdict]) -> str:
    """Return the table's line for one version."""
    cells = []
    for figure in _FIGURES:
        values = [getattr(verdict, figure) for verdict in found]
        cells.append(f"{np.median(values):.3g} / {max(values):.3g}")
    failed = sum(not verdict.passed for verdict in found)
    return f"| {name} | {failed} of {len(found)} | {' | '.join(cells)} |"


def main() -> None:
    """Judge every version of every case and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/clips/clean"))
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="one case of each kind")
    parser.add_argument("--only", default="", help="part of a clip's name")
    options = parser.parse_args()
    if not options.clips.is_dir():
        parser.error(f"there are no clean clips at {options.clips}")
    judge = Judge(lambda: TextDetector(open_session(DETECTION_MODEL)))
    found: dict[str, list[Verdict]] = {}
    for number, case in chosen(options.only, quick=options.quick):
        with tempfile.TemporaryDirectory(prefix="second-look-") as folder:
            clip = draw(case, options.clips, Path(folder), options.width, seed=number)
            truth = erase_patches(clip.path, Path(folder) / "job", EraseSettings(), truth=true_events(clip))
        for name, version in versions(clip, truth.detection).items():
            found.setdefault(name, []).extend(verdicts(judge, clip, truth.detection, version))
    print("| version | failed | " + " | ".join(f"{name} (median / worst)" for name in _FIGURES) + " |")
    print("|---" * (2 + len(_FIGURES)) + "|")
    for name, of_version in found.items():
        print(row(name, of_version))


if __name__ == "__main__":
    main()
