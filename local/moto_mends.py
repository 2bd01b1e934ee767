"""Where moto differs from AWS in a way that this service can feel: every mend, with its reason, in one place.

Written against exactly one moto version; another version stops the start, because each mend has to be looked at again.
What is enforced before a request reaches moto (presigned links and forms, streaming of large objects) stands in
``local.s3_edge``.
"""

from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import re
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from botocore.model import Shape
from moto.batch import models as batch_models
from moto.core.config import default_user_config
from moto.core.responses import EmptyResult
from moto.events import models as events_models
from moto.s3 import models as s3_models
from moto.s3 import notifications
from moto.stepfunctions.parser.asl.component.common.error_name import custom_error_name
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_batch,
    state_task_service_callback,
)
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend import execution, execution_worker
from moto.stepfunctions.responses import StepFunctionResponse

MOTO_VERSION = "5.2.5"


class MotoVersionError(Exception):
    """Raised when another moto is installed than the one these mends were written for."""


@dataclass(frozen=True)
class Collaborators:
    """What the mended moto hands its work to.

    ``run_batch_job`` runs a Batch job on the thread that moto made for it. ``invoke_async`` takes a function's ARN and an
    event.
    """

    endpoint_url: str
    run_batch_job: Callable[[batch_models.Job], None]
    invoke_async: Callable[[str, bytes], None]


def apply(collaborators: Collaborators) -> None:
    """Mend moto in this process; the last call's collaborators count.

    Raises:
        MotoVersionError: another version of moto is installed.
    """
    installed = version("moto")
    if installed != MOTO_VERSION:
        raise MotoVersionError(f"the local service is made for moto {MOTO_VERSION}, but {installed} is installed")
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    _name_parameters_as_each_api_does()
    _pass_on_the_cause_of_a_task_failure()
    _share_the_engine_s_clients(collaborators.endpoint_url)
    _stop_an_execution_that_has_just_started()
    _let_a_fail_state_pass_on_any_error()
    _cancel_batch_jobs_with_their_execution()
    _run_batch_jobs(collaborators.run_batch_job)
    _deliver_events(collaborators.invoke_async)
    _tell_of_ended_executions()
    _join_parts_on_disk()


# --- Step Functions -----------------------------------------------------------------------------------------------------


@functools.cache
def _operation_shapes(service: str, action: str) -> tuple[Shape | None, Shape | None]:
    service = {"sfn": "stepfunctions", "states": "stepfunctions"}.get(service, service)
    model = botocore.session.get_session().get_service_model(service)
    for name in model.operation_names:
        if xform_name(name) == action:
            operation = model.operation_model(name)
            return operation.input_shape, operation.output_shape
    return None, None


