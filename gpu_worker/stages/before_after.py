"""Draws ``before_after.png``: a few moments of the source beside the same of the result, as players show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import CaptionEvent, Detection
from gpu_worker.video.source import VideoFacts, probe_video
from gpu_worker.video.stills import still_at

_PAIRS = 4
_LONG_SIDE_PIXELS = 720
_GAP_PIXELS = 8
_TEXT_SCALE = 0.6

Picture = NDArray[np.uint8]


def moments(detection: Detection) -> list[float]:
    """Return the seconds to show: the middles of captions spread over the video, without captions its own middle."""
    captions = detection.captions
    if not captions:
        return [detection.duration_seconds / 2]
    return sorted({_middle(captions[position]) for position in _spread(len(captions))})


def _spread(count: int) -> list[int]:
    shown = min(count, _PAIRS)
    return [(2 * position + 1) * count // (2 * shown) for position in range(shown)]


def _middle(caption: CaptionEvent) -> float:
    return (caption.start_seconds + caption.end_seconds) / 2


def draw(source: tuple[Path, VideoFacts], result: Path, seconds: Sequence[float], target: Path) -> None:
    """Write the picture. ``seconds`` count from the first frame of either video."""
    source_path, source_facts = source
    result_facts = probe_video(result)
    rows = []
    for moment in seconds:
        before = _fitted(still_at(source_path, source_facts, moment))
        after = cv2.resize(
            _fitted(still_at(result, result_facts, moment)), before.shape[1::-1], interpolation=cv2.INTER_AREA
        )
        gap = np.full((before.shape[0], _GAP_PIXELS, 3), 255, np.uint8)
        stamp = f"{int(moment) // 60}:{moment % 60:05.2f}"
        rows += [
            np.hstack([_labelled(before, f"before {stamp}"), gap, _labelled(after.astype(np.uint8), f"after {stamp}")])
        ]
        rows += [np.full((_GAP_PIXELS, rows[-1].shape[1], 3), 255, np.uint8)]
    done, png = cv2.imencode(".png", np.vstack(rows[:-1]))
    if not done:
        raise RuntimeError("the before/after picture could not be written as PNG")
    target.write_bytes(png.tobytes())


def _fitted(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = min(1.0, _LONG_SIDE_PIXELS / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _labelled(picture: Picture, text: str) -> Picture:
    labelled = picture.copy()
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, 1)
    cv2.rectangle(labelled, (0, 0), (width + 12, height + below + 12), (0, 0, 0), cv2.FILLED)
    place = (6, height + 6)
    cv2.putText(labelled, text, place, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, (255, 255, 255), 1, cv2.LINE_AA)
    return labelled
