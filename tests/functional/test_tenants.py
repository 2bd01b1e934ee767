"""Two tenants call every operation in any order, on their own things and on each other's: nothing ever crosses over."""

from __future__ import annotations

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import call_action
import serve_openapi
from adapters.http_api import new_api
from adapters.service import current_service
from domain.access import Caller
from domain.job import ResultFacts, SourceFacts
from rpc.operations import OPERATIONS as RPC_OPERATIONS

TENANTS = ("tenant-a", "tenant-b")
VERSIONS = {action: version for version, action in RPC_OPERATIONS}
NOWHERE = "0f8fad5b-d9cb-469f-a165-70867728950e"
FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)
RESULT_FACTS = ResultFacts(nothing_found=False, width=1280, height=720, duration_seconds=60.0, frame_count=1500)


@dataclass
class Tenant:
    """One tenant: its caller, and the IDs of all that it ever made, by kind."""

    caller: Caller
    made: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def name(self) -> str:
        return self.caller.owner

    def one(self, kind: str, number: int) -> str:
        return self.made[kind][number % len(self.made[kind])] if self.made[kind] else NOWHERE

    def traces(self) -> set[str]:
        """What would betray this tenant in an answer to another."""
        return {self.name, *(each for ids in self.made.values() for each in ids)}


@dataclass
class Answer:
    status: int
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None


