"""Ends a worker that gives no sign of life: what hangs would hold its machine until the stage's whole time is over."""

from __future__ import annotations

import faulthandler
from types import TracebackType
from typing import Self

#: The descriptor itself: what stands for ``sys.stderr`` in a process need not have one.
_STDERR = 2


class Heartbeat:
    """Ends the process with exit code 1 when no ``beat`` comes for ``limit_seconds``. Use as a context manager.

    Where each thread hangs is written to stderr. This works while a library holds the interpreter's lock as well.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds

    def beat(self) -> None:
        """Say that work goes on; each call starts a thread, so once a second is often enough."""
        faulthandler.dump_traceback_later(self._limit_seconds, exit=True, file=_STDERR)

    def __enter__(self) -> Self:
        self.beat()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        faulthandler.cancel_dump_traceback_later()
