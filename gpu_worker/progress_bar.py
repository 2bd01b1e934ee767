"""One line on a terminal that says which stage is at work and how far it is; silent where nobody watches."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from domain.progress import StageProgress

_BAR_CHARACTERS = 28


class ProgressBar:
    """Draws the latest report over the one before it. Use as a context manager, which ends the line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._drawn = False

    def show(self, progress: StageProgress) -> None:
        """Draw one report."""
        if not self._is_terminal:
            return
        filled = int(_BAR_CHARACTERS * progress.share)
        bar = "#" * filled + "." * (_BAR_CHARACTERS - filled)
        name = f"{progress.stage.value} {progress.segment + 1}"
        self._stream.write(f"\r{name:<14}[{bar}] {progress.share:4.0%}  {progress.done} frames  ")
        self._stream.flush()
        self._drawn = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._stream.write("\n")
