import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.client import ApiClient
from tests.e2e.clips import draw_clip

REPOSITORY = Path(__file__).resolve().parents[2]
#: Seconds that a link lives in these tests: other than the service's half an hour, and longer than any test.
LINK_SECONDS = 900
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(frozen=True)
class RunningService:
    """``python -m local serve`` as a process of its own."""

    pid: int
    data: Path
    api_url: str
    facts: dict[str, Any]

    @property
    def api(self) -> ApiClient:
        return ApiClient(self.api_url, self.facts["access_key"])

    def aws(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.facts["aws_endpoint_url"],
            region_name="us-east-1",
            aws_access_key_id=self.facts["aws_access_key_id"],
            aws_secret_access_key=self.facts["aws_secret_access_key"],
            config=Config(signature_version="s3v4" if service == "s3" else "v4"),
        )

    def wait(self, job_id: str, seconds: float = 300) -> dict[str, Any]:
        """Poll a job until it has ended."""
        return self.wait_for(job_id, lambda job: job["status"] in FINAL, seconds)

    def wait_for(self, job_id: str, reached: Any, seconds: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        job: dict[str, Any] = {}
        while time.monotonic() < deadline:
            job = self.api.call("GET", f"/v1/jobs/{job_id}")
            if reached(job):
                return job
            time.sleep(0.2)
        raise TimeoutError(f"after {seconds} s the job is {job.get('status')} in {job.get('stage')}")

    def process(self, video: Path, **wanted: Any) -> dict[str, Any]:
        """Upload, submit, and wait for the end."""
        upload_id = self.api.upload(video)
        job = self.api.call("POST", "/v1/jobs", {"source": {"upload_id": upload_id}, **wanted})
        return self.wait(job["job_id"])


def start_service(data: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local", "serve", "--data", str(data), *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def service_of(process: subprocess.Popen[str], data: Path) -> RunningService:
    """Read where a service that was started answers."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Ctrl-C"):
            facts = json.loads((data / "service.json").read_text())
            return RunningService(process.pid, data, facts["api_url"], facts)
    assert process.stderr is not None
    raise RuntimeError(f"the service did not start: {process.stderr.read()}")


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextmanager
def serving(folder: Path, *worker: str) -> Iterator[RunningService]:
    """Serve with another worker: its module, and what it is given before the stage's own arguments."""
    script = Path(__file__).with_name("service_with_worker.py")
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), *worker],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        facts = json.loads((folder / "service.json").read_text())
        yield RunningService(process.pid, folder, facts["api_url"], facts)
    finally:
        end(process)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    data = tmp_path_factory.mktemp("service")
    process = start_service(
        data, "--parameter", f"LinkLifetimeSeconds={LINK_SECONDS}", "--parameter", "OutputBuckets=out"
    )
    try:
        yield service_of(process, data)
    finally:
        end(process)


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of much work, to erase as to double: its job cannot have ended before a test ends it."""
    path = tmp_path_factory.mktemp("clips") / "long.mp4"
    return draw_clip(path, width=1280, height=720, seconds=16, rate=25, caption="not the end")


def descendants(pid: int) -> set[int]:
    """Processes that a process started, directly or not."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def processes_with(text: str) -> list[int]:
    """Processes whose command line holds ``text``, this one excepted."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            matches = re.search(re.escape(text), command.read_text(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if matches and int(command.parent.name) != os.getpid():
            found.append(int(command.parent.name))
    return found


def wait_until(holds: Any, seconds: float = 120) -> bool:
    """Wait for what has to come; the time is there for a machine under load, and nothing is told by it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return bool(holds())
