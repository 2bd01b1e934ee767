"""Where the pixel under a caption can be seen: coordinates carried from frame to frame until they leave the mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.motion import Affine
from gpu_worker.fill.windows import Occlusion

#: A displacement that does not lead back to where it came from, within this, is not trusted (in pixels).
_ROUND_TRIP_PIXELS = 0.6
_ROUND_TRIP_SHARE = 0.05
_MIN_CONFIDENCE = 0.1
#: Confidence of a step weighs less the more steps there are, or long trails would never count.
_STEP_EXPONENT = 0.25
#: Confidence of a pixel that is taken along with the dominant motion, and what is left of it after each such step.
_DOMINANT_TRUST = 0.05
_DOMINANT_DECAY = 0.2

Displacement = NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """For each of an occlusion's ``indices``: frame of the chunk (-1: none), column, row, and confidence 0-1."""

    frame: NDArray[np.int32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    confidence: NDArray[np.float32]

    @property
    def found(self) -> NDArray[np.bool_]:
        """Whether there is a source."""
        return self.frame >= 0


def no_sources(occlusion: Occlusion) -> Sources:
    """Return the state of a frame that has no neighbour yet."""
    count = occlusion.indices.size
    zeros = np.zeros(count, np.float32)
    return Sources(np.full(count, -1, np.int32), zeros, zeros, zeros)


def carry(
    here: Occlusion,
    there: Occlusion,
    there_sources: Sources,
    *,
    there_frame: int,
    outward: Displacement,
    homeward: Displacement,
    dominant: Affine,
    blocked: NDArray[np.bool_],
) -> Sources:
    """Return the sources of a frame's covered pixels, found in the neighbour or through it.

    Args:
        here: the frame's occlusion.
        there: the neighbour's.
        there_sources: what was found for the neighbour.
        there_frame: the neighbour's number in the chunk.
        outward: displacement (h, w, 2) from here to the neighbour.
        homeward: displacement (h, w, 2) back.
        dominant: displacement to the neighbour of most of the window, where the pixel's own is not trusted.
        blocked: ``Occlusion.blocked`` of all frames of the chunk, (frames, h * w).
    """
    height, width = here.mask.shape
    state = no_sources(here)
    frame, source_x, source_y, confidence = (
        state.frame,
        state.x.copy(),
        state.y.copy(),
        state.confidence.copy(),
    )
    step = outward.reshape(-1, 2)[here.indices].astype(np.float32)
    x = here.columns + step[:, 0]
    y = here.rows + step[:, 1]
    column, row = _nearest(x, width), _nearest(y, height)
    back = homeward.reshape(-1, 2)[row * width + column].astype(np.float32)
    miss = np.hypot(step[:, 0] + back[:, 0], step[:, 1] + back[:, 1])
    tolerance = _ROUND_TRIP_PIXELS + _ROUND_TRIP_SHARE * np.hypot(step[:, 0], step[:, 1])
    trust = np.exp(-np.square(miss / tolerance))
    decay = trust**_STEP_EXPONENT
    astray = np.flatnonzero(trust < _MIN_CONFIDENCE)
    # What moves over the background hides how the background moves: it goes on as most of the window does.
    step = dominant.at(here.columns[astray], here.rows[astray])
    x[astray] = here.columns[astray] + step[:, 0]
    y[astray] = here.rows[astray] + step[:, 1]
    column[astray], row[astray] = _nearest(x[astray], width), _nearest(y[astray], height)
    trust[astray], decay[astray] = _DOMINANT_TRUST, _DOMINANT_DECAY
    nearest = row * width + column
    usable = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    hidden = blocked[there_frame, _corner(x, y, width, height)]

    seen = usable & ~hidden
    frame[seen] = there_frame
    source_x[seen], source_y[seen], confidence[seen] = x[seen], y[seen], trust[seen]

    through = np.flatnonzero(usable & hidden)
    place = there.lookup[nearest[through]]
    through, place = through[place >= 0], place[place >= 0]
    known = there_sources.found[place]
    through, place = through[known], place[known]
    further_x = there_sources.x[place] + (x[through] - column[through])
    further_y = there_sources.y[place] + (y[through] - row[through])
    stays = (further_x >= 0) & (further_y >= 0) & (further_x < width - 1) & (further_y < height - 1)
    stays &= ~blocked[there_sources.frame[place], _corner(further_x, further_y, width, height)]
    through, place = through[stays], place[stays]
    frame[through] = there_sources.frame[place]
    source_x[through], source_y[through] = further_x[stays], further_y[stays]
    confidence[through] = there_sources.confidence[place] * decay[through]
    return Sources(frame, source_x, source_y, confidence)


def _corner(x: NDArray[np.float32], y: NDArray[np.float32], width: int, height: int) -> NDArray[np.intp]:
    """Return the flat position of the upper left of the four pixels that a sample mixes."""
    column = np.clip(x, 0, width - 2).astype(np.intp)
    return np.asarray(np.clip(y, 0, height - 2).astype(np.intp) * width + column, dtype=np.intp)


def _nearest(position: NDArray[np.float32], length: int) -> NDArray[np.int32]:
    return np.clip(np.rint(position), 0, length - 1).astype(np.int32)
