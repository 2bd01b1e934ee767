"""Every limit of the API in one table: what breaks it is refused with its code, names its field, and starts nothing."""

from __future__ import annotations

import json
from typing import Any

import create_job
import describe_work
import manage_callback
import manage_icons
import manage_templates
import report_usage

UPLOAD = "0f8fad5b-d9cb-469f-a165-70867728950e"
NEVER_FILLED = "1f8fad5b-d9cb-469f-a165-70867728950e"
SOURCE = {"upload_id": UPLOAD}
BAND = {"x": 0.0, "y": 0.8, "width": 1.0, "height": 0.2}
UPPER_HALF = {"erase_everything": True, "regions": [{"x": 0.0, "y": 0.0, "width": 1.0, "height": 0.5}]}
LOWER_HALF = {"erase_everything": True, "regions": [{"x": 0.0, "y": 0.5, "width": 1.0, "height": 0.5}]}
WHOLE = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 1.0}


def captions(**settings: Any) -> dict[str, Any]:
    return {"source": SOURCE, "erase": {"captions": settings}}


def icons(**settings: Any) -> dict[str, Any]:
    return {"source": SOURCE, "erase": {"icons": settings}}


def during(start: Any, end: Any) -> dict[str, Any]:
    return captions(regions=[{**BAND, "time_ranges": [{"start_seconds": start, "end_seconds": end}]}])


def job(**fields: Any) -> dict[str, Any]:
    return {"source": SOURCE, "upscale": {}, **fields}


def from_url(url: str) -> dict[str, Any]:
    return {"source": {"url": url}, "upscale": {}}


JOBS = [
    # names and user data
    (job(name="x" * 101), 400, "InvalidRequest", "name"),
    (job(name="\ud800"), 400, "InvalidRequest", "name"),
    (job(user_data="x" * 1025), 400, "InvalidRequest", "user_data"),
    (job(user_data="中" * 342), 400, "InvalidRequest", "user_data"),
    (job(user_data="\ud800"), 400, "InvalidRequest", "user_data"),
    # templates
    (job(template_id="no-such-template"), 404, "TemplateNotFound", "template_id"),
    (job(template_id="ICON", erase={"captions": {}}), 400, "TemplateKindMismatch", "template_id"),
    # regions and times
    (captions(regions=[BAND] * 3), 400, "InvalidRequest", "erase.captions.regions"),
    (captions(keep=[BAND] * 3), 400, "InvalidRequest", "erase.captions.keep"),
    (captions(regions="[[0,0,1,1]]"), 400, "InvalidRequest", "erase.captions.regions"),
    (captions(regions=[{**BAND, "y": 0.9}]), 400, "InvalidRequest", "erase.captions.regions.0"),
    (captions(regions=[{**BAND, "x": -0.1}]), 400, "InvalidRequest", "erase.captions.regions.0.x"),
    (captions(regions=[{**BAND, "x": "0"}]), 400, "InvalidRequest", "erase.captions.regions.0.x"),
    (captions(regions=[{**BAND, "x": True}]), 400, "InvalidRequest", "erase.captions.regions.0.x"),
    (captions(regions=[{**BAND, "width": 0.0}]), 400, "InvalidRequest", "erase.captions.regions.0.width"),
    (captions(erase_everything=True), 400, "InvalidRequest", "erase.captions.regions"),
    (captions(erase_everything="yes"), 400, "InvalidRequest", "erase.captions.erase_everything"),
    (captions(band="anywhere", regions=[BAND]), 400, "InvalidRequest", "erase.captions.band"),
    (icons(regions=[BAND] * 3), 400, "InvalidRequest", "erase.icons.regions"),
    (icons(keep=[BAND] * 3), 400, "InvalidRequest", "erase.icons.keep"),
    (icons(erase_everything=True), 400, "InvalidRequest", "erase.icons.regions"),
    (icons(erase_everything=True, regions=[WHOLE]), 400, "InvalidRequest", "erase.icons.regions"),
    (icons(kinds=["radio"]), 400, "InvalidRequest", "erase.icons.kinds.0"),
    (icons(kinds=["tv", "tv"]), 400, "InvalidRequest", "erase.icons.kinds"),
    (icons(kinds=[]), 400, "InvalidRequest", "erase.icons.kinds"),
    (icons(band="anywhere"), 400, "InvalidRequest", "erase.icons.band"),
    ({"source": SOURCE, "erase": {"captions": None}}, 400, "InvalidRequest", "erase"),
    ({"source": SOURCE, "erase": {"captions": LOWER_HALF, "icons": UPPER_HALF}}, 400, "InvalidRequest", "erase"),
    (during(20, 5), 400, "InvalidRequest", "erase.captions.regions.0.time_ranges.0"),
    (during(5, 5), 400, "InvalidRequest", "erase.captions.regions.0.time_ranges.0"),
    (during(-1, 5), 400, "InvalidRequest", "erase.captions.regions.0.time_ranges.0.start_seconds"),
    (
        captions(regions=[{**BAND, "time_ranges": [{"start_seconds": 0, "end_seconds": 1}] * 21}]),
        400,
        "InvalidRequest",
        "erase.captions.regions.0.time_ranges",
    ),
    # functions
    ({"source": SOURCE}, 400, "InvalidRequest", "body"),
    ({"source": SOURCE, "erase": {"quality": "best"}}, 400, "InvalidRequest", "erase.quality"),
    (job(upscale={"bitrate_mbps": 0}), 400, "InvalidRequest", "upscale.bitrate_mbps"),
    (job(upscale={"bitrate_mbps": 101}), 400, "InvalidRequest", "upscale.bitrate_mbps"),
    (job(upscale={"bitrate_mbps": "10"}), 400, "InvalidRequest", "upscale.bitrate_mbps"),
    (job(upscale={"quality": "best"}), 400, "InvalidRequest", "upscale.quality"),
    (job(upscale={"model": "../x"}), 400, "InvalidRequest", "upscale.model"),
    (job(upscale={"model": "own", "quality": "fast"}), 400, "InvalidRequest", "upscale.model"),
    (job(upscale={"model": "not-registered"}), 404, "ModelNotFound", "upscale.model"),
    (job(upscale={"factor": 4}), 400, "InvalidRequest", "upscale.factor"),
    (job(preview=True), 400, "InvalidRequest", "body"),
    (job(priority=0), 400, "InvalidRequest", "priority"),
    (job(priority=11), 400, "InvalidRequest", "priority"),
    (job(priority="6"), 400, "InvalidRequest", "priority"),
    (job(colour="red"), 400, "InvalidRequest", "colour"),
    # sources
    (job(source={}), 400, "InvalidRequest", "source"),
    (job(source={**SOURCE, "url": "https://example.com/a.mp4"}), 400, "InvalidRequest", "source"),
    (job(source={"upload_id": "x"}), 400, "InvalidRequest", "source.upload_id"),
    (job(source={"upload_id": NEVER_FILLED}), 404, "UploadNotFound", "source.upload_id"),
    (job(source={"s3_uri": "s3://somebody-elses/a.mp4"}), 400, "InvalidRequest", "source.s3_uri"),
    (from_url("http://example.com/a.mp4"), 400, "InvalidSourceUrl", "source.url"),
    (from_url("https://example.com/视频.mp4"), 400, "InvalidSourceUrl", "source.url"),
    (from_url("https://a:b@example.com/a.mp4"), 400, "InvalidSourceUrl", "source.url"),
    (from_url("https://example.com:22/a.mp4"), 400, "InvalidSourceUrl", "source.url"),
    (from_url("https://127.0.0.1/a.mp4"), 400, "BlockedAddress", "source.url"),
    (from_url("https://169.254.169.254/latest"), 400, "BlockedAddress", "source.url"),
    (from_url("https://example.com/" + "a" * 2048), 400, "InvalidRequest", "source.url"),
    # callbacks
    (job(callback={}), 400, "InvalidRequest", "callback.url"),
    (job(callback={"url": "https://hooks.example.com"}), 400, "InvalidRequest", "callback.secret"),
    (job(callback={"url": "https://hooks.example.com", "secret": "x"}), 400, "InvalidRequest", "callback.secret"),
    (job(callback={"url": "http://hooks.example.com"}), 400, "InvalidCallbackUrl", "callback.url"),
    (job(callback={"url": "https://10.0.0.1"}), 400, "BlockedAddress", "callback.url"),
]


