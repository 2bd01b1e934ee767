"""Runs the parts of a stage in threads: decoding, changing, encoding overlap in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

_T = TypeVar("_T")
#: How long a thread waits before it looks whether it is still wanted.
_POLL_SECONDS = 0.2


class _End:
    """Follows the last item; carries the exception that ended the source, if any."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def run_ahead(items: Iterable[_T], depth: int) -> Generator[_T]:
    """Yield ``items`` in order while a thread makes up to ``depth`` more of them.

    The heavy parts of a stage (FFmpeg, OpenCV, onnxruntime) release the interpreter's lock, so the threads really run
    side by side. An exception of the source is raised here; closing this generator early ends the thread and closes
    the source.
    """
    queue: Queue[_T | _End] = Queue(depth)
    unwanted = Event()
    thread = Thread(target=_produce, args=(lambda: items, queue, unwanted), daemon=True)
    thread.start()
    try:
        yield from _taken(queue)
    finally:
        unwanted.set()
        thread.join()


def run_streams_abreast(streams: Sequence[Callable[[], Iterable[_T]]], count: int, depth: int) -> Generator[_T]:
    """Yield the items of all streams, one stream after the other, while ``count`` threads make those of the next ones.

    Streams are begun in order; of each, up to ``depth`` items wait to be taken. An exception of a stream is raised here
    when its turn comes; closing this generator early ends the threads and closes the streams.
    """
    queues: list[Queue[_T | _End]] = [Queue(depth) for _ in streams]
    unwanted = Event()
    with ThreadPoolExecutor(count) as pool:
        try:
            for stream, queue in zip(streams, queues, strict=True):
                pool.submit(_produce, stream, queue, unwanted)
            for queue in queues:
                yield from _taken(queue)
        finally:
            unwanted.set()
            pool.shutdown(cancel_futures=True)


def run_abreast(tasks: Iterable[Callable[[], _T]], count: int) -> Generator[_T]:
    """Yield the results of ``tasks`` in order while ``count`` threads work on the next ones, started in order.

    One more than those is begun, so that no thread waits for whoever takes the results. An exception of a task, or of
    their source, is raised here when its turn comes; closing this generator early drops what was not started.
    """
    with ThreadPoolExecutor(count) as pool:
        begun: deque[Future[_T]] = deque()
        try:
            for task in tasks:
                begun.append(pool.submit(task))
                if len(begun) > count:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            if isinstance(tasks, Generator):
                tasks.close()


def _taken(queue: Queue[_T | _End]) -> Generator[_T]:
    while not isinstance(item := queue.get(), _End):
        yield item
    if item.error is not None:
        raise item.error


def _produce(make: Callable[[], Iterable[_T]], queue: Queue[_T | _End], unwanted: Event) -> None:
    end = _End(None)
    try:
        items = make()
        try:
            for item in items:
                if not _put(queue, item, unwanted):
                    break
        finally:
            if isinstance(items, Generator):
                items.close()
    except BaseException as error:  # noqa: BLE001  it is raised again where the items are used
        end = _End(error)
    _put(queue, end, unwanted)


def _put(queue: Queue[_T | _End], item: _T | _End, unwanted: Event) -> bool:
    while not unwanted.is_set():
        try:
            queue.put(item, timeout=_POLL_SECONDS)
        except Full:
            continue
        return True
    return False
