"""Runs the worker on one core that no other worker started so has: a machine of its own, as far as a bench can tell.

    python -m bench.one_core FOLDER [ARGUMENT OF gpu_worker]...

``FOLDER`` holds a lock for each core, kept as long as the worker lives.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> None:
    """Take a core and become the worker.

    Raises:
        BlockingIOError: as many workers run as there are cores.
    """
    folder, *rest = arguments
    core = _take_core(Path(folder))
    os.sched_setaffinity(0, {core})
    os.execv(sys.executable, [sys.executable, "-m", "gpu_worker", *rest])  # noqa: S606 - the worker itself


def _take_core(folder: Path) -> int:
    for core in sorted(os.sched_getaffinity(0)):
        lock = os.open(folder / f"core-{core}", os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            # The lock goes with the file's last descriptor: that of the worker.
            os.set_inheritable(lock, True)
            return core
    raise BlockingIOError(f"every core has its lock in {folder}")


if __name__ == "__main__":
    main(sys.argv[1:])
