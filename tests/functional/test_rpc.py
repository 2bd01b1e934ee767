"""Action RPC at the root: parameters in, a job of the service, answers and errors in the words of each product."""

from __future__ import annotations

import base64
import hashlib
import json
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest

import call_action
from adapters.service import current_service
from domain.access import Scope
from domain.job import IconErasure, Job, JobError, ResultFacts, SourceFacts
from rpc.operations import OPERATIONS

UPLOAD_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
PRODUCTION, ENHANCEMENT, JOBS = "2020-11-09", "2020-03-20", "2023-01-17"
FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)
RESULT_FACTS = ResultFacts(nothing_found=False, width=1280, height=720, duration_seconds=2.0, frame_count=50)


@pytest.fixture
def ring(deployment, recorded):
    """Call an operation; returns the status and the body, as text or read from JSON."""

    def call(version, action, *, caller=None, form=None, raw=None, method="POST", headers=None, **parameters):
        event = recorded("call_action")
        body = urlencode(form).encode() if form else b"" if raw is None else raw
        event["rawQueryString"] = urlencode(parameters)
        event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
        event["requestContext"]["http"]["method"] = method
        event["requestContext"]["authorizer"] = {"lambda": {"caller": (caller or deployment.caller).model_dump_json()}}
        event["headers"] |= {
            "x-acs-version": version,
            "x-acs-action": action,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            **(headers or {}),
        }
        answer = call_action.handler(event, deployment.context)
        is_json = answer["headers"]["Content-Type"] == "application/json"
        return answer["statusCode"], json.loads(answer["body"]) if is_json else answer["body"]

    return call


@pytest.fixture
def source(deployment):
    deployment.put(f"uploads/default/{UPLOAD_ID}/clip.mp4")
    return f"oss://{deployment.bucket}/uploads/default/{UPLOAD_ID}/clip.mp4"


@pytest.fixture
def production(source):
    """Parameters of SubmitIProductionJob, as the SDK sends them."""

    def parameters(function="VideoDetext", **changes):
        given = {
            "FunctionName": function,
            "Name": "episode 1",
            "Input": json.dumps({"Type": "OSS", "Media": source}),
            "Output": json.dumps({"Type": "OSS", "Media": "oss://out/{source}-{timestamp}.mp4"}),
            "UserData": '{"order": 7}',
            **changes,
        }
        return {name: value for name, value in given.items() if value is not None}

    return parameters


def job_of(answer) -> Job:
    return current_service().jobs.get(answer.get("JobId") or answer["RequestId"])


def finish(deployment, job_id):
    jobs, key = current_service().jobs, f"results/{job_id}/"
    jobs.start(job_id, FACTS, deployment.clock())
    keys = {"video": key + "video.mp4", "report": key + "report.json", "captions_srt": key + "captions.srt"}
    jobs.succeed(job_id, keys, RESULT_FACTS, deployment.clock())


# --- production jobs


JOB_PARAMS = [
    (None, []),
    ({}, []),
    ({"LimitRegion": [[0, 0.1, 1, 0.3]]}, [(0, 0.1, 1, 0.3, [])]),
    ({"LimitRegion": [0, 0.1, 1, 0.3]}, [(0, 0.1, 1, 0.3, [])]),
    ({"Boxes": "[[0, 0.1, 1, 0.3], [0, 0.8, 1, 0.2]]"}, [(0, 0.1, 1, 0.3, []), (0, 0.8, 1, 0.2, [])]),
    ({"LimitRegion": [[0, 0.1, 1, 0.3]], "Time": [5, 20]}, [(0, 0.1, 1, 0.3, [(5, 20)])]),
    ({"Time": "[[5, 20], [25, 43]]"}, [(0, 0.75, 1, 0.25, [(5, 20), (25, 43)])]),
]


def test_job_params_become_regions(ring, production):
    for params, regions in JOB_PARAMS:
        sent = None if params is None else json.dumps(params)
        status, answer = ring(PRODUCTION, "SubmitIProductionJob", **production(JobParams=sent))
        assert status == 200, answer
        request = job_of(answer).request
        assert request.erase is not None
        found = request.erase.captions.regions
        times = [[(time.start_seconds, time.end_seconds) for time in region.time_ranges] for region in found]
        assert [(r.x, r.y, r.width, r.height, t) for r, t in zip(found, times, strict=True)] == regions, params
        assert (request.name, request.user_data, request.upscale) == ("episode 1", '{"order": 7}', None)


def test_the_premium_model_and_an_upload_as_media(ring, production):
    sent = production(
        Input=json.dumps({"Type": "Media", "Media": "X"}).replace("X", UPLOAD_ID), ModelId="algo-video-detext-new"
    )
    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **sent)
    request = job_of(answer).request
    assert (request.source.upload_id, request.erase.quality) == (UPLOAD_ID, "premium")


