"""`sam local invoke` of every function, with the recorded events that the other tests use, too."""

from __future__ import annotations

import functools
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.service import Service
from adapters.settings import Settings
from domain import storage_keys
from domain.job import Job, JobRequest, ObjectRef
from local import stack
from local.containers.service import ContainerService
from local.template import Template
from tests.e2e.clips import draw_clip

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "events"
#: Whom the recorded events speak of.
JOB = "7f3c2f0e-5b1d-4d0c-9a53-0d9a1c1e2f33"
UPLOAD = "0f8fad5b-d9cb-469f-a165-70867728950e"
OWNER = "default"


@dataclass(frozen=True)
class Deployed:
    """The stack, and a way to invoke one of its functions in a container of its own."""

    service: ContainerService
    template: Template

    @functools.cached_property
    def inside(self) -> Service:
        """The adapters with the functions' own settings."""
        settings = Settings.from_environment(stack.functions_of(self.template)[0].environment)
        return Service(settings, new_client=lambda name, **_options: self.service.aws.client(name))

    def invoke(self, event: str) -> Any:
        name = max((spec for spec in self.handlers if event.startswith(spec)), key=len)
        local = self.service.sam_local
        done = subprocess.run(
            [*local.command("invoke", "--event", str(EVENTS / f"{event}.json")), self.handlers[name]],
            cwd=ROOT,
            env=local.environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        # A function that runs out of time answers nothing, and SAM is content.
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip(), done.stderr[-2000:]
        return json.loads(done.stdout.strip().splitlines()[-1])

    @functools.cached_property
    def handlers(self) -> dict[str, str]:
        """Logical IDs by the modules of their handlers, which events are named after."""
        functions = self.template.resources("AWS::Serverless::Function")
        return {body.properties["Handler"].partition(".")[0]: body.logical_id for body in functions}


@pytest.fixture(scope="module")
def deployed(service: ContainerService, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The stack with what the events speak of: an upload, and a job whose source it is."""
    deployed = Deployed(service, Template(ROOT / "template.yaml", "smart-erase", {}))
    clip = draw_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", width=480, height=360)
    bucket, key = deployed.inside.media.name, storage_keys.upload(OWNER, UPLOAD, "clip.mp4")
    service.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=clip.read_bytes())
    request = JobRequest.model_validate({"source": {"upload_id": UPLOAD}, "upscale": {}})
    source = ObjectRef(bucket=bucket, key=key)
    deployed.inside.jobs.put_new(
        Job(job_id=JOB, owner=OWNER, request=request, created_at=datetime.now(UTC), source_object=source)
    )
    return deployed


#: What each event is answered, whatever the order: the status of an answer over HTTP and the code of a refusal, or the
#: whole answer of another function.
ANSWERS: dict[str, Any] = {
    "authorize_request": {
        "isAuthorized": True,
        "context": {
            "refusal": "UnknownAccessKeyError",
            "message": "there is no access key SE0A1B2C3D4E5F60718293",
            "allowed": "",
        },
    },
    "call_action": (400, "InvalidParameter"),  # the job of another service's numbering is not there
    "create_job": (429, "TooManyJobsInFlight"),  # its access key has no record, and so no room for a job
    "create_job_from_url": (422, "SourceFetch"),  # media.example.com is nobody's
    "create_upload": (201, None),
    "deliver_callback": {"batchItemFailures": []},
    "describe_work": (200, None),
    "get_job": (200, None),
    "list_jobs": (200, None),
    "manage_callback": (200, None),
    "manage_icons": (422, "UnsupportedIconFormat"),  # the upload is a video
    "manage_templates": (201, None),
    "report_usage": (201, None),
    "serve_openapi": (200, None),
}
#: What happens to the job, one after the other; an error is told by its type.
STEPS: list[tuple[str, Any]] = [
    ("fetch_source", "AssertionError"),  # no URL: the state machine does not come by here
    ("probe_source", {"preview": False, "erase": False, "upscale": True}),
    ("plan_segments", "MissingOutputError"),  # nobody has detected
    ("record_result", "MissingOutputError"),
    ("reconcile_jobs", {"ended": []}),
    ("record_failure", {"Error": "UnreadableVideo"}),
    # All of one job: its first failure stands.
    ("record_failure_batch", {"Error": "UnreadableVideo"}),
    ("record_failure_execution", {"Error": "UnreadableVideo"}),
    ("cancel_job", (409, "JobNotCancellable")),
    ("on_upload", {"status": "FAILED"}),  # its object is in another bucket
]


def test_every_event_is_invoked() -> None:
    told = {*ANSWERS, *(event for event, _ in STEPS)}
    assert told == {path.stem for path in EVENTS.glob("*.json")}


@pytest.fixture(scope="module")
def answers(deployed: Deployed, times: list[tuple[str, float]]) -> dict[str, Any]:
    started = time.monotonic()
    # The first one alone: SAM makes the image that the others start from.
    first, *others = ANSWERS
    found = {first: deployed.invoke(first)}
    with ThreadPoolExecutor(2) as pool:
        found |= zip(others, pool.map(deployed.invoke, others), strict=True)
    for event, _ in STEPS:
        found[event] = deployed.invoke(event)
    times.append(
        (f"sam local invoke of {len(deployed.handlers)} functions, {len(found)} events", time.monotonic() - started)
    )
    return found


@pytest.mark.parametrize(("event", "expected"), [*ANSWERS.items(), *STEPS])
def test_a_function_answers_its_recorded_event(answers: dict[str, Any], event: str, expected: Any) -> None:
    answer = answers[event]
    if isinstance(expected, tuple):
        body = json.loads(answer["body"])
        assert (answer["statusCode"], body.get("code", body.get("Code"))) == expected
    elif isinstance(expected, str):
        assert answer["errorType"] == expected
    else:
        assert expected.items() <= answer.items()
