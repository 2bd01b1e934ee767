"""The service with real containers, once for all tests here; `make sam-test` runs them, `make test` does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.containers.engine import EngineUnavailableError
from local.containers.preparation import prepared
from local.containers.service import ContainerService, Parts
from local.service import ServiceOptions

ROOT = Path(__file__).parents[2]
TIMES = pytest.StashKey[list[tuple[str, float]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TIMES] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    times = config.stash[TIMES]
    if times:
        terminalreporter.section("how long each part took")
        for part, seconds in times:
            terminalreporter.write_line(f"{seconds:7.1f} s  {part}")


@pytest.fixture(scope="session")
def times(pytestconfig: pytest.Config) -> list[tuple[str, float]]:
    """Where a test says how long a part took."""
    return pytestconfig.stash[TIMES]


@pytest.fixture(scope="session")
def sam_program() -> Path:
    program = Path(os.environ.get("SAM_PROGRAM", ROOT / "build" / "sam" / "bin" / "sam"))
    if not program.is_file():
        pytest.skip(f"there is no {program}: run make sam-test, which installs it")
    return program


@pytest.fixture(scope="session")
def parts(sam_program: Path, times: list[tuple[str, float]]) -> Iterator[Parts]:
    def tell(part: str, seconds: float) -> None:
        times.append((part, seconds))

    made = prepared(sam_program, ROOT / "build" / "containers", tell)
    try:
        entered = made.__enter__()
    except EngineUnavailableError as error:
        pytest.skip(f"containers cannot be run here: {error}")
    try:
        yield entered
    finally:
        made.__exit__(None, None, None)


@pytest.fixture(scope="session")
def service(parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerService]:
    with ContainerService(ServiceOptions(tmp_path_factory.mktemp("service")), parts) as service:
        yield service