def test_a_query_gives_back_what_was_sent_and_a_link(deployment, ring, production, source):
    params = {"LimitRegion": [[0, 0.1, 1, 0.3]]}
    schedule = {"PipelineId": "p", "Priority": 6}
    sent = production(JobParams=json.dumps(params), ScheduleConfig=json.dumps(schedule))
    _, submitted = ring(PRODUCTION, "SubmitIProductionJob", **sent)
    job_id = submitted["JobId"]
    _, queued = ring(PRODUCTION, "QueryIProductionJob", JobId=job_id)
    assert (queued["Status"], queued["OutputUrls"]) == ("Queuing", [])
    assert "FinishTime" not in queued
    finish(deployment, job_id)

    status, answer = ring(PRODUCTION, "QueryIProductionJob", JobId=job_id, method="GET")

    assert status == 200
    assert answer["RequestId"]
    assert (answer["JobId"], answer["Status"], answer["FunctionName"]) == (job_id, "Success", "VideoDetext")
    assert answer["Input"] == {"Type": "OSS", "Media": source}
    assert answer["Output"] == {"Type": "OSS", "Media": "oss://out/{source}-{timestamp}.mp4"}
    assert json.loads(answer["JobParams"]) == params
    assert (answer["ScheduleConfig"], answer["UserData"], answer["Name"]) == (schedule, '{"order": 7}', "episode 1")
    copy = f"out/clip-{int(deployment.clock().timestamp())}.mp4"
    assert answer["OutputFiles"] == [f"s3://{copy}"]
    assert copy.removeprefix("out/") in answer["OutputUrls"][0]
    assert "X-Amz-Expires=1800" in answer["OutputUrls"][0]
    result = json.loads(answer["Result"])
    assert (result["Progress"], result["NothingFound"]) == (100, False)
    assert answer["CreateTime"].endswith("Z")
    assert len(answer["FinishTime"]) == len("2022-07-07T07:16:11Z")


def test_caption_extraction_answers_the_captions(deployment, ring, production):
    params = json.dumps({"fps": 5, "roi": [[0.7, 1], [0.1, 0.9]], "lang": "en"})
    media = json.dumps({"Type": "Media", "Media": "any"})
    _, answer = ring(
        PRODUCTION, "SubmitIProductionJob", **production("CaptionExtraction", JobParams=params, Output=media)
    )
    job_id = answer["JobId"]
    request = job_of(answer).request
    (region,) = request.erase.captions.regions
    assert (region.x, region.y) == (0.1, 0.7)
    assert request.preview
    finish(deployment, answer["JobId"])
    _, answer = ring(PRODUCTION, "QueryIProductionJob", JobId=answer["JobId"])
    # As media there is no copy: the result stays where the service keeps it.
    assert answer["OutputFiles"] == [f"s3://{deployment.bucket}/results/{job_id}/captions.srt"]
    assert "/captions.srt?" in answer["OutputUrls"][0]


OUTPUT_ADDRESSES = [
    ("oss://out/a/{source}.mp4", "a/clip.mp4"),
    ("s3://out/{sequenceId}/b c%20d.mp4", "00001/b c%20d.mp4"),
    ("https://out.s3.amazonaws.com/a%20b.mp4", "a b.mp4"),
    ("https://out.s3.eu-west-1.amazonaws.com/{source}.mp4", "clip.mp4"),
    ("http://out.oss-cn-shanghai.aliyuncs.com/a.mp4", "a.mp4"),
]


def test_outputs_are_addressed_as_sources_are(ring, production):
    for address, key in OUTPUT_ADDRESSES:
        output = json.dumps({"Type": "OSS", "Media": address})
        status, answer = ring(PRODUCTION, "SubmitIProductionJob", **production(Output=output))
        assert status == 200, (address, answer)
        found = job_of(answer).output_object
        assert (found.bucket, found.key) == ("out", key), address


def test_a_failed_and_a_cancelled_job_say_why(deployment, ring, production):
    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **production())
    error = JobError(code="UnsupportedContainer", message="not an MP4")
    current_service().jobs.fail(answer["JobId"], error, deployment.clock())
    _, answer = ring(PRODUCTION, "QueryIProductionJob", JobId=answer["JobId"])
    assert answer["Status"] == "Fail"
    assert json.loads(answer["Result"]) == {"Progress": 0, "Code": "UnsupportedContainer", "Message": "not an MP4"}

    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **production())
    job_id = answer["JobId"]
    status, answer = ring(PRODUCTION, "CancelIProductionJob", JobId=job_id)
    assert status == 200
    assert answer["Message"]
    _, answer = ring(PRODUCTION, "QueryIProductionJob", JobId=job_id)
    assert (answer["Status"], json.loads(answer["Result"])["Code"]) == ("Fail", "JobCancelled")


LOGO_PARAMS = [
    (None, ["tv", "internet"], []),
    ({"LogoModel": "internet"}, ["internet"], []),
    ({"LogoModel": "tv,internet", "Boxes": [[0.7, 0, 0.3, 0.2]]}, ["tv", "internet"], [(0.7, 0, 0.3, 0.2, [])]),
    ({"LogoModel": "", "LimitRegion": "[0.7, 0, 0.3, 0.2]"}, ["tv", "internet"], [(0.7, 0, 0.3, 0.2, [])]),
    ({"Time": [5, 20]}, ["tv", "internet"], [(0, 0, 1, 1, [(5, 20)])]),
]


