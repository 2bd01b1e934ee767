"""Smart Erase jobs in RPC version 2020-11-09: SubmitIProductionJob, QueryIProductionJob, CancelIProductionJob."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from domain.errors import FunctionNotSupportedError, InvalidRequestError, MissingParameterError
from domain.job import DEFAULT_PRIORITY, LAST_PRIORITY, Job, JobRequest, JobStatus, Quality
from domain.job_view import JobView
from domain.origin import Origin
from rpc.call import Call, validated, whole
from rpc.job_params import extraction_regions_of, icons_of, regions_of
from rpc.object_urls import output_of_url, source_of_url

CAPTIONS = "VideoDetext"
ICONS = "VideoDelogo"
EXTRACTION = "CaptionExtraction"
_FUNCTIONS = (CAPTIONS, ICONS, EXTRACTION)
PREMIUM_MODEL = "algo-video-detext-new"
_MEDIA_TYPES = ("Media", "MediaId")
#: Fields of a job's request, by the parameter that they come from.
_FIELDS = {
    "source": "Input",
    "output": "Output.Media",
    "erase": "JobParams",
    "name": "Name",
    "user_data": "UserData",
    "template": "TemplateId",
}
_STATUSES = {
    JobStatus.QUEUED: "Queuing",
    JobStatus.RUNNING: "Analysing",
    JobStatus.SUCCEEDED: "Success",
    JobStatus.FAILED: "Fail",
    JobStatus.CANCELLED: "Fail",
}


def submit(call: Call) -> dict[str, Any]:
    """SubmitIProductionJob: record and start a job."""
    function = call.text("FunctionName")
    if function not in _FUNCTIONS:
        raise FunctionNotSupportedError(
            f"the function {function} is not one of this service", field="FunctionName", allowed=", ".join(_FUNCTIONS)
        )
    document: dict[str, Any] = {
        "source": _source(call.json_object("Input")),
        "output": _output(call.json_object("Output")),
        "template_id": call.parameters.get("TemplateId") or None,
        "name": call.parameters.get("Name") or None,
        "user_data": call.parameters.get("UserData") or None,
        "erase": _erase(call, function),
        "priority": _priority(call.json_object("ScheduleConfig")),
        # The same job as POST /v1/previews: captions are found and written down, nothing is erased.
        "preview": function == EXTRACTION,
    }
    if function == EXTRACTION and document["template_id"] is not None:
        raise InvalidRequestError("templates do not go with CaptionExtraction", field="TemplateId")
    request = validated(JobRequest, document, _FIELDS)
    origin = Origin(action=call.action, parameters=call.own_parameters())
    job_id = call.create_once(
        lambda: call.service.submission.submit(request, call.owner, call.caller.key_quota, origin).job_id
    )
    return {"JobId": job_id}


def query(call: Call) -> dict[str, Any]:
    """QueryIProductionJob: the job as it was submitted, where it is, and links made just now."""
    job = call.service.jobs.get(call.text("JobId"), call.owner)
    view = call.service.reader.show(job)
    sent = job.origin.parameters if job.origin is not None else {}
    function = _function_of(job)
    answer: dict[str, Any] = {
        "JobId": job.job_id,
        "Name": sent.get("Name") or (job.request.name if job.request else None),
        "FunctionName": function,
        "TemplateId": sent.get("TemplateId"),
        "JobParams": sent.get("JobParams"),
        "UserData": sent.get("UserData") or (job.request.user_data if job.request else None),
        "Input": _as_sent(sent, "Input"),
        "Output": _as_sent(sent, "Output"),
        "ScheduleConfig": _as_sent(sent, "ScheduleConfig"),
        "CreateTime": time_of(job.created_at),
        "FinishTime": time_of(job.finished_at),
        "Status": _STATUSES[job.status],
        "Result": json.dumps(_result(job, view)),
        "OutputFiles": [],
        "OutputMediaIds": [],
        "OutputUrls": [],
    }
    output = "captions_srt" if function == EXTRACTION else "video"
    if view.result is not None and output in view.result.links:
        links = view.result.links
        answer["OutputFiles"] = [view.result.output_s3_uri or call.service.media.uri(job.result_keys[output])]
        answer["OutputUrls"] = [links.get("output", links[output])]
    return answer


def cancel(call: Call) -> dict[str, Any]:
    """CancelIProductionJob: stop a job that has not ended."""
    job = call.service.submission.cancel(call.text("JobId"), call.owner)
    return {"Message": f"job {job.job_id} is cancelled"}


def time_of(moment: datetime | None) -> str | None:
    """Return a time as RPC answers write it: UTC, to the second."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def quality_of(model: Any) -> dict[str, Quality]:
    """Return the quality that a ModelId stands for; empty where none is given.

    Raises:
        InvalidRequestError: it is not known.
    """
    if not model:
        return {}
    if model != PREMIUM_MODEL:
        raise InvalidRequestError("ModelId is not known", field="ModelId", allowed=f"empty, {PREMIUM_MODEL}")
    return {"quality": Quality.PREMIUM}


