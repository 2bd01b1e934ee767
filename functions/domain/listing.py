"""Listings that are sorted as a whole and shown page by page, with a cursor that holds when items come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from domain import cursor as cursors

_Item = TypeVar("_Item")


def place(created_at: datetime, item_id: str) -> tuple[str, str]:
    """Return an item's place in a listing by its creation: the order of places is the order in time."""
    return created_at.isoformat(timespec="microseconds"), item_id


def page_of(
    items: Sequence[_Item],
    place_of: Callable[[_Item], tuple[str, str]],
    limit: int,
    cursor: str | None,
    *,
    is_descending: bool,
) -> tuple[tuple[_Item, ...], str | None]:
    """Return the ``limit`` items that follow ``cursor``, and the cursor behind them if more follow.

    ``items`` are sorted by their places, from last to first if ``is_descending``.

    Raises:
        InvalidRequestError: the cursor is none that a listing gave.
    """
    following = tuple(items)
    if cursor is not None:
        left_off = cursors.decode(cursor, 2)
        following = tuple(
            item for item in items if (place_of(item) < left_off if is_descending else place_of(item) > left_off)
        )
    shown = following[:limit]
    return shown, cursors.encode(*place_of(shown[-1])) if len(following) > limit else None