def test_the_priority_is_the_job_s(ring, production):
    for config, priority in ((None, 6), ({"PipelineId": "p"}, 6), ({"Priority": 1}, 1), ({"Priority": "10"}, 10)):
        sent = production(ScheduleConfig=None if config is None else json.dumps(config))
        _, answer = ring(PRODUCTION, "SubmitIProductionJob", **sent)
        assert job_of(answer).request.priority == priority, config


def test_logo_params_become_kinds_and_regions(ring, production):
    for params, kinds, regions in LOGO_PARAMS:
        sent = None if params is None else json.dumps(params)
        status, answer = ring(PRODUCTION, "SubmitIProductionJob", **production("VideoDelogo", JobParams=sent))
        assert status == 200, answer
        request = job_of(answer).request
        assert request.erase.captions is None
        assert list(request.erase.icons.kinds) == kinds, params
        found = [
            (r.x, r.y, r.width, r.height, [(time.start_seconds, time.end_seconds) for time in r.time_ranges])
            for r in request.erase.icons.regions
        ]
        assert found == regions, params
        _, shown = ring(PRODUCTION, "QueryIProductionJob", JobId=answer["JobId"])
        assert shown["FunctionName"] == "VideoDelogo"


BAD_SUBMISSIONS = [
    ({"FunctionName": None}, "MissingParameter", "FunctionName"),
    ({"FunctionName": "Cover"}, "InvalidParameter.FunctionNotSupported", "Cover"),
    ({"JobParams": '{"LogoModel": "tv"}'}, "InvalidParameter", "LogoModel"),
    ({"FunctionName": "VideoDelogo", "JobParams": '{"LogoModel": "radio"}'}, "InvalidParameter", "LogoModel"),
    ({"FunctionName": "VideoDelogo", "JobParams": '{"LogoModel": "tv,tv"}'}, "InvalidParameter", "LogoModel"),
    ({"FunctionName": "VideoDelogo", "JobParams": '{"LogoModel": 1}'}, "InvalidParameter", "LogoModel"),
    ({"FunctionName": "VideoDelogo", "JobParams": '{"fps": 5}'}, "InvalidParameter", "fps"),
    ({"FunctionName": "VideoDelogo", "JobParams": '{"Boxes": [[0.9, 0, 0.2, 1]]}'}, "InvalidParameter", "inside"),
    ({"Input": None}, "MissingParameter", "Input.Type"),
    ({"Input": "no json"}, "InvalidParameter", "Input is not JSON"),
    ({"Input": "[]"}, "InvalidParameter", "Input must be a JSON object"),
    ({"Input": "[" * 50_000}, "InvalidParameter", "Input is not JSON"),
    ({"Input": '{"Type": "OSS"}'}, "MissingParameter", "Input.Media"),
    ({"Input": '{"Type": "FTP", "Media": "x"}'}, "InvalidParameter", "Input.Type"),
    ({"Input": '{"Type": "OSS", "Media": 1}'}, "InvalidParameter", "Input.Media"),
    ({"Input": '{"Type": "OSS", "Media": "http://example.com/a.mp4"}'}, "InvalidParameter", "https"),
    ({"Input": '{"Type": "OSS", "Media": "https://127.0.0.1/a.mp4"}'}, "InvalidParameter", "not public"),
    ({"Input": '{"Type": "OSS", "Media": "oss://else/a.mp4"}'}, "InvalidParameter", "bucket"),
    ({"Input": '{"Type": "Media", "Media": "unknown"}'}, "InvalidParameter", "Input"),
    ({"Output": None}, "MissingParameter", "Output.Type"),
    ({"Output": '{"Type": "OSS", "Media": "oss://out/{name}.mp4"}'}, "InvalidParameter", "placeholder"),
    ({"Output": '{"Type": "OSS", "Media": "oss://else/a.mp4"}'}, "InvalidParameter", "bucket else"),
    ({"Output": '{"Type": "OSS", "Media": "oss://out"}'}, "InvalidParameter", "Output.Media"),
    ({"Output": '{"Type": "OSS", "Media": "https://example.com/a.mp4"}'}, "InvalidParameter", "Output.Media"),
    ({"Output": '{"Type": "OSS", "Media": "https://[out/a.mp4"}'}, "InvalidParameter", "Output.Media"),
    ({"Output": '{"Type": "OSS", "Media": "out/a.mp4"}'}, "InvalidParameter", "Output.Media"),
    ({"ScheduleConfig": '{"Priority": 11}'}, "InvalidParameter", "1 to 10"),
    ({"ScheduleConfig": '{"Priority": "first"}'}, "InvalidParameter", "1 to 10"),
    ({"Name": "x" * 101}, "InvalidParameter", "Name"),
    ({"UserData": "x" * 1025}, "InvalidParameter", "1024 bytes"),
    ({"ModelId": "algo-unknown"}, "InvalidParameter", "ModelId"),
    ({"TemplateId": "unknown"}, "ResourceNotFound", "unknown"),
    ({"JobParams": "{"}, "InvalidParameter", "JobParams is not JSON"),
    ({"JobParams": '{"Region": []}'}, "InvalidParameter", "Region"),
    ({"JobParams": '{"Boxes": "[["}'}, "InvalidParameter", "not JSON"),
    ({"JobParams": '{"Boxes": "5"}'}, "InvalidParameter", "list"),
    ({"JobParams": '{"Boxes": [[0, 0, 1]]}'}, "InvalidParameter", "xmin"),
    ({"JobParams": '{"Boxes": [[0, 0, "1", 1]]}'}, "InvalidParameter", "xmin"),
    ({"JobParams": '{"Boxes": [[0, 0, NaN, 1]]}'}, "InvalidParameter", "JobParams"),
    ({"JobParams": '{"Boxes": [[0.5, 0, 0.6, 1]]}'}, "InvalidParameter", "inside the frame"),
    ({"JobParams": json.dumps({"Boxes": [[0, 0, 1, 0.1]] * 3})}, "InvalidParameter", "at most 2"),
    ({"JobParams": '{"Boxes": [[0,0,1,1]], "LimitRegion": [[0,0,1,1]]}'}, "InvalidParameter", "either"),
    ({"JobParams": '{"Time": [20, 5]}'}, "InvalidParameter", "greater than"),
    ({"JobParams": '{"Time": [5]}'}, "InvalidParameter", "start, end"),
    ({"ClientToken": "x" * 65}, "InvalidParameter", "ClientToken"),
]


