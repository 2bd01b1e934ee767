"""The template as SAM sees it."""

from __future__ import annotations

import time
from pathlib import Path

from local.containers.sam import Sam


def test_sam_finds_the_template_valid(sam_program: Path, tmp_path: Path, times: list[tuple[str, float]]) -> None:
    started = time.monotonic()
    Sam(sam_program, tmp_path).validate()
    times.append(("sam validate --lint", time.monotonic() - started))
