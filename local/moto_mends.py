"""Where moto differs from AWS in a way that this service can feel: every mend, with its reason, in one place.

Written against exactly one moto version; another version stops the start, because each mend has to be looked at again.
What is enforced before a request reaches moto (presigned links and forms, streaming of large objects) stands in
``local.s3_edge``; how events travel in ``local.event_bus``.
"""

# ruff: noqa: SLF001 - a mend has to reach into what it mends
from __future__ import annotations

import functools
import json
import mmap
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import md5
from importlib.metadata import version
from typing import Any

import boto3
import botocore.session
from botocore import xform_name
from botocore.config import Config
from moto.batch import models as batch_models
from moto.batch import responses as batch_responses
from moto.core.config import default_user_config
from moto.core.responses import EmptyResult
from moto.dynamodb import models as dynamodb_models
from moto.events import models as events_models
from moto.s3 import exceptions as s3_exceptions
from moto.s3 import models as s3_models
from moto.s3 import notifications
from moto.settings import S3_UPLOAD_PART_MIN_SIZE
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name import custom_error_name
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
    state_task_service_batch,
    state_task_service_callback,
)
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend import execution, execution_worker
from moto.stepfunctions.responses import StepFunctionResponse

from domain.scheduling import Scheduling
from local import event_bus
from local.stack import LocalAws

MOTO_VERSION = "5.2.5"

#: How a Batch job ends.
_ENDED = {"SUCCEEDED", "FAILED"}

#: What was replaced, so that mending again in the same process starts from moto's own and not from an older mend.
_originals: dict[tuple[Any, str], Any] = {}


class MotoVersionError(Exception):
    """Raised when another moto is installed than the one these mends were written for."""


@dataclass(frozen=True)
class Collaborators:
    """What the mended moto hands its work to.

    ``run_batch_job`` runs a Batch job on the thread that moto made for it. ``invoke_async`` takes a function's ARN and
    an event.
    """

    aws: LocalAws
    run_batch_job: Callable[[batch_models.Job, Scheduling], None]
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
    _share_the_clients_of_the_engine(collaborators.aws)
    _stop_an_execution_that_has_just_started()
    _let_a_fail_state_pass_on_any_error()
    _wait_for_batch_jobs_as_step_functions_does()
    _fail_a_map_run_with_its_first_failed_child()
    _look_at_batch_jobs_more_often()
    _tell_of_ended_executions()
    _remember_how_jobs_are_scheduled()
    _run_batch_jobs(collaborators.run_batch_job)
    _deliver_events(collaborators.invoke_async)
    make_conditional_writes_atomic()
    _join_parts_on_disk()
    _put_large_objects_into_files_at_once()


def _replace(owner: Any, name: str, mend: Callable[[Any], Any]) -> None:
    """Put ``mend(original)`` in the place of ``owner.name``."""
    original = _originals.setdefault((owner, name), getattr(owner, name))
    setattr(owner, name, mend(original))


# --- Step Functions -----------------------------------------------------------------------------------------


@functools.cache
def _operation_shapes(service: str, action: str) -> tuple[Any, Any]:
    service = {"sfn": "stepfunctions", "states": "stepfunctions"}.get(service, service)
    model = botocore.session.get_session().get_service_model(service)
    for name in model.operation_names:
        if xform_name(name) == action:
            operation = model.operation_model(name)
            return operation.input_shape, operation.output_shape
    return None, None


def _for_api(value: Any, shape: Any) -> Any:
    """Return ``value`` with the member names of an API's shape, whatever their case was."""
    if shape is not None and shape.type_name == "structure" and isinstance(value, dict):
        names = {member.lower(): member for member in shape.members}
        found = {key: names.get(key.lower(), key) for key in value}
        return {found[key]: _for_api(item, shape.members.get(found[key])) for key, item in value.items()}
    if shape is not None and shape.type_name == "list" and isinstance(value, list):
        return [_for_api(item, shape.member) for item in value]
    if shape is not None and shape.type_name == "map" and isinstance(value, dict):
        return {key: _for_api(item, shape.value) for key, item in value.items()}
    return value