def test_bad_submissions_are_refused_before_anything_starts(deployment, ring, production):
    for changes, code, words in BAD_SUBMISSIONS:
        sent = {name: value for name, value in {**production(), **changes}.items() if value is not None}
        status, answer = ring(PRODUCTION, "SubmitIProductionJob", **sent)
        assert (answer["Code"], status) == (code, 404 if code == "ResourceNotFound" else 400), changes
        assert words in answer["Message"], changes
        assert answer["RequestId"]
    assert deployment.executions() == []


def test_the_same_client_token_makes_one_job(deployment, ring, production):
    sent = production(ClientToken="order-7")
    first, again = (ring(PRODUCTION, "SubmitIProductionJob", **sent)[1]["JobId"] for _ in range(2))
    assert first == again
    assert len(deployment.executions()) == 1
    status, answer = ring(PRODUCTION, "SubmitIProductionJob", **{**sent, "Name": "another"})
    assert (status, answer["Code"]) == (400, "IdempotentParameterMismatch")


# --- video enhancement


def test_an_upscale_from_submission_to_link(deployment, ring, source):
    status, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source, "BitRate": "20"})
    assert status == 200
    job_id = answer["RequestId"]
    assert job_of(answer).request.upscale.bitrate_mbps == 20

    def ask(version):
        return ring(version, "GetAsyncJobResult", form={"JobId": job_id})[1]["Data"]

    assert ask(ENHANCEMENT) == {"JobId": job_id, "Status": "QUEUING"}
    current_service().jobs.start(job_id, FACTS, deployment.clock())
    assert ask(JOBS)["Status"] == "PROCESSING"
    finish(deployment, job_id)
    data = ask(ENHANCEMENT)
    assert data["Status"] == "PROCESS_SUCCESS"
    assert f"results/{job_id}/video.mp4" in json.loads(data["Result"])["VideoUrl"]


FAILURES = [
    ("UnsupportedResolution", "PROCESS_FAILED", "InvalidVideo.Resolution"),
    ("UnsupportedContainer", "PROCESS_FAILED", "InvalidVideo.Format"),
    ("SourceTooLarge", "PROCESS_FAILED", "InvalidFile.Size"),
    ("InternalError", "PROCESS_FAILED", "InternalError.Algo"),
    ("TimedOut", "TIMEOUT_FAILED", "InternalError.Algo"),
    ("NoCapacity", "LIMIT_RETRY_FAILED", "InternalError.Algo"),
]


def test_failures_have_the_product_s_own_codes(deployment, ring, source):
    for code, status, told in FAILURES:
        _, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})
        current_service().jobs.fail(answer["RequestId"], JobError(code=code, message="why"), deployment.clock())
        _, answer = ring(ENHANCEMENT, "GetAsyncJobResult", form={"JobId": answer["RequestId"]})
        assert (answer["Data"]["Status"], answer["Data"]["ErrorCode"]) == (status, told), code
        assert answer["Data"]["ErrorMessage"] == "why"


