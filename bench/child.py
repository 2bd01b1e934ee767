"""What a command costs: its time and its own peak memory.

Run as a program, this file runs a command and prints what it cost as JSON; :func:`run` starts it so.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run took: wall and processor seconds, and its peak resident memory in MB where that is its own."""

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
    status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode
    wall_seconds = perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    json.dump(asdict(Cost(wall_seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)), sys.stdout)
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(_main())
