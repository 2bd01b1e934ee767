"""What a caption says: PP-OCR's recognition network on the temporal median of one line."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.captions.band import Picture
from gpu_worker.captions.detector import normalised, to_bgr
from gpu_worker.inference.session import Session

_INPUT_HEIGHT = 48
#: Widths are rounded up to this, so that the network meets few different sizes.
_WIDTH_STEP = 160
_MIN_WIDTH = 320
_MAX_WIDTH = 3200
#: Text that stands higher than wide by this factor runs from top to bottom and is laid down to be read.
_VERTICAL_RATIO = 1.5


@dataclass(frozen=True, slots=True)
class Reading:
    """Text of one line and the mean probability of its characters, 0-1; both empty when nothing could be read."""

    text: str
    confidence: float


class TextReader:
    """Reads lines with an opened recognition network (CTC), whose file carries its character list."""

    def __init__(self, session: Session) -> None:
        self._session = session
        # Class 0 is CTC's blank; the blank space follows the list.
        self._characters = ("", *session.metadata["character"].splitlines(), " ")

    def read(self, line: Picture) -> Reading:
        """Read one line of upright text."""
        height, width = line.y.shape
        bgr = to_bgr(line, width, height)
        if height > _VERTICAL_RATIO * width:
            bgr = np.rot90(bgr)
            height, width = width, height
        scaled_width = min(_MAX_WIDTH, max(1, round(width * _INPUT_HEIGHT / height)))
        padded_width = max(_MIN_WIDTH, -(-scaled_width // _WIDTH_STEP) * _WIDTH_STEP)
        batch = np.zeros((1, 3, _INPUT_HEIGHT, padded_width), np.float32)
        scaled = np.asarray(cv2.resize(np.ascontiguousarray(bgr), (scaled_width, _INPUT_HEIGHT)), dtype=np.uint8)
        batch[..., :scaled_width] = normalised(scaled)
        return self._decode(self._session.run(batch)[0])

    def _decode(self, probabilities: NDArray[np.float32]) -> Reading:
        """Greedy CTC: the best class of every step, repeats and blanks dropped."""
        best = probabilities.argmax(axis=1)
        kept = best != 0
        kept[1:] &= best[1:] != best[:-1]
        text = "".join(self._characters[index] for index in best[kept]).strip()
        if not text:
            return Reading("", 0.0)
        return Reading(text, float(np.clip(probabilities.max(axis=1)[kept].mean(), 0, 1)))
