"""How far around a drawn edge the codec rings: what a mask must reach beyond what was drawn."""

from __future__ import annotations

import math

#: Ringing that H.264 leaves around strokes reaches 2-3 px at 360 lines and grows with the picture; an upright
#: picture of 1920 lines is coded no coarser than the same one lying.
_SHARE = 2.5 / 360
#: The least that it rings in any picture, in pixels.
MIN_HALO = 2


def codec_halo(shorter_side: int) -> int:
    """Return how many pixels around a stroke its codec rings, given the frame's shorter side in pixels."""
    return max(MIN_HALO, math.ceil(_SHARE * shorter_side))