def _erase(call: Call, function: str) -> dict[str, Any]:
    """Return what the parameters say of an erase; what they do not say is left to the template."""
    params = call.json_object("JobParams")
    quality = quality_of(call.parameters.get("ModelId"))
    if function == ICONS:
        return {"icons": icons_of(params), **quality}
    regions = regions_of(params) if function == CAPTIONS else extraction_regions_of(params)
    return {"captions": {"regions": regions} if regions else {}, **quality}


def _source(given: Mapping[str, Any]) -> dict[str, str]:
    kind, media = _type_and_media(given, "Input")
    return {"upload_id": media} if kind in _MEDIA_TYPES else source_of_url(media, "Input.Media")


def _output(given: Mapping[str, Any]) -> dict[str, str] | None:
    """Return where the result is copied to: nowhere as media, which stay in the service's bucket."""
    kind, media = _type_and_media(given, "Output")
    return None if kind in _MEDIA_TYPES else output_of_url(media, "Output.Media")


def _type_and_media(given: Mapping[str, Any], name: str) -> tuple[str, str]:
    for part in ("Type", "Media"):
        value = given.get(part)
        if value in (None, ""):
            raise MissingParameterError(f"{name}.{part} is required", field=f"{name}.{part}")
        if not isinstance(value, str):
            raise InvalidRequestError(f"{name}.{part} must be text", field=f"{name}.{part}")
    kinds = ("OSS", *_MEDIA_TYPES)
    if given["Type"] not in kinds:
        raise InvalidRequestError(f"{name}.Type is not known", field=f"{name}.Type", allowed=", ".join(kinds))
    return given["Type"], given["Media"]


def _priority(given: Mapping[str, Any]) -> int:
    return whole(given.get("Priority", DEFAULT_PRIORITY), "ScheduleConfig.Priority", 1, LAST_PRIORITY)


def _function_of(job: Job) -> str | None:
    if job.origin is not None and "FunctionName" in job.origin.parameters:
        return job.origin.parameters["FunctionName"]
    if job.request is None or job.request.erase is None:
        return None
    if job.request.preview:
        return EXTRACTION
    return ICONS if job.request.erase.captions is None else CAPTIONS


def _as_sent(sent: Mapping[str, str], name: str) -> Any:
    return json.loads(sent[name]) if sent.get(name) else None


def _result(job: Job, view: JobView) -> dict[str, Any]:
    result: dict[str, Any] = {"Progress": view.progress_percent}
    if job.status is JobStatus.CANCELLED:
        result |= {"Code": "JobCancelled", "Message": "the job was cancelled"}
    if job.error is not None:
        result |= {"Code": job.error.code, "Message": job.error.message}
    if view.result is not None:
        result |= {"NothingFound": view.result.facts.nothing_found, "Files": view.result.links}
    return result
