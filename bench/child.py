"""What a command costs: its time, and the peak memory of itself and all that it starts.

Run as a program, this file runs a command and prints what it cost as JSON; :func:`run` starts it so.
"""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: wall and processor seconds, and peak memory in MB, None where that is not its own.

    Memory that several of its processes share counts once. One process's peak is the kernel's; that of several together
    is looked at five times a second.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float | None = None


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end, its output discarded.

    A process begins its account of peak memory with that of the one that started it (``exec`` carries it over, see
    getrusage(2)), and a test run or a bench may be larger than what it measures. So a small process stands between.

    Raises:
        RuntimeError: the command ended with another status than 0.
    """
    launcher = [sys.executable, "-S", str(Path(__file__)), *command]
    ended = subprocess.run(launcher, env=environment, stdout=subprocess.PIPE, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(command)[:200]} ended with {ended.returncode}")
    return Cost(**json.loads(ended.stdout))


def _main() -> int:
    began = perf_counter()
    together = 0.0
    with subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL) as command:
        while command.poll() is None:
            together = max(together, sum(map(_shared_out_megabytes, _with_descendants(command.pid))))
            with suppress(subprocess.TimeoutExpired):
                command.wait(_LOOK_SECONDS)
    wall_seconds = perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = max(together, usage.ru_maxrss / 1024)
    json.dump(asdict(Cost(wall_seconds, usage.ru_utime + usage.ru_stime, peak)), sys.stdout)
    return 1 if command.returncode else 0


def _with_descendants(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they are still there."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found


def _shared_out_megabytes(pid: int) -> float:
    """Return the memory of a process, of what it shares with others its part; 0 once it has ended."""
    with suppress(OSError):
        known = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
        return int(known[1]) / 1024 if known else 0.0
    return 0.0


if __name__ == "__main__":
    sys.exit(_main())
