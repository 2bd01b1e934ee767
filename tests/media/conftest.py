from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The helpers beside the tests are imported by their own names.
sys.path.insert(0, str(Path(__file__).parent))

from jobs import JobRunner
from rendered import Source, render

SHARED_DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """Sample files beside the project, which are not part of it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the sample files in ../shared/data are not here")
    return SHARED_DATA


@pytest.fixture
def rendered(tmp_path: Path) -> Callable[..., Path]:
    """Render a source with the given differences from the standard one."""

    def make(**differences: object) -> Path:
        return render(tmp_path, Source(**differences))  # type: ignore[arg-type]

    return make


@pytest.fixture
def run_job(tmp_path: Path) -> JobRunner:
    """Run all stages of a job in a folder of its own."""
    return JobRunner(tmp_path / "job")