def test_erasures_take_boxes_as_the_sdk_flattens_them(ring, source):
    box = {"BX": "0.1", "BY": "0.7", "BW": "0.8", "BH": "0.2"}
    _, answer = ring(ENHANCEMENT, "EraseVideoSubtitles", form={"VideoUrl": source, **box})
    captions = job_of(answer).request.erase.captions
    assert [(r.x, r.y, r.width, r.height) for r in captions.regions] == [(0.1, 0.7, 0.8, 0.2)]
    assert not captions.erase_everything
    _, answer = ring(ENHANCEMENT, "EraseVideoSubtitles", form={"VideoUrl": source})
    assert job_of(answer).request.erase.captions.regions == ()

    boxes = {
        f"Boxes.{n}.{side}": value for n in (1, 2) for side, value in zip("XYWH", ["0", "0", "0.2", "0.1"], strict=True)
    }
    _, answer = ring(ENHANCEMENT, "EraseVideoLogo", form={"VideoUrl": source, **boxes})
    erase = job_of(answer).request.erase
    assert erase.captions is None
    assert erase.icons.erase_everything
    assert len(erase.icons.regions) == 2
    # Without boxes the logos are looked for.
    _, answer = ring(ENHANCEMENT, "EraseVideoLogo", form={"VideoUrl": source})
    erase = job_of(answer).request.erase
    assert (erase.captions, erase.icons) == (None, IconErasure())


THREE_BOXES = {f"Boxes.{n}.{side}": "0.1" for n in (1, 2, 3) for side in "XYWH"}
BAD_CALLS = [
    ("SuperResolveVideo", {}, "ParameterError"),
    ("SuperResolveVideo", {"VideoUrl": "https://example.com/中文.mp4"}, "IllegalUrlParameter"),
    ("SuperResolveVideo", {"VideoUrl": "ftp://example.com/a.mp4"}, "IllegalUrlParameter"),
    ("SuperResolveVideo", {"VideoUrl": "https://10.0.0.1/a.mp4"}, "IllegalUrlParameter"),
    ("SuperResolveVideo", {"VideoUrl": "SOURCE", "BitRate": "101"}, "ParameterError"),
    ("SuperResolveVideo", {"VideoUrl": "SOURCE", "BitRate": "ten"}, "ParameterError"),
    ("SuperResolveVideo", {"VideoUrl": "oss://BUCKET/uploads/default/none.mp4"}, "IllegalUrlParameter"),
    ("EraseVideoSubtitles", {"VideoUrl": "SOURCE", "BX": "0.1"}, "ParameterError"),
    ("EraseVideoSubtitles", {"VideoUrl": "SOURCE", "BX": "a", "BY": "0", "BW": "1", "BH": "1"}, "ParameterError"),
    ("EraseVideoLogo", {"VideoUrl": "SOURCE", "Boxes.1.X": "0.1"}, "ParameterError"),
    ("EraseVideoLogo", {"VideoUrl": "SOURCE", **THREE_BOXES}, "ParameterError"),
    ("GetAsyncJobResult", {"JobId": "none"}, "InvalidParameter"),
    ("GetAsyncJobResult", {}, "ParameterError"),
]


def test_bad_enhancement_calls_have_the_product_s_codes(deployment, ring, source):
    for action, form, code in BAD_CALLS:
        filled = {
            key: text.replace("SOURCE", source).replace("BUCKET", deployment.bucket) for key, text in form.items()
        }
        status, answer = ring(ENHANCEMENT, action, form=filled)
        assert (status, answer["Code"]) == (400, code), (action, form)
    assert deployment.executions() == []


def test_a_source_over_1_gb_has_the_code_of_its_product(deployment, ring, source):
    class Heads:
        def __init__(self, client):
            self._client = client

        def __getattr__(self, name):
            return getattr(self._client, name)

        def head_object(self, **arguments):
            return {**self._client.head_object(**arguments), "ContentLength": 2**30 + 1}

    service = deployment.serve()
    service.s3 = Heads(service.s3)
    assert ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})[1]["Code"] == "InvalidFile.Size"


def test_jobs_are_listed_by_page_and_filter(deployment, ring, source):
    for _ in range(3):
        ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})
        deployment.clock.advance(seconds=1)
    _, erased = ring(ENHANCEMENT, "EraseVideoSubtitles", form={"VideoUrl": source})

    def listed(**form):
        status, answer = ring(JOBS, "QueryAsyncJobList", form=form or None)
        assert status == 200, answer
        return answer["Data"]

    everything = listed()
    assert (everything["TotalRecord"], everything["TotalPage"], everything["CurrentPage"]) == (4, 1, 1)
    assert everything["Result"][0]["JobId"] == erased["RequestId"]
    assert everything["Result"][0]["PopApiName"] == "EraseVideoSubtitles"
    second = listed(PageNum="2", PageSize="3")
    assert (len(second["Result"]), second["TotalPage"]) == (1, 2)
    assert listed(PopApiName="SuperResolveVideo")["TotalRecord"] == 3
    assert listed(JobId=erased["RequestId"])["TotalRecord"] == 1
    assert listed(Status="PROCESSING")["TotalRecord"] == 0
    assert listed(StartTime="2099-01-01 00:00:00")["TotalRecord"] == 0
    assert ring(JOBS, "QueryAsyncJobList", form={"Status": "gone"})[1]["Code"] == "ParameterError"
    assert ring(JOBS, "QueryAsyncJobList", form={"EndTime": "soon"})[1]["Code"] == "ParameterError"


