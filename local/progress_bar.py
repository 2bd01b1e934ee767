"""Shows how far a job is: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import TextIO

_WIDTH = 30
#: On a log, a line each so many percent is enough.
_LINE_EVERY_PERCENT = 10


class ProgressBar:
    """Draws the stage and the percentage of one job."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._started = time.monotonic()
        self._last: tuple[str, int] | None = None

    def show(self, stage: str, percent: int) -> None:
        """Draw the present state; elsewhere than on a terminal only when something changed that is worth a line."""
        elapsed = time.monotonic() - self._started
        if self._is_terminal:
            filled = _WIDTH * percent // 100
            bar = "█" * filled + "░" * (_WIDTH - filled)
            self._stream.write(f"\r\x1b[K{stage:<10} {bar} {percent:3d} %  {elapsed:5.0f} s")
            self._stream.flush()
            return
        state = (stage, percent // _LINE_EVERY_PERCENT)
        if state != self._last:
            self._last = state
            self._stream.write(f"{elapsed:6.1f} s  {stage:<10} {percent:3d} %\n")
            self._stream.flush()

    def finish(self) -> None:
        """End the line of a terminal."""
        if self._is_terminal:
            self._stream.write("\n")
            self._stream.flush()
