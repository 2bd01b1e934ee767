"""Every operation of Action RPC, by version and name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.access import Scope
from rpc import callbacks, production, templates, usage, vision
from rpc.answers import PRODUCTION_VERSION
from rpc.call import Call

_ENHANCEMENT_VERSION = "2020-03-20"
_JOBS_VERSION = "2023-01-17"


@dataclass(frozen=True, slots=True)
class Operation:
    """What answers a call, and what the caller's key must be for."""

    scope: Scope
    perform: Callable[[Call], dict[str, Any]]


OPERATIONS: dict[tuple[str, str], Operation] = {
    (PRODUCTION_VERSION, "SubmitIProductionJob"): Operation(Scope.WRITE, production.submit),
    (PRODUCTION_VERSION, "QueryIProductionJob"): Operation(Scope.READ, production.query),
    (PRODUCTION_VERSION, "CancelIProductionJob"): Operation(Scope.WRITE, production.cancel),
    (PRODUCTION_VERSION, "CreateCustomTemplate"): Operation(Scope.WRITE, templates.create),
    (PRODUCTION_VERSION, "UpdateCustomTemplate"): Operation(Scope.WRITE, templates.update),
    (PRODUCTION_VERSION, "GetCustomTemplate"): Operation(Scope.READ, templates.get),
    (PRODUCTION_VERSION, "ListCustomTemplates"): Operation(Scope.READ, templates.list_all),
    (PRODUCTION_VERSION, "DeleteCustomTemplate"): Operation(Scope.WRITE, templates.delete),
    (PRODUCTION_VERSION, "SetDefaultCustomTemplate"): Operation(Scope.WRITE, templates.set_default),
    (PRODUCTION_VERSION, "SetEventCallback"): Operation(Scope.WRITE, callbacks.set_event_callback),
    (PRODUCTION_VERSION, "GetEventCallback"): Operation(Scope.READ, callbacks.get_event_callback),
    (PRODUCTION_VERSION, "DescribeMeterImsMpsAiUsage"): Operation(Scope.READ, usage.describe),
    (_ENHANCEMENT_VERSION, vision.UPSCALE): Operation(Scope.WRITE, vision.super_resolve_video),
    (_ENHANCEMENT_VERSION, vision.ERASE_CAPTIONS): Operation(Scope.WRITE, vision.erase_video_subtitles),
    (_ENHANCEMENT_VERSION, vision.ERASE_LOGO): Operation(Scope.WRITE, vision.erase_video_logo),
    (_ENHANCEMENT_VERSION, "GetAsyncJobResult"): Operation(Scope.READ, vision.get_async_job_result),
    (_JOBS_VERSION, "GetAsyncJobResult"): Operation(Scope.READ, vision.get_async_job_result),
    (_JOBS_VERSION, "QueryAsyncJobList"): Operation(Scope.READ, vision.query_async_job_list),
    (_JOBS_VERSION, "CancelWaitingAsyncJob"): Operation(Scope.WRITE, vision.cancel_waiting_async_job),
}