def test_only_a_waiting_job_is_cancelled_by_that_name(deployment, ring, source):
    _, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})
    status, cancelled = ring(JOBS, "CancelWaitingAsyncJob", form={"JobId": answer["RequestId"]})
    assert (status, cancelled["Success"]) == (200, True)
    _, shown = ring(JOBS, "GetAsyncJobResult", form={"JobId": answer["RequestId"]})
    assert shown["Data"]["Status"] == "JOB_CANCELED"

    _, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})
    current_service().jobs.start(answer["RequestId"], FACTS, deployment.clock())
    status, refused = ring(JOBS, "CancelWaitingAsyncJob", form={"JobId": answer["RequestId"]})
    assert (status, refused["Code"]) == (400, "InvalidParameter")


# --- the door itself


def test_answers_are_xml_where_that_is_asked_for(ring, production):
    status, text = ring(PRODUCTION, "SubmitIProductionJob", **production(UserData="<a>\x00</a>"), Format="XML")
    assert status == 200
    root = ET.fromstring(text)
    assert root.tag == "SubmitIProductionJobResponse"
    job_id = root.findtext("JobId")
    _, text = ring(PRODUCTION, "QueryIProductionJob", JobId=job_id, headers={"accept": "application/xml"})
    root = ET.fromstring(text)
    assert root.findtext("Input/Type") == "OSS"
    assert root.findtext("UserData") == "<a></a>"
    status, text = ring(PRODUCTION, "QueryIProductionJob", JobId="none", Format="xml")
    assert (status, ET.fromstring(text).findtext("Code")) == (400, "InvalidParameter.JobNotFound")


@pytest.mark.parametrize(
    ("version", "action"),
    [(PRODUCTION, "SubmitMediaProducingJob"), (ENHANCEMENT, "SubmitIProductionJob"), ("2099-01-01", "x"), ("", "")],
)
def test_what_is_not_there_is_said(ring, version, action):
    status, answer = ring(version, action)
    assert (status, answer["Code"]) == (404, "InvalidAction.NotFound")


def test_action_and_version_may_be_parameters(deployment, recorded, ring):
    status, answer = ring("", "", Action="QueryIProductionJob", Version=PRODUCTION, JobId="none")
    assert (status, answer["Code"]) == (400, "InvalidParameter.JobNotFound")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"raw": b"JobId=none", "headers": {"x-acs-content-sha256": "0" * 64}}, "SignatureDoesNotMatch"),
        ({"raw": b"x" * (300 * 1024)}, "ParameterError"),
        ({"raw": b"{}", "headers": {"content-type": "application/json"}}, "ParameterError"),
        ({"raw": b"JobId=%ff\xff"}, "ParameterError"),
        ({"form": {f"P{number}": "1" for number in range(300)}}, "ParameterError"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(ring, arguments, code):
    status, answer = ring(ENHANCEMENT, "GetAsyncJobResult", **arguments)
    assert (status, answer["Code"]) == (400, code)


REFUSALS = [
    ("UnknownAccessKeyError", 404, "InvalidAccessKeyId.NotFound"),
    ("InactiveAccessKeyError", 403, "InvalidAccessKeyId.Inactive"),
    ("SignatureMismatchError", 400, "SignatureDoesNotMatch"),
    ("RequestExpiredError", 400, "InvalidTimeStamp.Expired"),
    ("NonceReusedError", 400, "SignatureNonceUsed"),
    ("UnsupportedSignatureError", 400, "UnsupportedSignatureMethod"),
    ("RequestsTooFrequentError", 403, "RequestsTooFrequent"),
]


def test_what_the_authorizer_found_is_told(deployment, recorded):
    for refusal, status, code in REFUSALS:
        event = recorded("call_action")
        event["requestContext"]["authorizer"] = {"lambda": {"refusal": refusal, "message": "why", "allowed": ""}}
        answer = call_action.handler(event, deployment.context)
        body = json.loads(answer["body"])
        assert (answer["statusCode"], body["Code"], body["Message"]) == (status, code, "why")


def test_a_full_quota_is_told_in_its_words(deployment, ring, source):
    caller = deployment.new_caller("default", jobs_in_flight=1)
    assert ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source}, caller=caller)[0] == 200
    status, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source}, caller=caller)
    assert (status, answer["Code"]) == (403, "RequestsTooFrequent")


def test_a_crash_tells_nothing(deployment, ring, source):
    deployment.serve(state_machine_arn=deployment.settings.state_machine_arn + "-gone")
    status, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})
    assert (status, answer["Code"]) == (500, "InternalError.Algo")
    assert "StateMachine" not in answer["Message"]


