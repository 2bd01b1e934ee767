"""Items arrive in order, errors arrive where the items are used, and an early end stops the threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from gpu_worker.stages.lookahead import run_abreast, run_ahead, run_streams_abreast


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


def test_results_keep_the_order_of_their_tasks_however_long_each_takes() -> None:
    second_is_done = threading.Event()

    def first() -> int:
        assert second_is_done.wait(5)
        return 1

    def second() -> int:
        second_is_done.set()
        return 2

    assert list(run_abreast([first, second, lambda: 3], 2)) == [1, 2, 3]


def test_no_more_than_one_beyond_the_threads_is_begun() -> None:
    begun = []

    def tasks() -> Iterator[Callable[[], int]]:
        for number in range(100):
            begun.append(number)
            yield lambda: 0

    results = run_abreast(tasks(), 2)
    next(results)
    assert len(begun) == 3
    results.close()


def test_a_failed_task_is_raised_in_its_turn_and_ends_all() -> None:
    closed = []

    def fail() -> int:
        raise ValueError("no memory")

    def tasks() -> Iterator[Callable[[], int]]:
        try:
            yield lambda: 1
            yield fail
            yield from [lambda: 3] * 100
        finally:
            closed.append(True)

    before = set(threading.enumerate())
    results = run_abreast(tasks(), 2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="no memory"):
        list(results)
    assert closed == [True]
    assert set(threading.enumerate()) <= before


def test_streams_come_one_after_the_other_though_the_next_is_made_meanwhile() -> None:
    second_is_done = threading.Event()

    def first() -> Iterator[int]:
        yield 1
        assert second_is_done.wait(5)
        yield 2

    def second() -> Iterator[int]:
        yield 3
        second_is_done.set()

    assert list(run_streams_abreast([first, second, lambda: iter([4, 5])], 2, 4)) == [1, 2, 3, 4, 5]


def test_a_stream_that_waits_to_be_taken_holds_no_more_than_the_depth() -> None:
    made = []

    def later() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = run_streams_abreast([lambda: iter([1, 2]), later], 2, 3)
    assert next(items) == 1
    threading.Event().wait(0.1)
    assert len(made) <= 3 + 1  # in the queue, in the hand
    items.close()


def test_a_stream_that_cannot_be_begun_is_raised_in_its_turn_and_ends_all() -> None:
    def fail() -> Iterator[int]:
        raise ValueError("no such stream")

    before = set(threading.enumerate())
    items = run_streams_abreast([lambda: iter([1]), fail, lambda: iter([3])], 2, 1)
    assert next(items) == 1
    with pytest.raises(ValueError, match="no such stream"):
        next(items)
    assert set(threading.enumerate()) <= before