def _for_states(value: Any, shape: Any) -> None:
    """Give an API's answer PascalCase names; in place, because the engine keeps references into it."""
    if shape is None:
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        for key in list(value):
            item = value.pop(key)
            member = shape.members.get(key)
            _for_states(item, member)
            value[key if member is None else key[0].upper() + key[1:]] = item
    elif shape.type_name == "list" and isinstance(value, list):
        for item in value:
            _for_states(item, shape.member)
    elif shape.type_name == "map" and isinstance(value, dict):
        for item in value.values():
            _for_states(item, shape.value)


def _name_parameters_as_each_api_does() -> None:
    """Map names between the state language (PascalCase) and the API (camelCase); moto's functions for it are empty.

    Without this ``batch:submitJob.sync`` fails: Batch knows no ``JobName``, and the engine finds no ``JobId``.
    """

    def shapes(task: Any, service: str | None, action: str | None) -> tuple[Any, Any]:
        return _operation_shapes(service or task._get_boto_service_name(), action or task._get_boto_service_action())

    def normalise_parameters(
        self: Any, parameters: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        renamed = _for_api(parameters, shapes(self, boto_service_name, service_action_name)[0])
        parameters.clear()
        parameters.update(renamed)

    def normalise_response(
        self: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        _for_states(response, shapes(self, boto_service_name, service_action_name)[1])

    _replace(state_task_service.StateTaskService, "_normalise_parameters", lambda _: normalise_parameters)
    _replace(state_task_service.StateTaskService, "_normalise_response", lambda _: normalise_response)


def _pass_on_the_cause_of_a_task_failure() -> None:
    """SendTaskFailure drops its ``cause``."""

    def send_task_failure(self: Any) -> EmptyResult:
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"), error=self._get_param("error"), cause=self._get_param("cause")
        )
        return EmptyResult()

    _replace(StepFunctionResponse, "send_task_failure", lambda _: send_task_failure)


def _share_the_clients_of_the_engine(aws: LocalAws) -> None:
    """The engine makes a boto3 client per call (0.1 s of one core each) and looks for ``localhost`` over IPv6 first."""
    _replace(boto_client, "boto3", lambda _: _SharedClients(aws))


class _SharedClients:
    """Stands where the engine's module looks for ``boto3``; keeps one client per service and region."""

    def __init__(self, aws: LocalAws) -> None:
        self._endpoint_url, self._access_key, self._secret_key = aws.endpoint_url, aws.access_key, aws.secret_key
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, *, service_name: str, region_name: str, **_: Any) -> Any:
        """Return the client of a service, in place of ``boto3.client``."""
        with self._lock:
            if (service_name, region_name) not in self._clients:
                self._clients[service_name, region_name] = boto3.client(  # type: ignore[call-overload]
                    service_name,
                    region_name=region_name,
                    endpoint_url=self._endpoint_url,
                    aws_access_key_id=self._access_key,
                    aws_secret_access_key=self._secret_key,
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
    """StopExecution in an execution's first milliseconds ends in an AttributeError: it has no environment yet."""

    def mend(original: Any) -> Any:
        def stop(self: Any, *args: Any, **kwargs: Any) -> None:
            patience = time.monotonic() + 5
            while self.env is None and time.monotonic() < patience:
                time.sleep(0.01)
            original(self, *args, **kwargs)

        return stop

    _replace(execution_worker.ExecutionWorker, "stop", mend)


def _let_a_fail_state_pass_on_any_error() -> None:
    """A Fail state may pass on the error that was caught (``ErrorPath``), as ``States.TaskFailed`` of a Batch job.

    moto takes it for a custom name, refuses the prefix, and ends in ``States.Runtime`` without the cause.
    """
    prefix_that_no_error_has = "\0"
    _replace(custom_error_name, "ILLEGAL_CUSTOM_ERROR_PREFIX", lambda _: prefix_that_no_error_has)


def _wait_for_batch_jobs_as_step_functions_does() -> None:
    """Step Functions ends the Batch job of a ``.sync`` task that is stopped or runs over its time; moto forgets it.

    Step Functions also learns of a job's end by an event. Moto asks through the API, which for ten pieces at a time
    took a third of a core from the workers; here it looks at the job first.
    """

    def mend_resolver(original: Any) -> Any:
        def build_sync_resolver(self: Any, *, env: Any, **kwargs: Any) -> Any:
            job_id = env.stack[-1]["JobId"]
            described = original(self, env=env, **kwargs)
            at = kwargs["resource_runtime_part"]
            client: Any = boto_client.boto_client_for(region=at.region, service="batch")
            jobs = batch_models.batch_backends[at.account][at.region]

            def resolve() -> Any:
                job = jobs.get_job_by_id(job_id)
                return described() if job is None or job.status in _ENDED else None

            resolve.terminate = functools.partial(  # type: ignore[attr-defined]
                client.terminate_job, jobId=job_id, reason="The Step Functions task was stopped or timed out"
            )
            return resolve

        return build_sync_resolver

    def mend_wait(original: Any) -> Any:
        def eval_sync(self: Any, *, sync_resolver: Any, callback_endpoint: Any, **kwargs: Any) -> Any:
            terminate = getattr(sync_resolver, "terminate", None)
            # No one sends a token for a Batch job, and moto's wait for one dies of a TypeError in a stopped execution.
            endpoint = callback_endpoint if terminate is None else None
            outcome = original(self, sync_resolver=sync_resolver, callback_endpoint=endpoint, **kwargs)
            if outcome is None and terminate is not None:
                terminate()
            return outcome

        return eval_sync

    _replace(state_task_service_batch.StateTaskServiceBatch, "_build_sync_resolver", mend_resolver)
    _replace(state_task_service_callback.StateTaskServiceCallback, "_eval_sync", mend_wait)


def _fail_a_map_run_with_its_first_failed_child() -> None:
    """A distributed Map fails when more of its children fail than it tolerates, here none; moto only counts them."""

    def mend(original: Any) -> Any:
        def eval_job(self: Any, env: Any, job: Any) -> None:
            original(self, env, job)
            # A child that succeeded has an output, if only an empty one.
            if job.job_output is None:
                name = StatesErrorName(StatesErrorNameType.StatesExceedToleratedFailureThreshold)
                cause = "The specified tolerated failure threshold was exceeded"
                details: Any = {"executionFailedEventDetails": {"error": name.error_name, "cause": cause}}
                job.job_output = FailureEventException(
                    FailureEvent(env, name, HistoryEventType.ExecutionFailed, details)
                )

        return eval_job

    _replace(distributed_item_processor_worker.DistributedItemProcessorWorker, "_eval_job", mend)


def _look_at_batch_jobs_more_often() -> None:
    """AWS learns of a job's end by an event, moto by asking twice a second: on a short job that is most of its time."""
    _replace(state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", lambda _: 0.15)


def _tell_of_ended_executions() -> None:
    """Step Functions sends ``Step Functions Execution Status Change`` to EventBridge; moto sends nothing."""

    def mend(original: Any) -> Any:
        def terminated(self: Any) -> None:
            original(self)
            ended = self.execution
            detail = {
                "executionArn": ended.exec_arn,
                "stateMachineArn": ended.state_machine.arn,
                "name": ended.name,
                "status": ended.exec_status.value,
                "input": ended.execution_input,
                "output": json.dumps(ended.output) if ended.output is not None else None,
                "error": ended.error,
                "cause": ended.cause,
            }
            event_bus.put_event("aws.states", "Step Functions Execution Status Change", ended.exec_arn, detail)

        return terminated

    _replace(execution.BaseExecutionWorkerCommunication, "terminated", mend)


# --- Batch --------------------------------------------------------------------------------------------------


#: Of the job that is being submitted on this thread.
_submitted: ContextVar[Scheduling] = ContextVar("submitted")


def _remember_how_jobs_are_scheduled() -> None:
    """A fair-share queue orders what waits by share and priority, which moto forgets."""

    def mend_submit(original: Any) -> Any:
        def submit_job(self: Any) -> Any:
            share, priority = (self._get_param(name) for name in ("shareIdentifier", "schedulingPriorityOverride"))
            token = _submitted.set(Scheduling(share=share or "", priority=int(priority or 0)))
            try:
                return original(self)
            finally:
                _submitted.reset(token)

        return submit_job

    def mend_init(original: Any) -> Any:
        def init(self: Any, *arguments: Any, **named: Any) -> None:
            original(self, *arguments, **named)
            self.scheduling = _submitted.get(Scheduling(share="", priority=0))

        return init

    _replace(batch_responses.BatchResponse, "submitjob", mend_submit)
    _replace(batch_models.Job, "__init__", mend_init)


def _run_batch_jobs(run_batch_job: Callable[[batch_models.Job, Scheduling], None]) -> None:
    """Jobs run as processes instead of Docker containers; the description gets the exit code that moto leaves out.

    Moto also writes the job's ID into the environment that it keeps each time that it is asked for it. The engine asks
    several times a second: after ten minutes the description was larger than a state may be, and the job failed.
    """

    def run(self: Any) -> None:
        run_batch_job(self, self.scheduling)

    def mend_details(original: Any) -> Any:
        def container_details(self: Any) -> dict[str, Any]:
            details: dict[str, Any] = original(self)
            if self.exit_code is not None:
                details["exitCode"] = self.exit_code
            return details

        return container_details

    def mend_property(original: Any) -> Any:
        def container_property(self: Any, name: str, default: Any) -> Any:
            if name != "environment":
                return original(self, name, default)
            given = (self.job_definition.container_properties, self.container_overrides)
            merged = {item["name"]: item["value"] for each in given for item in each.get(name, default)}
            return [{"name": key, "value": value} for key, value in {**merged, "AWS_BATCH_JOB_ID": self.job_id}.items()]

        return container_property

    _replace(batch_models.Job, "run", lambda _: run)
    _replace(batch_models.Job, "_container_details", mend_details)
    _replace(batch_models.Job, "_get_container_property", mend_property)


# --- DynamoDB -----------------------------------------------------------------------------------------------


def make_conditional_writes_atomic() -> None:
    """DynamoDB's writes are atomic, conditions included; moto looks, and then writes, with other threads in between."""
    lock = threading.RLock()

    def mend(original: Any) -> Any:
        @functools.wraps(original)
        def write(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return original(*args, **kwargs)

        return write

    for name in ("put_item", "update_item", "delete_item", "transact_write_items"):
        _replace(dynamodb_models.DynamoDBBackend, name, mend)


# --- EventBridge and S3 -------------------------------------------------------------------------------------


def _deliver_events(invoke_async: Callable[[str, bytes], None]) -> None:
    """Rules reach Lambda functions (moto has no such target), and S3's events have the fields that S3 sends."""

    def send_to_targets(self: Any, original_event: Any, transform_input: object = None) -> None:
        del transform_input
        event_bus.deliver(self, original_event, invoke_async)

    def send_event_bridge_message(account_id: str, bucket: Any, event_name: str, key: Any) -> None:
        del account_id
        event_bus.announce_object(bucket, event_name, key, notifications._detail_type(event_name))

    _replace(events_models.Rule, "send_to_targets", lambda _: send_to_targets)
    _replace(notifications, "_send_event_bridge_message", lambda _: send_event_bridge_message)


def _join_parts_on_disk() -> None:
    """Completing a multipart upload holds an object three times in memory: 3 GB for a 1 GB video. Join it in a file."""

    def complete(self: Any, body: Any) -> tuple[mmap.mmap | bytes, str, None]:
        wanted = list(body)
        digests = bytearray()
        with tempfile.TemporaryFile() as joined:
            for number, etag in wanted:
                part = self.parts.get(number)
                if part is None or part.etag.strip('"') != etag.strip('"'):
                    raise s3_exceptions.InvalidPart
                if number != wanted[-1][0] and part.contentsize < S3_UPLOAD_PART_MIN_SIZE:
                    raise s3_exceptions.EntityTooSmall
                digests += bytes.fromhex(part.etag.strip('"'))
                with part.lock:
                    part._value_buffer.seek(0)
                    shutil.copyfileobj(part._value_buffer, joined, 1 << 20)
            if not wanted:
                raise s3_exceptions.MalformedXML
            joined.flush()
            size = os.fstat(joined.fileno()).st_size
            value = mmap.mmap(joined.fileno(), size, access=mmap.ACCESS_READ) if size else b""
        # S3's own form of an ETag: the digest of the parts' digests, and their number.
        return value, f"{md5(digests, usedforsecurity=False).hexdigest()}-{len(wanted)}", None

    _replace(s3_models.FakeMultipart, "complete", lambda _: complete)


def _put_large_objects_into_files_at_once() -> None:
    """An object's buffer becomes a file only after all of it was written to memory; a large one begins as a file."""

    def mend(original: Any) -> Any:
        def set_value(self: Any, new_value: Any) -> None:
            if len(new_value) > self._max_buffer_size:
                self._value_buffer.rollover()
            original.fset(self, new_value)

        return property(original.fget, set_value)

    _replace(s3_models.FakeKey, "value", mend)
