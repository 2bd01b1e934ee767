"""What this process may use of its machine: cores and memory, which in a container are fewer than the machine has."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Limit and use of a container's memory: control groups 2, then 1.
_MEMORY_FILES = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
_MEMORY_INFO = Path("/proc/meminfo")


def core_count() -> int:
    """Return how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0))


def free_memory() -> int:
    """Return how many bytes more this process may take before the machine, or its container, is short of them."""
    known = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMORY_INFO.read_text(), re.MULTILINE)
    free = [int(known[1]) * 1024] if known else []
    for limit, use in _MEMORY_FILES:
        # A group without a limit says "max", or a number beyond all memory.
        if limit.is_file() and use.is_file() and (allowed := limit.read_text().strip()).isdecimal():
            free.append(int(allowed) - int(use.read_text()))
    return max(0, min(free, default=0))
