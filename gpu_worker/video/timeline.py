"""Decoding timestamps for pieces that are joined by packet copy, from nothing but the presentation timestamps."""

from __future__ import annotations

from collections.abc import Sequence


def decoding_times(pts_in_decoding_order: Sequence[int], nominal_step: int) -> list[int]:
    """Return the dts of every packet, strictly increasing and never after its pts.

    With B-frames a packet is decoded before some that are shown earlier. The sorted pts, delayed by the deepest
    reordering in the whole video, are such a sequence; delaying by the whole video's depth, not by each piece's, is
    what makes the joints of pieces monotonic. ``nominal_step`` (ticks a frame) spaces the packets before the first pts.
    """
    ordered = sorted(pts_in_decoding_order)
    rank = {pts: position for position, pts in enumerate(ordered)}
    delay = max((index - rank[pts] for index, pts in enumerate(pts_in_decoding_order)), default=0)
    lead_in = [ordered[0] - (delay - index) * nominal_step for index in range(delay)]
    return (lead_in + ordered)[: len(ordered)]