def test_every_operation_asks_for_its_scope(deployment, ring):
    callers = {scope: deployment.new_caller("default", scope) for scope in Scope}
    for (version, action), operation in OPERATIONS.items():
        (other,) = set(Scope) - {operation.scope}
        status, answer = ring(version, action, caller=callers[other])
        assert (status, answer["Code"]) == (403, "Forbidden" if version == PRODUCTION else "AuthFailed"), action


# --- templates, callbacks, usage

CONFIG = {"LimitRegion": [[0, 0.1, 1, 0.3]], "Time": [[5, 20]], "ModelId": "algo-video-detext-new"}
CAPTION_TEMPLATE = {"Name": "short drama", "Type": "9", "Subtype": "2", "TemplateConfig": json.dumps(CONFIG)}
ICON_TEMPLATE = {"Name": "logos", "Type": "9", "Subtype": "1", "TemplateConfig": '{"LogoModel": "tv"}'}


def created(ring, sent):
    status, answer = ring(PRODUCTION, "CreateCustomTemplate", **sent)
    assert status == 200, answer
    return answer["CustomTemplate"]


def test_a_template_from_its_creation_to_its_end(ring, production):
    made = created(ring, CAPTION_TEMPLATE)
    assert (made["TemplateName"], made["Type"], made["Subtype"]) == ("short drama", 9, "VideoDetext")
    assert (made["Status"], made["IsDefault"]) == ("Normal", False)
    assert json.loads(made["TemplateConfig"]) == CONFIG
    template_id = made["TemplateId"]

    assert ring(PRODUCTION, "SetDefaultCustomTemplate", TemplateId=template_id)[1]["Success"] is True
    for asked in ({"TemplateId": template_id}, {"Type": "9", "Subtype": "2"}):
        shown = ring(PRODUCTION, "GetCustomTemplate", **asked)[1]["CustomTemplate"]
        assert (shown["TemplateId"], shown["Subtype"], shown["SubtypeName"]) == (template_id, 2, "VideoDetext")
        assert shown["IsDefault"] is True

    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **production(TemplateId=template_id))
    erase = job_of(answer).request.erase
    assert (erase.quality, erase.captions.regions[0].y) == ("premium", 0.1)
    own = json.dumps({"LimitRegion": [[0, 0.5, 1, 0.3]]})
    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **production(TemplateId=template_id, JobParams=own))
    erase = job_of(answer).request.erase
    assert (erase.quality, erase.captions.regions[0].y) == ("premium", 0.5)

    changes = {"Name": "film", "TemplateConfig": "{}"}
    assert ring(PRODUCTION, "UpdateCustomTemplate", TemplateId=template_id, **changes)[1]["Success"] is True
    shown = ring(PRODUCTION, "GetCustomTemplate", TemplateId=template_id)[1]["CustomTemplate"]
    assert (shown["TemplateName"], shown["TemplateConfig"]) == ("film", "{}")
    assert ring(PRODUCTION, "DeleteCustomTemplate", TemplateId=template_id)[1]["Success"] is True
    status, answer = ring(PRODUCTION, "GetCustomTemplate", TemplateId=template_id)
    assert (status, answer["Code"]) == (404, "ResourceNotFound")
    assert ring(PRODUCTION, "GetCustomTemplate", Type="9", Subtype="2")[0] == 404


def test_a_job_takes_a_template_of_its_own_subtype_only(ring, production):
    icons, captions = created(ring, ICON_TEMPLATE)["TemplateId"], created(ring, CAPTION_TEMPLATE)["TemplateId"]
    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **production("VideoDelogo", TemplateId=icons))
    erase = job_of(answer).request.erase
    assert (erase.captions, list(erase.icons.kinds)) == (None, ["tv"])
    own = json.dumps({"LogoModel": "internet"})
    _, answer = ring(PRODUCTION, "SubmitIProductionJob", **production("VideoDelogo", TemplateId=icons, JobParams=own))
    assert list(job_of(answer).request.erase.icons.kinds) == ["internet"]
    for function, template in (("VideoDetext", icons), ("VideoDelogo", captions)):
        status, answer = ring(PRODUCTION, "SubmitIProductionJob", **production(function, TemplateId=template))
        assert (status, answer["Code"]) == (400, "InvalidParameter")
        assert "template" in answer["Message"]


def test_templates_are_listed(deployment, ring):
    captions = created(ring, CAPTION_TEMPLATE)["TemplateId"]
    deployment.clock.advance(seconds=1)
    icons = created(ring, ICON_TEMPLATE)["TemplateId"]

    def listed(**asked):
        status, answer = ring(PRODUCTION, "ListCustomTemplates", **asked)
        assert status == 200, answer
        return [template["TemplateId"] for template in answer["CustomTemplateList"]], answer["Total"]

    assert listed() == ([icons, captions], 2)
    assert listed(Type="9", OrderBy="CreateTimeAsc") == ([captions, icons], 2)
    assert listed(OrderBy="CreationTime:Asc", PageSize="1", PageNumber="2") == ([icons], 2)
    assert listed(Subtype="1") == ([icons], 1)
    assert listed(Subtype="VideoDetext") == ([captions], 1)
    assert listed(Name="drama") == ([captions], 1)
    assert listed(TemplateId=icons) == ([icons], 1)


