"""Video enhancement in RPC versions 2020-03-20 and 2023-01-17: asynchronous jobs on one video URL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count, islice
from math import ceil
from typing import Any

from domain.errors import InvalidRequestError, JobNotCancellableError, MissingParameterError
from domain.job import DEFAULT_BITRATE_MBPS, Job, JobRequest, JobStatus
from domain.origin import Origin
from domain.regions import MAX_REGIONS
from rpc.answers import vision_code_of
from rpc.call import Call, validated
from rpc.job_params import box
from rpc.object_urls import source_of_url
from rpc.production import time_of

UPSCALE = "SuperResolveVideo"
ERASE_CAPTIONS = "EraseVideoSubtitles"
ERASE_LOGO = "EraseVideoLogo"
_SUBMITTING = (UPSCALE, ERASE_CAPTIONS, ERASE_LOGO)
_PRODUCT = "videoenhan"
_FIELDS = {"source": "VideoUrl", "upscale.bitrate_mbps": "BitRate", "erase": "Boxes"}
_STATUSES = {
    JobStatus.QUEUED: "QUEUING",
    JobStatus.RUNNING: "PROCESSING",
    JobStatus.SUCCEEDED: "PROCESS_SUCCESS",
    JobStatus.FAILED: "PROCESS_FAILED",
    JobStatus.CANCELLED: "JOB_CANCELED",
}
#: Errors of failed jobs that have a status of their own.
_STATUSES_BY_ERROR = {"TimedOut": "TIMEOUT_FAILED", "NoCapacity": "LIMIT_RETRY_FAILED"}
_ALL_STATUSES = frozenset({*_STATUSES.values(), *_STATUSES_BY_ERROR.values()})
# A list by page numbers counts all that it holds; beyond these, GET /v1/jobs goes on by cursor.
_MAX_LISTED = 1000
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


def super_resolve_video(call: Call) -> dict[str, Any]:
    """SuperResolveVideo: double a video's width and height."""
    bitrate = call.whole("BitRate", DEFAULT_BITRATE_MBPS, 1, 100)
    return _submit(call, {"upscale": {"bitrate_mbps": bitrate}})


def erase_video_subtitles(call: Call) -> dict[str, Any]:
    """EraseVideoSubtitles: remove captions, in the bottom quarter or in the box BX, BY, BW, BH."""
    region = _box(call.parameters, ("BX", "BY", "BW", "BH"))
    return _submit(call, {"erase": {"captions": {"regions": [region] if region else []}}})


def erase_video_logo(call: Call) -> dict[str, Any]:
    """EraseVideoLogo: erase all of each box; without boxes, the logos that are found."""
    boxes = [
        _box(call.parameters, tuple(f"Boxes.{number}.{side}" for side in "XYWH"))
        for number in range(1, MAX_REGIONS + 2)
    ]
    regions = [region for region in boxes if region is not None]
    if not regions:
        return _submit(call, {"erase": {"icons": {}}})
    if len(regions) > MAX_REGIONS:
        raise InvalidRequestError(f"at most {MAX_REGIONS} boxes are taken", field="Boxes", allowed="1-2 boxes")
    return _submit(call, {"erase": {"icons": {"erase_everything": True, "regions": regions}}})


def get_async_job_result(call: Call) -> dict[str, Any]:
    """GetAsyncJobResult: a job's status, and a link made just now."""
    job = call.service.jobs.get(call.text("JobId"), call.owner)
    data: dict[str, Any] = {"JobId": job.job_id, "Status": _status_of(job)}
    view = call.service.reader.show(job)
    if view.result is not None:
        # Without a video: a preview, which came in by another door.
        data["Result"] = json.dumps({"VideoUrl": view.result.links.get("video", "")})
    if job.error is not None:
        data |= {"ErrorCode": vision_code_of(job.error.code), "ErrorMessage": job.error.message}
    return {"Data": data}


