"""Items arrive in order, errors arrive where the items are used, and an early end stops the thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gpu_worker.stages.lookahead import run_ahead


def test_items_keep_their_order() -> None:
    assert list(run_ahead(range(100), 3)) == list(range(100))


def test_no_more_than_the_depth_is_made_ahead() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = run_ahead(items(), 4)
    assert next(ahead) == 0
    threading.Event().wait(0.1)
    assert len(made) <= 1 + 4 + 1  # taken, in the queue, in the hand
    ahead.close()


def test_an_error_is_raised_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    ahead = run_ahead(items(), 4)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="damaged"):
        next(ahead)


def test_an_early_end_closes_the_source_and_leaves_no_thread() -> None:
    closed = []

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    before = set(threading.enumerate())
    ahead = run_ahead(items(), 2)
    next(ahead)
    ahead.close()
    assert closed == [True]
    assert set(threading.enumerate()) <= before
