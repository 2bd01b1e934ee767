"""Cuts a picture into tiles that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from gpu_worker.video.rect import Rect


def plan_tiles(wanted: Rect, pixels: int) -> Iterator[Rect]:
    """Yield tiles of about equal size, at most about ``pixels`` each, that cover ``wanted`` without overlap.

    They are cut across the longer side first, so that they stay near square and little of what is computed for each
    lies in its margins.
    """
    rows = columns = 1
    while wanted.area > pixels * rows * columns:
        if wanted.width / columns >= wanted.height / rows:
            columns += 1
        else:
            rows += 1
    for y0, y1 in pairwise(_cuts(wanted.y0, wanted.y1, rows)):
        for x0, x1 in pairwise(_cuts(wanted.x0, wanted.x1, columns)):
            yield Rect(x0, y0, x1, y1)


def _cuts(start: int, end: int, parts: int) -> list[int]:
    return [start + (end - start) * part // parts for part in range(parts + 1)]
