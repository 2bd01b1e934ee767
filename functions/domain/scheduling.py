"""In which order the queue takes waiting work, and how much of one job at a time.

In turns between owners, and by priority among the work of one; an urgent job has more of its pieces at work.
"""

from __future__ import annotations

import hashlib
import math

from domain.job import LAST_PRIORITY
from domain.strict import Strict

# Of the hash; two owners of a stack who meet in one would only share their turns.
_SHARE_CHARACTERS = 32


class Scheduling(Strict):
    """What Batch's fair-share policy orders by. ``share`` is alphanumeric; the larger ``priority`` begins first."""

    share: str
    priority: int


def scheduling_of(owner: str, priority: int) -> Scheduling:
    """Return how an owner's job is scheduled; of ``priority`` the smaller one begins first."""
    # A hash, because an owner may have hyphens in its name and a share may not.
    share = hashlib.sha256(owner.encode()).hexdigest()[:_SHARE_CHARACTERS]
    return Scheduling(share=share, priority=LAST_PRIORITY - priority)


def pieces_at_once(quota: int, priority: int) -> int:
    """Return how many pieces of a job are worked on at a time: for the first priority all that its key allows.

    For the last one it is a tenth, so that a long video that nobody waits for leaves machines to others.
    """
    return math.ceil(quota * (LAST_PRIORITY + 1 - priority) / LAST_PRIORITY)
