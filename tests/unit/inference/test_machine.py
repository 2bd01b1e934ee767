"""Cores and memory are those of the container, where it has fewer than the machine."""

from __future__ import annotations

import pytest

from gpu_worker.inference import machine
from gpu_worker.inference.machine import core_count, free_memory


def test_there_is_a_core_and_memory_to_run_on() -> None:
    assert core_count() >= 1
    assert free_memory() > 100_000_000


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("3000000", 1_000_000), ("max", 4_096_000), ("9223372036854771712", 4_096_000), ("1000000", 0)],
    ids=["less than the machine's", "none", "none in the older control groups", "passed"],
)
def test_free_memory_is_what_the_machine_has_and_the_container_may_take(limit, expected, tmp_path, monkeypatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemAvailable:   4000 kB\n")
    (tmp_path / "limit").write_text(f"{limit}\n")
    (tmp_path / "use").write_text("2000000\n")
    monkeypatch.setattr(machine, "_MEMORY_INFO", tmp_path / "meminfo")
    files = ((tmp_path / "missing", tmp_path / "missing"), (tmp_path / "limit", tmp_path / "use"))
    monkeypatch.setattr(machine, "_MEMORY_FILES", files)
    assert free_memory() == expected