def test_a_job_beyond_a_limit_starts_nothing(deployment, call, recorded):
    """In one deployment: making one takes longer than all the requests."""
    deployment.put(f"uploads/default/{UPLOAD}/clip.mp4")
    icon = call(manage_templates, recorded("manage_templates"), {"kind": "icon", "name": "A"}).body["template_id"]
    told, expected = [], []
    for body, *refusal in JOBS:
        given = {**body, "template_id": icon} if body.get("template_id") == "ICON" else body
        answer = call(create_job, recorded("create_job"), given)
        told.append((given, answer.status, answer.body.get("code"), answer.body.get("field")))
        expected.append((given, *refusal))
        assert answer.headers["Content-Type"] == "application/problem+json", given
    assert told == expected
    assert deployment.executions() == []
    assert deployment.serve().jobs.page("default", 10).jobs == ()


MODULES = (create_job, manage_templates, manage_icons, manage_callback, report_usage, describe_work)
BODIES = [
    ("not json", 400, "InvalidRequest"),
    ("[" * 50_000, 400, "InvalidRequest"),
    ('{"name": NaN}', 400, "InvalidRequest"),
    (json.dumps({"name": "x" * 2_000_000}), 413, "RequestTooLarge"),
]


def test_no_route_reads_a_body_that_is_no_request(call, recorded):
    for module in MODULES:
        for body, status, code in BODIES:
            answer = call(module, recorded(module.__name__), body)
            assert (answer.status, answer.body["code"]) == (status, code), (module.__name__, body[:20])


def test_no_route_reads_another_content_type(deployment, recorded):
    for module in MODULES:
        event = recorded(module.__name__)
        event["headers"]["content-type"] = "application/xml"
        answer = module.handler(event, deployment.context)
        assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (415, "UnsupportedMediaType")
