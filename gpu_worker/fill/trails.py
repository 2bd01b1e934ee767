"""Where the pixel under a caption can be seen: coordinates carried from frame to frame until they leave the mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.motion import Affine
from gpu_worker.fill.windows import Occlusion

#: A displacement that does not lead back to where it came from, within this, is not trusted (in pixels).
_ROUND_TRIP_PIXELS = 0.6
_ROUND_TRIP_SHARE = 0.05
_MIN_CONFIDENCE = 0.1
#: Confidence of a pixel that is taken along with the dominant motion, and what is left of it after each such step.
_DOMINANT_TRUST = 0.05
_DOMINANT_DECAY = 0.2

Displacement = NDArray[np.float16]


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """For each of an occlusion's ``indices``: frame of the chunk (-1: none), column, row, and confidence 0-1."""

    frame: NDArray[np.int16]
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
    return Sources(np.full(count, -1, np.int16), zeros, zeros, zeros)


@dataclass(frozen=True, slots=True, eq=False)
class Blocked:
    """Where sampling a frame of the chunk would touch something covered: tables that neighbours share, and which."""

    tables: NDArray[np.bool_]
    table_of: NDArray[np.intp]

    @staticmethod
    def of(occlusions: Sequence[Occlusion]) -> Blocked:
        """Return it for the frames' occlusions."""
        places = {id(occlusion): place for place, occlusion in enumerate({id(o): o for o in occlusions}.values())}
        different = {id(occlusion): occlusion for occlusion in occlusions}
        return Blocked(
            np.stack([occlusion.blocked for occlusion in different.values()]),
            np.array([places[id(occlusion)] for occlusion in occlusions], np.intp),
        )

    def at(self, frame: NDArray[np.int16] | int, corner: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Tell for flat positions of frames."""
        return np.asarray(self.tables[self.table_of[frame], corner], dtype=bool)


def carry(
    here: Occlusion,
    there: Occlusion,
    there_sources: Sources,
    *,
    there_frame: int,
    outward: Displacement,
    homeward: Displacement,
    step: int,
    dominant: Affine,
    blocked: Blocked,
) -> Sources:
    """Return the sources of a frame's covered pixels, found in the neighbour or through it.

    The ring around them goes through the neighbour's ring wherever that has a source: so it comes from about the same
    frames as what it surrounds, and tells how well those fit.

    Args:
        here: the frame's occlusion.
        there: the neighbour's.
        there_sources: what was found for the neighbour.
        there_frame: the neighbour's number in the chunk.
        outward: displacement from here to the neighbour, of each block of ``step`` x ``step`` pixels.
        homeward: displacement back.
        step: see ``outward``.
        dominant: displacement to the neighbour of most of the window, where the pixel's own is not trusted.
        blocked: of all frames of the chunk.
    """
    height, width = here.mask.shape
    blocks = outward.shape[1]
    shift = _taken(outward, here.blocks(step))
    x = here.columns + shift[:, 0]
    y = here.rows + shift[:, 1]
    column, row = _nearest(x, width), _nearest(y, height)
    miss = shift + _taken(homeward, row // step * blocks + column // step)
    tolerance = _ROUND_TRIP_PIXELS + _ROUND_TRIP_SHARE * np.sqrt(_squared_length(shift))
    # Confidence of a step weighs less the more steps there are, or long trails would never count.
    decay = np.exp(-_squared_length(miss) / (4 * np.square(tolerance)))
    trust = np.square(np.square(decay))
    astray = np.flatnonzero(trust < _MIN_CONFIDENCE)
    if astray.size:
        # What moves over the background hides how the background moves: it goes on as most of the window does.
        shift = dominant.at(here.columns[astray], here.rows[astray])
        x[astray] = here.columns[astray] + shift[:, 0]
        y[astray] = here.rows[astray] + shift[:, 1]
        column[astray], row[astray] = _nearest(x[astray], width), _nearest(y[astray], height)
        trust[astray], decay[astray] = _DOMINANT_TRUST, _DOMINANT_DECAY
    usable = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    hidden = blocked.at(there_frame, _corner(x, y, width, height))
    place = there.lookup[row * width + column]
    known = place >= 0
    known[known] = there_sources.frame[place[known]] >= 0
    hidden[here.ring] |= known[here.ring]

    seen = usable & ~hidden
    frame = np.where(seen, np.int16(there_frame), np.int16(-1))
    confidence = np.where(seen, trust, 0).astype(np.float32)
    through = np.flatnonzero(usable & hidden & known)
    place = place[through]
    source = there_sources.frame[place]
    start_x, start_y = there_sources.x[place], there_sources.y[place]
    further_x = start_x + (x[through] - column[through].astype(np.float32))
    further_y = start_y + (y[through] - row[through].astype(np.float32))
    # A fraction of a pixel must not end a trail: beside what is covered, it goes on where the neighbour's began.
    lost = blocked.at(source, _corner(further_x, further_y, width, height))
    further_x, further_y = np.where(lost, start_x, further_x), np.where(lost, start_y, further_y)
    stays = (further_x >= 0) & (further_y >= 0) & (further_x < width - 1) & (further_y < height - 1)
    frame[through] = np.where(stays, source, np.int16(-1))
    x[through], y[through] = further_x, further_y
    confidence[through] = there_sources.confidence[place] * decay[through] * stays
    return Sources(frame, x, y, confidence)


def _taken(displacement: Displacement, blocks: NDArray[np.intp] | NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the displacement (n, 2) of some blocks, by their flat positions."""
    # Both halves at once, as one number: rows of two are gathered several times as slowly.
    pairs = np.ascontiguousarray(displacement).view(np.uint32).reshape(-1)
    return pairs[blocks].view(np.float16).reshape(-1, 2).astype(np.float32)


def _squared_length(steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared lengths of steps (n, 2)."""
    return np.square(steps[:, 0]) + np.square(steps[:, 1])


def _corner(x: NDArray[np.float32], y: NDArray[np.float32], width: int, height: int) -> NDArray[np.intp]:
    """Return the flat position of the upper left of the four pixels that a sample mixes."""
    column = np.clip(x, 0, width - 2).astype(np.int32)
    return np.asarray(np.clip(y, 0, height - 2).astype(np.int32) * width + column, dtype=np.intp)


def _nearest(position: NDArray[np.float32], length: int) -> NDArray[np.int32]:
    return np.clip(np.rint(position), 0, length - 1).astype(np.int32)
