"""The API under schemathesis: requests made from its own description, good and bad, and what it answers to them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import REPOSITORY, end, service_of, start_service

#: What `make test` gives it; `make fuzz` gives more.
SECONDS = int(os.environ.get("FUZZ_SECONDS", "35"))
#: Checks that this API cannot pass, and why.
EXCLUDED = {
    # A method that a path has no route for goes, as any unknown path does, to the route of all others: 404, not 405.
    "unsupported_method",
    # Rules that JSON Schema cannot state: an end after its start, a region inside its frame, exactly one source, a
    # cursor that a listing gave. That such a refusal is a documented one is a check of ours (fuzz_checks).
    "positive_data_acceptance",
}


@pytest.mark.slow
def test_no_request_makes_the_service_fail(tmp_path: Path) -> None:
    process = start_service(tmp_path / "service")
    try:
        service = service_of(process, tmp_path / "service")
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            str(REPOSITORY / "docs" / "openapi.json"),
            *("--url", service.api_url),
            *("--header", f"Authorization: Bearer {service.facts['access_key']}"),
            *("--checks", "all"),
            *("--exclude-checks", ",".join(sorted(EXCLUDED))),
            *("--phases", "coverage,fuzzing,stateful"),
            *("--max-time", str(SECONDS)),
            # Two threads that parse Python at once may end in a SystemError of CPython 3.11 (gh-106905), none of ours.
            *("--workers", "1"),
            "--continue-on-failure",
            "--no-color",
        ]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.fuzz_checks", "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=SECONDS + 120,
            check=False,
        )
    finally:
        end(process)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    operations = re.search(r"Selected: (\d+)/(\d+)\s+Tested: (\d+)", done.stdout)
    assert operations is not None, done.stdout[-2000:]
    selected, documented, tested = map(int, operations.groups())
    assert selected == documented, done.stdout[-2000:]
    # How far the time goes depends on the machine. In minutes every operation has had its share on any.
    assert tested == documented or SECONDS < 300, done.stdout[-2000:]
    assert tested > 0