def _name_parameters_as_each_api_does() -> None:
    """Map names between the state language (PascalCase) and the API (camelCase); moto's functions for it are empty.

    Without this ``batch:submitJob.sync`` fails: Batch knows no ``JobName``, and the engine finds no ``JobId``.
    """

    def for_api(value: Any, shape: Any) -> Any:
        if shape is not None and shape.type_name == "structure" and isinstance(value, dict):
            names = {member.lower(): member for member in shape.members}
            found = {key: names.get(key.lower(), key) for key in value}
            return {found[key]: for_api(item, shape.members.get(found[key])) for key, item in value.items()}
        if shape is not None and shape.type_name == "list" and isinstance(value, list):
            return [for_api(item, shape.member) for item in value]
        if shape is not None and shape.type_name == "map" and isinstance(value, dict):
            return {key: for_api(item, shape.value) for key, item in value.items()}
        return value

    def for_states(value: Any, shape: Any) -> None:
        # In place: the engine keeps references into the response.
        if shape is None:
            return
        if shape.type_name == "structure" and isinstance(value, dict):
            for key in list(value):
                item = value.pop(key)
                member = shape.members.get(key)
                for_states(item, member)
                value[key if member is None else key[0].upper() + key[1:]] = item
        elif shape.type_name in {"list", "map"} and isinstance(value, list | dict):
            inner = shape.member if shape.type_name == "list" else shape.value
            for item in value if isinstance(value, list) else value.values():
                for_states(item, inner)

    def shapes(self: Any, service: str | None, action: str | None) -> tuple[Shape | None, Shape | None]:
        return _operation_shapes(service or self._get_boto_service_name(), action or self._get_boto_service_action())

    def normalise_parameters(
        self: Any, parameters: dict[str, Any], boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        renamed = for_api(parameters, shapes(self, boto_service_name, service_action_name)[0])
        parameters.clear()
        parameters.update(renamed)

    def normalise_response(
        self: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        for_states(response, shapes(self, boto_service_name, service_action_name)[1])

    state_task_service.StateTaskService._normalise_parameters = normalise_parameters  # noqa: SLF001
    state_task_service.StateTaskService._normalise_response = normalise_response  # noqa: SLF001


def _pass_on_the_cause_of_a_task_failure() -> None:
    """SendTaskFailure drops its ``cause``."""

    def send_task_failure(self: Any) -> EmptyResult:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"), error=self._get_param("error"), cause=self._get_param("cause")
        )
        return EmptyResult()

    StepFunctionResponse.send_task_failure = send_task_failure


def _share_the_engine_s_clients(endpoint_url: str) -> None:
    """The engine makes a boto3 client per call (0.1 s of one core each) and looks for ``localhost`` over IPv6 first."""
    boto_client.boto3 = _SharedClients(endpoint_url)


class _SharedClients:
    """Stands where the engine's module looks for ``boto3``; keeps one client per service and region."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, *, service_name: str, region_name: str, **_: Any) -> Any:
        """Return the client of a service, in place of ``boto3.client``."""
        with self._lock:
            if (service_name, region_name) not in self._clients:
                self._clients[service_name, region_name] = boto3.client(
                    service_name,  # type: ignore[call-overload]
                    region_name=region_name,
                    endpoint_url=self._endpoint_url,
                    aws_access_key_id="engine",
                    aws_secret_access_key="engine",  # noqa: S106 - means nothing: moto takes any
                    # An invocation may take as long as a Lambda function may run.
                    config=Config(
                        parameter_validation=False,
                        retries={"max_attempts": 0},
                        read_timeout=910,
                        max_pool_connections=50,
                    ),
                )
            return self._clients[service_name, region_name]


def _stop_an_execution_that_has_just_started() -> None:
    """StopExecution in the first milliseconds of an execution ends in an AttributeError: its environment is not there yet."""
    original = execution_worker.ExecutionWorker.stop

    def stop(self: Any, *args: Any, **kwargs: Any) -> None:
        patience = time.monotonic() + 5
        while self.env is None and time.monotonic() < patience:
            time.sleep(0.01)
        original(self, *args, **kwargs)

    execution_worker.ExecutionWorker.stop = _once(original, stop)


def _let_a_fail_state_pass_on_any_error() -> None:
    """A Fail state may pass on the error that was caught (``ErrorPath``), as ``States.TaskFailed`` of a Batch job.

    moto takes it for a custom name, refuses the prefix, and ends in ``States.Runtime`` without the cause.
    """

    def init(self: Any, error_name: str) -> None:
        super(custom_error_name.CustomErrorName, self).__init__(error_name=error_name)

    custom_error_name.CustomErrorName.__init__ = init  # type: ignore[method-assign]


def _cancel_batch_jobs_with_their_execution() -> None:
    """Step Functions terminates the Batch job of a ``.sync`` task that is stopped or runs over its time; moto forgets it."""
    batch_service = state_task_service_batch.StateTaskServiceBatch
    original_resolver = batch_service._build_sync_resolver  # noqa: SLF001
    original_wait = state_task_service_callback.StateTaskServiceCallback._eval_sync  # noqa: SLF001

    def build_sync_resolver(self: Any, *, env: Any, **kwargs: Any) -> Any:
        job_id = env.stack[-1]["JobId"]
        resolver = original_resolver(self, env=env, **kwargs)
        resolver.terminate = lambda: boto_client.boto_client_for(
            region=kwargs["resource_runtime_part"].region, service="batch"
        ).terminate_job(jobId=job_id, reason="The Step Functions task was stopped or timed out")
        return resolver

    def eval_sync(self: Any, *, env: Any, sync_resolver: Any, **kwargs: Any) -> Any:
        outcome = original_wait(self, env=env, sync_resolver=sync_resolver, **kwargs)
        if outcome is None and hasattr(sync_resolver, "terminate"):
            sync_resolver.terminate()
        return outcome

    batch_service._build_sync_resolver = _once(original_resolver, build_sync_resolver)  # noqa: SLF001
    state_task_service_callback.StateTaskServiceCallback._eval_sync = _once(original_wait, eval_sync)  # noqa: SLF001


def _tell_of_ended_executions() -> None:
    """Step Functions sends ``Step Functions Execution Status Change`` to EventBridge; moto sends nothing."""
    communication = execution.BaseExecutionWorkerCommunication
    original = communication.terminated

    def terminated(self: Any) -> None:
        original(self)
        ended = self.execution
        detail = {
            "executionArn": ended.exec_arn,
            "stateMachineArn": ended.state_machine.arn,
            "name": ended.name,
            "status": str(ended.exec_status),
            "input": ended.execution_input,
            "output": json.dumps(ended.output) if ended.output is not None else None,
            "error": ended.error,
            "cause": ended.cause,
        }
        put_event("aws.states", "Step Functions Execution Status Change", [ended.exec_arn], detail, ended.account_id)

    communication.terminated = _once(original, terminated)


# --- Batch --------------------------------------------------------------------------------------------------------------


def _run_batch_jobs(run_batch_job: Callable[[batch_models.Job], None]) -> None:
    """Jobs run as processes instead of Docker containers; the description gets the exit code that moto leaves out."""
    original = batch_models.Job._container_details  # noqa: SLF001

    def container_details(self: Any) -> dict[str, Any]:
        details: dict[str, Any] = original(self)
        if self.exit_code is not None:
            details["exitCode"] = self.exit_code
        return details

    def run(self: batch_models.Job) -> None:
        run_batch_job(self)

    batch_models.Job.run = run
    batch_models.Job._container_details = _once(original, container_details)  # noqa: SLF001


# --- EventBridge and S3 -------------------------------------------------------------------------------------------------

_held = threading.local()


@contextlib.contextmanager
def events_held_back() -> Iterator[None]:
    """Deliver the S3 events of one request when it has ended.

    moto notifies in the middle of a write, before it has stored the object's metadata, and announces a multipart upload
    twice (as ``Put`` and as ``CompleteMultipartUpload``): a function that reads at once would miss the metadata, and one
    upload would look like two. Of the events of one request for one object version, the last one is sent.
    """
    _held.events = {}
    try:
        yield
    finally:
        events = _held.events
        del _held.events
        for send in events.values():
            send()


def put_event(source: str, detail_type: str, resources: list[str], detail: dict[str, Any], account_id: str) -> None:
    """Put an event of an AWS service on the default bus."""
    for region, backend in events_models.events_backends[account_id].items():
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": account_id,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": region,
            "resources": resources,
            "detail": detail,
        }
        for bus in list(backend.event_buses.values()):
            for rule in list(bus.rules.values()):
                rule.send_to_targets(event)


def _deliver_events(invoke_async: Callable[[str, bytes], None]) -> None:
    """Rules reach Lambda functions (moto: NotImplementedError), and S3's events have the fields that S3 sends."""
    lock = threading.Lock()
    sequence = iter(range(1, 1 << 62))

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:  # noqa: FBT001, FBT002
        del transform_input
        if self.state != "ENABLED" or not self.event_pattern.matches_event(original_event):
            return
        for target in self.targets:
            if ":lambda:" not in target["Arn"]:
                raise NotImplementedTargetError(target["Arn"])
            invoke_async(target["Arn"], _input_of(target, original_event).encode())

    def send_event_bridge_message(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        with lock:
            sequencer = f"{next(sequence):016X}"
        stored = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": sequencer}
        if key.version_id != "null":
            stored["version-id"] = key.version_id
        detail = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": stored,
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account_id,
            "source-ip-address": "127.0.0.1",
            "reason": event_name.split(":")[-1],
        }
        detail_type = notifications._detail_type(event_name)  # noqa: SLF001

        def send() -> None:
            put_event("aws.s3", detail_type, [bucket.arn], detail, account_id)

        held = getattr(_held, "events", None)
        if held is None:
            send()
        else:
            held[bucket.name, key.name, key.version_id, detail_type] = send

    events_models.Rule.send_to_targets = send_to_targets
    notifications._send_event_bridge_message = send_event_bridge_message  # noqa: SLF001


def _input_of(target: Any, event: dict[str, Any]) -> str:
    """Return what a target is given: the event, a constant, or a text with values of the event in it.

    A value goes in as JSON, or bare where its placeholder stands inside a string, as EventBridge does it.
    """
    if "Input" in target:
        return str(target["Input"])
    if "InputTransformer" not in target:
        return json.dumps(event)
    values: dict[str, Any] = {}
    for name, path in target["InputTransformer"].get("InputPathsMap", {}).items():
        value: Any = event
        for part in path.removeprefix("$").strip(".").split("."):
            value = value[part]
        values[name] = value
    text = target["InputTransformer"]["InputTemplate"]

    def fill(match: re.Match[str]) -> str:
        filled = json.dumps(values[match.group(1)])
        is_inside_a_string = text[: match.start()].count('"') % 2 == 1
        return filled.strip('"') if is_inside_a_string else filled

    return re.sub(r"<([\w-]+)>", fill, text)


class NotImplementedTargetError(Exception):
    """Raised when a rule of the template has a target that is not a Lambda function; the local service knows no other."""


def _join_parts_on_disk() -> None:
    """Completing a multipart upload holds the object three times in memory: 3 GB for a 1 GB video. Join it in a file."""
    original = s3_models.FakeMultipart.complete

    def complete(self: Any, body: Any) -> Any:
        wanted = list(body)
        if sum(self.parts[number].contentsize for number, _ in wanted if number in self.parts) < s3_models.S3_UPLOAD_PART_MIN_SIZE:
            return original(self, iter(wanted))
        digests = bytearray()
        with tempfile.TemporaryFile() as joined:
            for number, etag in wanted:
                part = self.parts.get(number)
                if part is None or part.etag.strip('"') != etag.strip('"'):
                    raise s3_models.InvalidPart
                if number != wanted[-1][0] and part.contentsize < s3_models.S3_UPLOAD_PART_MIN_SIZE:
                    raise s3_models.EntityTooSmall
                digests += bytes.fromhex(part.etag.strip('"'))
                with part.lock:
                    part._value_buffer.seek(0)  # noqa: SLF001
                    shutil.copyfileobj(part._value_buffer, joined, 1 << 20)  # noqa: SLF001
            joined.flush()
            value = mmap.mmap(joined.fileno(), os.fstat(joined.fileno()).st_size, access=mmap.ACCESS_READ)
        etag_of_parts = s3_models.md5_hash()
        etag_of_parts.update(bytes(digests))
        return value, f"{etag_of_parts.hexdigest()}-{len(wanted)}", None

    s3_models.FakeMultipart.complete = _once(original, complete)


def _once(original: Any, mended: Any) -> Any:
    """Return ``original`` when it is a mend already: ``apply`` may run again in the same process (a test session)."""
    if getattr(original, "is_mend", False):
        return original
    mended.is_mend = True
    return mended
