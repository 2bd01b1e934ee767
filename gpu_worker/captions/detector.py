"""Where text stands in a band: PP-OCR's detection network and the lines read from its probability map."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.captions.band import Picture
from gpu_worker.inference.session import Session
from gpu_worker.video.rect import Rect

_SIZE_MULTIPLE = 32
# Post-processing constants of PP-OCR's DB head, as RapidOCR ships them.
_PROBABILITY_THRESHOLD = 0.3
_BOX_SCORE_THRESHOLD = 0.5
_UNCLIP_RATIO = 1.6
#: Wider bands are shrunk to this width: half scale at 720p lost no caption and costs a quarter.
_DETECTION_WIDTH = 736
#: Large regions are shrunk further, to about a quarter of a 1080p frame: detection is to keep up with the video.
_DETECTION_PIXELS = 200_000
#: Captions are set level; a long line that is not is painted on something in the scene.
_MAX_TILT_DEGREES = 6.0


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text: its rectangle in the band and the mean probability, 0-1."""

    rect: Rect
    score: float


def to_bgr(picture: Picture, width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture as BGR (height, width, 3); colours are near enough for a network, not for output."""
    interpolation = cv2.INTER_AREA if width < picture.y.shape[1] else cv2.INTER_LINEAR
    y = cv2.resize(picture.y, (width, height), interpolation=interpolation)
    u, v = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (picture.u, picture.v))
    return np.asarray(cv2.cvtColor(cv2.merge((y, v, u)), cv2.COLOR_YCrCb2BGR), dtype=np.uint8)


def normalised(bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return BGR pixels (h, w, 3) as a network's input (1, 3, h, w) in -1..1."""
    scaled = bgr.astype(np.float32) * (1 / 127.5) - 1
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])


class TextDetector:
    """Finds lines of text with an opened detection network (Liao et al., DB, AAAI 2020)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def probability(self, picture: Picture, scale: float) -> NDArray[np.float32]:
        """Return the network's map at about ``scale`` times the picture's size, sides multiples of 32."""
        height, width = (
            max(_SIZE_MULTIPLE, round(side * scale / _SIZE_MULTIPLE) * _SIZE_MULTIPLE) for side in picture.y.shape
        )
        maps = self._session.run(normalised(to_bgr(picture, width, height)))
        return np.asarray(maps[0, 0], dtype=np.float32)

    def find_lines(self, picture: Picture) -> tuple[TextLine, ...]:
        """Return the level lines of text in a band, from top to bottom."""
        height, width = picture.y.shape
        affordable = float(np.sqrt(_DETECTION_PIXELS / (width * height)))
        probability = self.probability(picture, min(1.0, _DETECTION_WIDTH / max(width, height), affordable))
        stretch = (width / probability.shape[1], height / probability.shape[0])
        pieces = [
            TextLine(_unclipped(rect, stretch, picture.bounds), score) for rect, score in _components(probability)
        ]
        return tuple(sorted(_joined(pieces), key=lambda line: (line.rect.y0, line.rect.x0)))


def _components(probability: NDArray[np.float32]) -> list[tuple[Rect, float]]:
    found = []
    count, labels, stats, _ = cv2.connectedComponentsWithStats((probability > _PROBABILITY_THRESHOLD).astype(np.uint8))
    for label in range(1, count):
        x, y, width, height = (int(value) for value in stats[label, :4])
        if min(width, height) < 3:
            continue
        part = labels[y : y + height, x : x + width] == label
        score = float(probability[y : y + height, x : x + width][part].mean())
        if score >= _BOX_SCORE_THRESHOLD and _tilt_degrees(part) <= _MAX_TILT_DEGREES:
            found.append((Rect(x, y, x + width, y + height), score))
    return found


def _tilt_degrees(part: NDArray[np.bool_]) -> float:
    """Return how far a long component leans from the nearest axis; 0 for short ones, whose angle says nothing."""
    rows, columns = np.nonzero(part)
    _, sides, angle = cv2.minAreaRect(np.column_stack((columns, rows)).astype(np.float32))
    if max(sides) < 3 * min(sides):
        return 0.0
    return min(angle % 90, 90 - angle % 90)


def _unclipped(rect: Rect, stretch: tuple[float, float], bounds: Rect) -> Rect:
    """Undo the shrinking of text that DB is trained with, and return to the band's pixels."""
    margin = rect.width * rect.height * _UNCLIP_RATIO / (2 * (rect.width + rect.height))
    grown = Rect(
        int((rect.x0 - margin) * stretch[0]),
        int((rect.y0 - margin) * stretch[1]),
        int(np.ceil((rect.x1 + margin) * stretch[0])),
        int(np.ceil((rect.y1 + margin) * stretch[1])),
    )
    return grown.meet(bounds)


def _joined(pieces: list[TextLine]) -> list[TextLine]:
    """Join words that stand on one line less than a line height and a half apart."""
    lines: list[TextLine] = []
    for piece in sorted(pieces, key=lambda line: line.rect.x0):
        for position, line in enumerate(lines):
            shared_rows = min(piece.rect.y1, line.rect.y1) - max(piece.rect.y0, line.rect.y0)
            shorter = min(piece.rect.height, line.rect.height)
            taller = max(piece.rect.height, line.rect.height)
            if shared_rows > 0.6 * shorter and shorter > 0.5 * taller and piece.rect.x0 - line.rect.x1 < 1.5 * taller:
                lines[position] = TextLine(line.rect.join(piece.rect), max(line.score, piece.score))
                break
        else:
            lines.append(piece)
    return lines
