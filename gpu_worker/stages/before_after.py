"""Draws ``before_after.png``: a few moments of the source beside the same of the result, as players show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from domain.detection import Detection
from gpu_worker.stages.pictures import Picture, fitted, middle_seconds, spread, write_png
from gpu_worker.video.source import VideoFacts, probe_video
from gpu_worker.video.stills import still_at

_PAIRS = 4
_LONG_SIDE_PIXELS = 720
_GAP_PIXELS = 8
_TEXT_SCALE = 0.6


def moments(detection: Detection) -> list[float]:
    """Return the seconds to show: the middles of what was found, spread over the video; of nothing its own middle."""
    middles = [middle_seconds(caption) for caption in detection.captions]
    for icon in detection.icons:
        places = [icon.places[position] for position in spread(len(icon.places), _PAIRS)]
        middles += [detection.about_seconds((place.start_frame + place.end_frame) / 2) for place in places]
    if not middles:
        return [detection.duration_seconds / 2]
    middles = sorted(set(middles))
    return [middles[position] for position in spread(len(middles), _PAIRS)]


def draw(source: tuple[Path, VideoFacts], result: Path, seconds: Sequence[float], target: Path) -> None:
    """Write the picture. ``seconds`` count from the first frame of either video."""
    source_path, source_facts = source
    result_facts = probe_video(result)
    rows = []
    for moment in seconds:
        before = fitted(still_at(source_path, source_facts, moment), _LONG_SIDE_PIXELS)
        after = fitted(still_at(result, result_facts, moment), _LONG_SIDE_PIXELS)
        after = cv2.resize(after, before.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.uint8)
        gap = np.full((before.shape[0], _GAP_PIXELS, 3), 255, np.uint8)
        stamp = f"{int(moment) // 60}:{moment % 60:05.2f}"
        rows += [np.hstack([_labelled(before, f"before {stamp}"), gap, _labelled(after, f"after {stamp}")])]
        rows += [np.full((_GAP_PIXELS, rows[-1].shape[1], 3), 255, np.uint8)]
    write_png(np.vstack(rows[:-1]), target)


def _labelled(picture: Picture, text: str) -> Picture:
    labelled = picture.copy()
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, 1)
    cv2.rectangle(labelled, (0, 0), (width + 12, height + below + 12), (0, 0, 0), cv2.FILLED)
    place = (6, height + 6)
    cv2.putText(labelled, text, place, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, (255, 255, 255), 1, cv2.LINE_AA)
    return labelled
