"""The cursor of a listing: where one page ended, as a text that callers hand back unread."""

from __future__ import annotations

import base64
import json

from domain.errors import InvalidRequestError


def encode(*place: str) -> str:
    """Return the cursor for a place in a listing."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def decode(cursor: str, parts: int) -> tuple[str, ...]:
    """Return the place that a cursor stands for; it has ``parts`` texts.

    Raises:
        InvalidRequestError: the cursor is none that a listing gave.
    """
    try:
        place = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (ValueError, RecursionError) as error:
        raise unknown_cursor() from error
    if not isinstance(place, list) or len(place) != parts or not all(isinstance(part, str) for part in place):
        raise unknown_cursor()
    return tuple(place)


def unknown_cursor() -> InvalidRequestError:
    """Return the error for a cursor that no listing gave."""
    return InvalidRequestError("the cursor is none that a listing gave", field="cursor")