def test_the_same_client_token_makes_one_template(ring):
    sent = {**CAPTION_TEMPLATE, "ClientToken": "t"}
    assert created(ring, sent)["TemplateId"] == created(ring, sent)["TemplateId"]
    assert ring(PRODUCTION, "ListCustomTemplates")[1]["Total"] == 1


BAD_TEMPLATES = [
    ({"Type": "1"}, "InvalidParameter", "type 9"),
    ({"Subtype": "3"}, "InvalidParameter", "Subtype"),
    ({"Name": ""}, "MissingParameter", "Name"),
    ({"Name": "x" * 101}, "InvalidParameter", "Name"),
    ({"TemplateConfig": ""}, "MissingParameter", "TemplateConfig"),
    ({"TemplateConfig": "[]"}, "InvalidParameter", "JSON object"),
    ({"TemplateConfig": '{"LogoModel": "tv"}'}, "InvalidParameter", "LogoModel"),
    ({"TemplateConfig": '{"ModelId": "unknown"}'}, "InvalidParameter", "ModelId"),
    ({"TemplateConfig": '{"LimitRegion": [[0, 0, 2, 1]]}'}, "InvalidParameter", "TemplateConfig"),
    ({"Subtype": "1", "TemplateConfig": '{"LogoModel": "radio"}'}, "InvalidParameter", "LogoModel"),
]


def test_bad_templates_are_refused(ring):
    for changes, code, words in BAD_TEMPLATES:
        status, answer = ring(PRODUCTION, "CreateCustomTemplate", **{**CAPTION_TEMPLATE, **changes})
        assert (status, answer["Code"]) == (400, code), changes
        assert words in answer["Message"], changes
    status, answer = ring(PRODUCTION, "ListCustomTemplates", OrderBy="Name")
    assert (status, answer["Code"]) == (400, "InvalidParameter")
    template_id = created(ring, CAPTION_TEMPLATE)["TemplateId"]
    config = json.dumps({"LimitRegion": [[0, 0, 2, 1]]})
    status, answer = ring(PRODUCTION, "UpdateCustomTemplate", TemplateId=template_id, TemplateConfig=config)
    assert (status, answer["Code"]) == (400, "InvalidParameter")


def test_a_callback_is_set_and_shown_without_its_key(ring):
    sent = {
        "CallbackType": "HTTP",
        "CallbackURL": "https://example.com/hook",
        "EventTypeList": "ProduceMediaComplete,AIProduceComplete",
        "AuthSwitch": "on",
        "AuthKey": "Secret1234",
    }
    assert ring(PRODUCTION, "GetEventCallback")[1]["Code"] == "ResourceNotFound"
    assert ring(PRODUCTION, "SetEventCallback", **sent)[1]["Success"] is True
    _, shown = ring(PRODUCTION, "GetEventCallback")
    assert (shown["CallbackType"], shown["CallbackURL"]) == ("HTTP", "https://example.com/hook")
    assert (shown["EventTypeList"], shown["AuthSwitch"]) == ("AIProduceComplete", "on")
    assert "AuthKey" not in shown
    for changes, words in (
        ({"CallbackType": "MNS"}, "HTTP"),
        ({"CallbackURL": "https://example.com/" + "x" * 256}, "256"),
        ({"CallbackURL": "https://10.0.0.1/hook"}, "not public"),
        ({"EventTypeList": "ProduceMediaComplete"}, "AIProduceComplete"),
        ({"AuthSwitch": "maybe"}, "AuthSwitch"),
        ({"AuthKey": ""}, "AuthKey"),
        ({"AuthKey": "short"}, "AuthKey"),
    ):
        status, answer = ring(PRODUCTION, "SetEventCallback", **{**sent, **changes})
        assert (status, answer["Code"]) in {(400, "InvalidParameter"), (400, "MissingParameter")}, changes
        assert words in answer["Message"], changes


def test_usage_is_told_in_minutes_by_hour_and_day(deployment, ring, source):
    _, answer = ring(ENHANCEMENT, "SuperResolveVideo", form={"VideoUrl": source})
    finish(deployment, answer["RequestId"])
    current_service().usage.record(job_of(answer))
    now = int(deployment.clock().timestamp())

    def told(**asked):
        asked = {"StartTs": now - 86400, "EndTs": now + 60, "Interval": 3600, **asked}
        return ring(PRODUCTION, "DescribeMeterImsMpsAiUsage", **asked)

    status, answer = told()
    assert status == 200
    assert answer["Data"] == [{"Time": now - now % 3600, "Type": "Product", "Duration": 1}]
    assert told(Interval=86400)[1]["Data"][0]["Time"] == now - now % 86400
    for changes in ({"Interval": 60}, {"StartTs": "soon"}, {"EndTs": now - 90000}, {"StartTs": now - 40 * 86400}):
        assert told(**changes)[1]["Code"] == "InvalidParameter", changes