def query_async_job_list(call: Call) -> dict[str, Any]:
    """QueryAsyncJobList: the jobs of this product among the newest, filtered, by page number."""
    number, size = call.whole("PageNum", 1, 1, 10_000), call.whole("PageSize", 10, 1, 100)
    jobs = [job for job in islice(_jobs(call), _MAX_LISTED) if _is_wanted(job, call.parameters)]
    return {
        "HttpCode": "200",
        "Message": "ok",
        "Success": True,
        "Data": {
            "CurrentPage": number,
            "PageSize": size,
            "TotalPage": ceil(len(jobs) / size),
            "TotalRecord": len(jobs),
            "Result": [_listed(job) for job in jobs[(number - 1) * size : number * size]],
        },
    }


def cancel_waiting_async_job(call: Call) -> dict[str, Any]:
    """CancelWaitingAsyncJob: cancel a job that has not begun."""
    job = call.service.jobs.get(call.text("JobId"), call.owner)
    if job.status is not JobStatus.QUEUED:
        raise JobNotCancellableError(
            f"job {job.job_id} is {_status_of(job)}; only waiting jobs are cancelled", field="JobId"
        )
    call.service.submission.cancel(job.job_id, call.owner)
    return {"HttpCode": "200", "Message": f"job {job.job_id} is cancelled", "Success": True}


def _submit(call: Call, wanted: Mapping[str, Any]) -> dict[str, Any]:
    source = source_of_url(call.text("VideoUrl"), "VideoUrl")
    request = validated(JobRequest, {"source": source, **wanted}, _FIELDS)
    origin = Origin(action=call.action, parameters=call.own_parameters())
    job_id = call.create_once(
        lambda: call.service.submission.submit(request, call.owner, call.caller.key_quota, origin).job_id
    )
    # Callers take the request's ID for the job's.
    return {"RequestId": job_id, "Message": f"queued; ask GetAsyncJobResult for {job_id}"}


def _box(parameters: Mapping[str, str], names: tuple[str, ...]) -> dict[str, float] | None:
    given = [parameters.get(name, "") for name in names]
    if not any(given):
        return None
    for name, text in zip(names, given, strict=True):
        if not text:
            raise MissingParameterError(f"{name} is required beside {', '.join(names)}", field=name)
    try:
        return box(*map(float, given))
    except ValueError as error:
        raise InvalidRequestError(f"{', '.join(names)} must be fractions 0-1", field=names[0]) from error


def _status_of(job: Job) -> str:
    by_error = None if job.error is None else _STATUSES_BY_ERROR.get(job.error.code)
    return by_error or _STATUSES[job.status]


def _jobs(call: Call) -> Iterator[Job]:
    cursor: str | None = None
    for _ in count():
        page = call.service.jobs.page(call.owner, 100, cursor)
        yield from page.jobs
        cursor = page.next_cursor
        if cursor is None:
            return


def _is_wanted(job: Job, parameters: Mapping[str, str]) -> bool:
    if job.origin is None or job.origin.action not in _SUBMITTING:
        return False
    wanted_status = parameters.get("Status") or None
    if wanted_status is not None and wanted_status not in _ALL_STATUSES:
        raise InvalidRequestError("Status is not known", field="Status", allowed=", ".join(sorted(_ALL_STATUSES)))
    begin, end = _moment(parameters, "StartTime"), _moment(parameters, "EndTime")
    return (
        (parameters.get("JobId") or job.job_id) == job.job_id
        and (parameters.get("PopProduct") or _PRODUCT) == _PRODUCT
        and (parameters.get("PopApiName") or job.origin.action) == job.origin.action
        and wanted_status in (None, _status_of(job))
        and (begin is None or job.created_at >= begin)
        and (end is None or job.created_at <= end)
    )


def _moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    text = parameters.get(name)
    if not text:
        return None
    for form in _TIME_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise InvalidRequestError(
        f"{name} is not a time", field=name, allowed="2026-01-31 12:00:00 or 2026-01-31T12:00:00Z, in UTC"
    )


def _listed(job: Job) -> dict[str, Any]:
    assert job.origin is not None  # others are not wanted
    return {
        "JobId": job.job_id,
        "PopProduct": _PRODUCT,
        "PopApiName": job.origin.action,
        "Status": _status_of(job),
        "GmtCreate": time_of(job.created_at),
        "StartTime": time_of(job.started_at),
        "EndTime": time_of(job.finished_at),
    }
