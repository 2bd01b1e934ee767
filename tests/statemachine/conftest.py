import json
import os
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

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
FINAL = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


@dataclass(frozen=True)
class Engine:
    """The real state machine with fake functions and a fake worker behind it."""

    facts: dict[str, Any]

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.facts["aws_endpoint_url"],
            region_name="us-east-1",
            aws_access_key_id=self.facts["aws_access_key_id"],
            aws_secret_access_key=self.facts["aws_secret_access_key"],
        )

    def start(self, job_id: str) -> str:
        stepfunctions = self.client("stepfunctions")
        machine = stepfunctions.list_state_machines()["stateMachines"][0]["stateMachineArn"]
        started = stepfunctions.start_execution(
            stateMachineArn=machine, name=job_id, input=json.dumps({"job_id": job_id, "fetch": False})
        )
        return started["executionArn"]

    def wait(self, execution: str, seconds: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        stepfunctions = self.client("stepfunctions")
        while time.monotonic() < deadline:
            described = stepfunctions.describe_execution(executionArn=execution)
            if described["status"] in FINAL:
                return described
            time.sleep(0.1)
        raise TimeoutError(f"{execution} still runs after {seconds} s")

    def run(self, job_id: str) -> dict[str, Any]:
        return self.wait(self.start(job_id))

    def records(self, job_id: str) -> dict[str, bytes]:
        """What functions and workers wrote down of this job."""
        s3, bucket, prefix = self.client("s3"), self.facts["bucket"], f"records/{job_id}/"
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
        return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def wait_for_record(self, job_id: str, name: str, seconds: float = 120) -> bytes:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for record, content in self.records(job_id).items():
                if record.startswith(name):
                    return content
            time.sleep(0.1)
        raise TimeoutError(f"no record {name} of {job_id} after {seconds} s")


@contextmanager
def served(folder: Path, stage_seconds: int, *worker: str) -> Iterator[Engine]:
    """Serve with ``worker``, a script in ``fakes`` and its arguments, in the place of ``python -m gpu_worker``."""
    script, fakes = HERE / "fake_service.py", HERE / "fakes"
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(stage_seconds), str(fakes / worker[0]), *worker[1:]],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Engine(json.loads((folder / "service.json").read_text()))
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with served(tmp_path_factory.mktemp("engine"), 600, "worker.py") as engine:
        yield engine


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(*pids: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(is_alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False