class Doors:
    """Both doors of the API, and the two tenants."""

    def __init__(self, deployment: Any, event: dict[str, Any]) -> None:
        self.deployment = deployment
        self._event = event
        self._rest = new_api(*(module.router for module in serve_openapi._MODULES))
        quota = {"jobs_in_flight": 1000, "requests_per_second": 1000}
        self.tenants = tuple(Tenant(deployment.new_caller(name, **quota)) for name in TENANTS)
        self.numbers = count()

    def rest(self, tenant: Tenant, method: str, path: str, body: Any = None) -> Answer:
        path, _, query = path.partition("?")
        event = self._new_event(tenant, method, path, query)
        event["headers"]["content-type"] = "application/json"
        event["body"] = "" if body is None else json.dumps(body)
        event["queryStringParameters"] = dict(parse_qsl(query))
        answer = self._rest.resolve(event, self.deployment.context)
        return Answer(answer["statusCode"], answer.get("body") or "")

    def rpc(self, tenant: Tenant, action: str, **parameters: Any) -> Answer:
        event = self._new_event(tenant, "POST", "/", urlencode(parameters))
        event["headers"] |= {
            "x-acs-action": action,
            "x-acs-version": VERSIONS[action],
            "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        }
        event["body"] = ""
        answer = call_action.handler(event, self.deployment.context)
        return Answer(answer["statusCode"], answer["body"])

    def _new_event(self, tenant: Tenant, method: str, path: str, query: str) -> dict[str, Any]:
        event = json.loads(json.dumps(self._event))
        event |= {"rawPath": path, "rawQueryString": query, "routeKey": f"{method} {path}"}
        event["requestContext"]["http"] |= {"method": method, "path": path}
        event["requestContext"]["authorizer"] = {"lambda": {"caller": tenant.caller.model_dump_json()}}
        return event

    def listed(self, tenant: Tenant, kind: str) -> list[dict[str, Any]]:
        """All that a tenant is shown of a kind, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            following = f"&cursor={quote(cursor)}" if cursor else ""
            page = self.rest(tenant, "GET", f"/v1/{kind}?limit=100{following}").body
            found += page[kind]
            cursor = page.get("next_cursor")
        return found

    def upload(self, tenant: Tenant, body: bytes = b"video", name: str = "clip.mp4") -> Answer:
        answer = self.rest(tenant, "POST", "/v1/uploads", {"file_name": name})
        self.deployment.put(answer.body["fields"]["key"], body)
        tenant.made["uploads"].append(answer.body["upload_id"])
        return answer


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGBA", (16, 16), (255, 0, 0, 128)).save(stream, "PNG")
    return stream.getvalue()


@dataclass(frozen=True)
class Step:
    """One call: by one tenant, naming something of ``victim``'s (perhaps its own)."""

    doors: Doors
    tenant: Tenant
    victim: Tenant
    number: int

    def mine(self, text: str) -> str:
        """A text that betrays its tenant."""
        return f"{self.tenant.name} {text} {next(self.doors.numbers)}"

    def id(self, kind: str) -> str:
        return self.victim.one(kind, self.number)

    def rest(self, method: str, path: str, body: Any = None) -> Answer:
        return self.doors.rest(self.tenant, method, path, body)

    def rpc(self, action: str, **parameters: Any) -> Answer:
        return self.doors.rpc(self.tenant, action, **parameters)

    def making(self, kind: str, answer: Answer, *names: str) -> Answer:
        """Note what a call has made; ``names`` lead to its ID."""
        if answer.status < 300:
            found = answer.body
            for name in names:
                found = found[name]
            self.tenant.made[kind].append(found)
        return answer


def source(step: Step) -> str:
    bucket = step.doors.deployment.bucket
    places = (
        f"uploads/{step.victim.name}/{step.id('uploads')}/clip.mp4",
        f"inbox/{step.victim.name}/clip.mp4",
        f"results/{step.id('jobs')}/video.mp4",
    )
    return f"s3://{bucket}/{places[step.number % len(places)]}"


def create_job(step: Step) -> Answer:
    # A source of the one, a template of the other, and the other way round.
    named: dict[str, Any] = {"source": {"upload_id": step.id("uploads")}, "upscale": {}}
    if step.number % 3 == 1:
        named["source"] = {"s3_uri": source(step)}
    if step.number % 3 == 2:
        named["template_id"] = step.id("templates")
    body = {**named, "name": step.mine("job"), "user_data": step.mine("data")}
    answer = step.making("jobs", step.rest("POST", "/v1/jobs", body), "job_id")
    if answer.status < 300 and step.number % 2:
        finish(step.doors, answer.body["job_id"])
    return answer


def create_preview(step: Step) -> Answer:
    body = {"source": {"upload_id": step.id("uploads")}, "name": step.mine("preview")}
    return step.making("jobs", step.rest("POST", "/v1/previews", body), "job_id")


def finish(doors: Doors, job_id: str) -> None:
    """End a job as the state machine would: with files that links lead to, and a record of its usage."""
    service, now = current_service(), doors.deployment.clock()
    service.jobs.start(job_id, FACTS, now)
    service.jobs.succeed(job_id, {"video": f"results/{job_id}/video.mp4"}, RESULT_FACTS, now)
    service.usage.record(service.jobs.get(job_id))


def submit_production(step: Step) -> Answer:
    media = {"Type": "OSS", "Media": source(step)}
    if step.number % 2:
        media = {"Type": "Media", "Media": step.id("uploads")}
    answer = step.rpc(
        "SubmitIProductionJob",
        FunctionName="VideoDetext",
        Name=step.mine("job"),
        UserData=step.mine("data"),
        Input=json.dumps(media),
        Output='{"Type": "OSS", "Media": "oss://out/a.mp4"}',
    )
    return step.making("jobs", answer, "JobId")


def submit_enhancement(action: str, **more: Any) -> Callable[[Step], Answer]:
    def submit(step: Step) -> Answer:
        return step.making("jobs", step.rpc(action, VideoUrl=source(step), **more), "RequestId")

    return submit


def template(step: Step) -> dict[str, Any]:
    return {"kind": "caption", "name": step.mine("template"), "settings": {}}


def create_icon(step: Step) -> Answer:
    if step.victim is step.tenant:
        step.doors.upload(step.tenant, picture(), "icon.png")
        upload_id = step.tenant.made["uploads"][-1]
    else:
        upload_id = step.id("uploads")
    body = {"name": step.mine("icon"), "kind": "tv", "upload_id": upload_id}
    return step.making("icons", step.rest("POST", "/v1/icons", body), "icon_id")


def span(step: Step) -> dict[str, str]:
    now = step.doors.deployment.clock()
    return {"start": (now - timedelta(days=1)).isoformat(), "end": (now + timedelta(minutes=1)).isoformat()}


def metered(step: Step) -> Answer:
    now = int(step.doors.deployment.clock().timestamp())
    return step.rpc("DescribeMeterImsMpsAiUsage", StartTs=now - 86400, EndTs=now + 60, Interval=86400)


BOX = {"Boxes.1.X": 0, "Boxes.1.Y": 0, "Boxes.1.W": 0.2, "Boxes.1.H": 0.2}
#: Operations that make something or name it by its ID: REST by operation ID, RPC by action.
BY_ID: dict[str, Callable[[Step], Answer]] = {
    "createJob": create_job,
    "createPreview": create_preview,
    "getJob": lambda s: s.rest("GET", f"/v1/jobs/{s.id('jobs')}"),
    "cancelJob": lambda s: s.rest("DELETE", f"/v1/jobs/{s.id('jobs')}"),
    "getTemplate": lambda s: s.rest("GET", f"/v1/templates/{s.id('templates')}"),
    "updateTemplate": lambda s: s.rest("PUT", f"/v1/templates/{s.id('templates')}", template(s)),
    "deleteTemplate": lambda s: s.rest("DELETE", f"/v1/templates/{s.id('templates')}"),
    "setDefaultTemplate": lambda s: s.rest("PUT", f"/v1/templates/{s.id('templates')}/default"),
    "createIcon": create_icon,
    "getIcon": lambda s: s.rest("GET", f"/v1/icons/{s.id('icons')}"),
    "deleteIcon": lambda s: s.rest("DELETE", f"/v1/icons/{s.id('icons')}"),
    "SubmitIProductionJob": submit_production,
    "QueryIProductionJob": lambda s: s.rpc("QueryIProductionJob", JobId=s.id("jobs")),
    "CancelIProductionJob": lambda s: s.rpc("CancelIProductionJob", JobId=s.id("jobs")),
    "UpdateCustomTemplate": lambda s: s.rpc(
        "UpdateCustomTemplate", TemplateId=s.id("templates"), Name=s.mine("template")
    ),
    "GetCustomTemplate": lambda s: s.rpc("GetCustomTemplate", TemplateId=s.id("templates")),
    "DeleteCustomTemplate": lambda s: s.rpc("DeleteCustomTemplate", TemplateId=s.id("templates")),
    "SetDefaultCustomTemplate": lambda s: s.rpc("SetDefaultCustomTemplate", TemplateId=s.id("templates")),
    "SuperResolveVideo": submit_enhancement("SuperResolveVideo"),
    "EraseVideoSubtitles": submit_enhancement("EraseVideoSubtitles"),
    "EraseVideoLogo": submit_enhancement("EraseVideoLogo", **BOX),
    "GetAsyncJobResult": lambda s: s.rpc("GetAsyncJobResult", JobId=s.id("jobs")),
    "CancelWaitingAsyncJob": lambda s: s.rpc("CancelWaitingAsyncJob", JobId=s.id("jobs")),
}
#: Operations that only speak of the caller's own.
OF_ONESELF: dict[str, Callable[[Step], Answer]] = {
    "createUpload": lambda s: s.doors.upload(s.tenant),
    "listJobs": lambda s: s.rest("GET", "/v1/jobs?limit=100"),
    "createTemplate": lambda s: s.making("templates", s.rest("POST", "/v1/templates", template(s)), "template_id"),
    "listTemplates": lambda s: s.rest("GET", "/v1/templates?limit=100"),
    "listIcons": lambda s: s.rest("GET", "/v1/icons?limit=100"),
    "getCallback": lambda s: s.rest("GET", "/v1/callback"),
    "putCallback": lambda s: s.rest("PUT", "/v1/callback", {"url": f"https://example.com/{s.tenant.name}"}),
    "deleteCallback": lambda s: s.rest("DELETE", "/v1/callback"),
    "getUsage": lambda s: s.rest("GET", f"/v1/usage?{urlencode(span(s))}&interval=day"),
    "createUsageExport": lambda s: s.rest("POST", "/v1/usage/exports", span(s)),
    "listModels": lambda s: s.rest("GET", "/v1/models"),
    "createEstimate": lambda s: s.rest(
        "POST", "/v1/estimates", {"duration_seconds": 60, "width": 640, "height": 360, "upscale": {}}
    ),
    "CreateCustomTemplate": lambda s: s.making(
        "templates",
        s.rpc("CreateCustomTemplate", Name=s.mine("template"), Type=9, Subtype=2, TemplateConfig="{}"),
        "CustomTemplate",
        "TemplateId",
    ),
    "ListCustomTemplates": lambda s: s.rpc("ListCustomTemplates", PageSize=100),
    "SetEventCallback": lambda s: s.rpc(
        "SetEventCallback",
        CallbackType="HTTP",
        CallbackURL=f"https://example.com/{s.tenant.name}",
        EventTypeList="AIProduceComplete",
    ),
    "GetEventCallback": lambda s: s.rpc("GetEventCallback"),
    "DescribeMeterImsMpsAiUsage": metered,
    "QueryAsyncJobList": lambda s: s.rpc("QueryAsyncJobList", PageSize=100),
}
OPERATIONS = BY_ID | OF_ONESELF


def test_every_operation_of_both_doors_is_tried():
    document = serve_openapi.openapi_document()
    rest = {operation["operationId"] for ways in document["paths"].values() for operation in ways.values()}
    assert set(OPERATIONS) == rest | {action for _, action in RPC_OPERATIONS}


def check(step: Step, operation: str) -> None:
    stranger = next(tenant for tenant in step.doors.tenants if tenant is not step.tenant)
    asked = {step.id(kind) for kind in ("jobs", "uploads", "templates", "icons")}
    answer = OPERATIONS[operation](step)
    assert answer.status < 500, (operation, answer.text)
    betrayed = {trace for trace in stranger.traces() if trace in answer.text}
    if answer.status >= 400:
        # A refusal may repeat what it was asked for: an ID, or an address with the other's name.
        betrayed -= {*asked, step.victim.name}
    assert not betrayed, (operation, answer.text)
    if operation in BY_ID and step.victim is not step.tenant:
        assert answer.status in {400, 403, 404, 422}, (operation, answer.text)


def check_listings(doors: Doors) -> None:
    for tenant in doors.tenants:
        assert {job["job_id"] for job in doors.listed(tenant, "jobs")} == set(tenant.made["jobs"])
        for kind, name in (("templates", "template_id"), ("icons", "icon_id")):
            # Some of them are deleted by now.
            assert {each[name] for each in doors.listed(tenant, kind)} <= set(tenant.made[kind])


def check_usage(doors: Doors) -> None:
    for tenant in doors.tenants:
        done = [job for job in doors.listed(tenant, "jobs") if job["status"] == "SUCCEEDED"]
        step = Step(doors, tenant, tenant, 0)
        assert OPERATIONS["getUsage"](step).body["billable_seconds"] == 60 * len(done), tenant.name
        assert OPERATIONS["createUsageExport"](step).body["jobs"] >= len(done), tenant.name
        assert sum(row["Duration"] for row in metered(step).body["Data"]) == len(done), tenant.name


def test_nothing_crosses_over_between_two_tenants(deployment, recorded):
    doors = Doors(deployment, recorded("create_job"))
    for tenant in doors.tenants:
        for operation in ("createUpload", "createJob", "createTemplate", "createIcon"):
            assert OPERATIONS[operation](Step(doors, tenant, tenant, 0)).status < 300
        deployment.put(f"inbox/{tenant.name}/clip.mp4")

    calls = st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 1), st.booleans(), st.integers(0, 20))

    @settings(max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(calls, min_size=8, max_size=16))
    def hammer(steps):
        for operation, who, on_the_other, number in steps:
            tenant = doors.tenants[who]
            victim = doors.tenants[1 - who] if on_the_other else tenant
            check(Step(doors, tenant, victim, number), operation)
        check_listings(doors)

    hammer()
    # And each operation once on the other's, whatever the dice said.
    for operation in sorted(OPERATIONS):
        for who in (0, 1):
            for number in range(3):
                check(Step(doors, doors.tenants[who], doors.tenants[1 - who], number), operation)
    check_listings(doors)
    check_usage(doors)
