"""docs/errors.md: every code that a user can see, in the words of the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from adapters import http_api
from domain import failure
from domain.errors import SmartEraseError, public_errors
from domain.job import JobError
from rpc import answers
from rpc.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


def _row(error: type[SmartEraseError]) -> str:
    status = next(status for cls, status in http_api._STATUSES if issubclass(error, cls))
    first = " ".join((inspect.getdoc(error) or "").partition("\n\n")[0].split())
    return f"| `{error.code}` | {status.value} | {first.removeprefix('Raised when ').removesuffix('.')} |"


def _is_raised(name: str, sources: list[str]) -> bool:
    return any(re.search(rf"(?<!class )\b{name}\(", source) for source in sources)


def test_every_error_that_is_raised_stands_in_the_first_table():
    sources = [path.read_text() for room in ("functions", "gpu_worker") for path in (ROOT / room).rglob("*.py")]
    expected = [_row(error) for name, error in public_errors().items() if _is_raised(name, sources)]
    table = PAGE.partition("## Of a request or a file")[2].partition("## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(expected), "docs/errors.md is out of date"


def test_every_code_of_the_service_itself_stands_in_the_second_table():
    of_jobs = {value.code for value in vars(failure).values() if isinstance(value, JobError)}
    of_requests = set(re.findall(r'_problem\(\s*HTTPStatus\.\w+, "(\w+)"', inspect.getsource(http_api)))
    public = {error.code for error in public_errors().values()}
    table = PAGE.partition("## Of the service")[2]
    assert len(of_jobs) > 1
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == (of_jobs | of_requests) - public


def test_every_rpc_code_stands_on_its_page():
    page = (ROOT / "docs" / "rpc.md").read_text(encoding="utf-8")
    rows = [
        f"| `{cls.code}` | {production.status} `{production.code}` | {vision.status} `{vision.code}` |"
        for cls, production, vision in answers._CODES
    ]
    assert [line for line in page.partition("## Error codes")[2].splitlines() if line.startswith("| `")] == rows
    assert {action for _, action in OPERATIONS} <= set(re.findall(r"\b[A-Z][A-Za-z]+\b", page))
