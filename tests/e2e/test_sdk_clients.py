"""The official SDKs, unmodified, against the running service: only endpoint, protocol and key are set."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alibabacloud_ice20201109 import models as ice_models
from alibabacloud_ice20201109.client import Client as IceClient
from alibabacloud_tea_openapi import models as open_api_models
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_viapi20230117 import models as jobs_models
from alibabacloud_viapi20230117.client import Client as JobsClient
from alibabacloud_videoenhan20200320 import models as enhancement_models
from alibabacloud_videoenhan20200320.client import Client as EnhancementClient
from darabonba.runtime import RuntimeOptions

from adapters.jobs_table import JobsTable
from domain.job import Job, JobRequest
from local.client import ApiClient, download
from tests.e2e.clips import decoded, draw_clip, draw_pan, logo_box, video_facts
from tests.e2e.conftest import REPOSITORY, RunningService

# The SDKs' own habits, which filterwarnings = error would make failures.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


CAPTION = "The valley was quiet"


@dataclass(frozen=True)
class Clients:
    """One user's SDK clients."""

    ice: IceClient
    enhancement: EnhancementClient
    jobs: JobsClient


def clients_of(service: RunningService, access_key: str) -> Clients:
    key_id, _, secret = access_key.partition(".")
    endpoint = service.api_url.removeprefix("http://")

    def config() -> Any:
        return open_api_models.Config(
            access_key_id=key_id, access_key_secret=secret, endpoint=endpoint, protocol="http"
        )

    return Clients(IceClient(config()), EnhancementClient(config()), JobsClient(config()))


def new_key(service: RunningService, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "local", "keys", "create", "--data", str(service.data), *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def mine(service: RunningService) -> Clients:
    return clients_of(service, service.facts["access_key"])


@pytest.fixture(scope="module")
def theirs(service: RunningService) -> Clients:
    return clients_of(service, new_key(service, "--owner", "somebody-else"))


def uploaded(service: RunningService, video: Path) -> tuple[str, str]:
    """Upload a file; return its upload ID, and its address as the SDKs' users write addresses."""
    upload_id = service.api.upload(video)
    return upload_id, f"oss://{service.facts['bucket']}/uploads/default/{upload_id}/source"


@pytest.fixture(scope="module")
def captioned(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    path = tmp_path_factory.mktemp("sdk") / "captioned.mp4"
    return uploaded(service, draw_clip(path, width=480, height=270, seconds=2, caption=CAPTION))


@pytest.fixture(scope="module")
def small(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    path = draw_clip(tmp_path_factory.mktemp("sdk") / "small.mp4", width=480, height=360)
    return uploaded(service, path)


@pytest.fixture(scope="module")
def long(service: RunningService, long_clip: Path) -> tuple[str, str]:
    return uploaded(service, long_clip)


def until(reached: Callable[[Any], bool], ask: Callable[[], Any], seconds: float = 300) -> Any:
    deadline = time.monotonic() + seconds
    while not reached(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.3)
    return answer


def submitted(mine: Clients, url: str, function: str = "VideoDetext", **more: Any) -> str:
    request = ice_models.SubmitIProductionJobRequest(
        function_name=function,
        input=ice_models.SubmitIProductionJobRequestInput(type="OSS", media=url),
        output=ice_models.SubmitIProductionJobRequestOutput(type="OSS", media="oss://out/{source}-{timestamp}.mp4"),
        **more,
    )
    return mine.ice.submit_iproduction_job(request).body.job_id


def queried(clients: Clients, job_id: str) -> Any:
    return clients.ice.query_iproduction_job(ice_models.QueryIProductionJobRequest(job_id=job_id)).body


def result_of(clients: Clients, job_id: str) -> Any:
    request = enhancement_models.GetAsyncJobResultRequest(job_id=job_id)
    return clients.enhancement.get_async_job_result(request).body.data


def usage_of(clients: Clients) -> list[Any]:
    now = int(time.time())
    request = ice_models.DescribeMeterImsMpsAiUsageRequest(start_ts=now - 3600, end_ts=now + 60, interval=3600)
    return clients.ice.describe_meter_ims_mps_ai_usage(request).body.data or []


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(ClientException) as refusal:
        yield
    assert refusal.value.code == code
    assert refusal.value.request_id


def test_captions_are_erased_from_submission_to_download(
    mine: Clients, captioned: tuple[str, str], tmp_path: Path
) -> None:
    job_id = submitted(
        mine,
        captioned[1],
        name="episode 1",
        user_data='{"order": 7, "title": "中文 + é"}',
        job_params=json.dumps({"LimitRegion": [[0, 0.75, 1, 0.25]], "Time": [0, 2]}),
        schedule_config=ice_models.SubmitIProductionJobRequestScheduleConfig(pipeline_id="p", priority=6),
    )
    done = until(lambda body: body.status in {"Success", "Fail"}, lambda: queried(mine, job_id))

    assert done.status == "Success", done.result
    assert (done.name, done.user_data) == ("episode 1", '{"order": 7, "title": "中文 + é"}')
    assert (done.input.type, done.input.media) == ("OSS", captioned[1])
    assert done.schedule_config.priority == 6
    assert done.create_time < done.finish_time
    assert json.loads(done.result)["NothingFound"] is False
    (copy,) = done.output_files
    assert re.fullmatch(r"s3://out/source-\d{10}\.mp4", copy)
    assert copy.removeprefix("s3:/") in done.output_urls[0]
    download(done.output_urls[0], tmp_path / "out.mp4")
    width, height, times = video_facts(tmp_path / "out.mp4")
    assert (width, height, len(times)) == (480, 270, 20)


def test_a_logo_is_erased_from_submission_to_download(service: RunningService, mine: Clients, tmp_path: Path) -> None:
    clip, clean = (
        draw_pan(tmp_path / f"{logo}.mp4", width=480, height=360, frames=40, logo=logo) for logo in ("TV 9", "")
    )
    job_id = submitted(
        mine, uploaded(service, clip)[1], "VideoDelogo", job_params=json.dumps({"LogoModel": "tv,internet"})
    )
    done = until(lambda body: body.status in {"Success", "Fail"}, lambda: queried(mine, job_id))

    assert (done.status, done.function_name) == ("Success", "VideoDelogo"), done.result
    assert json.loads(done.result)["NothingFound"] is False
    download(done.output_urls[0], tmp_path / "out.mp4")
    left, top, right, bottom = logo_box(480, 360)
    before, after, truth = (
        decoded(path)[:, top:bottom, left:right].astype(float) for path in (clip, tmp_path / "out.mp4", clean)
    )
    assert len(after) == 40
    # Nearer to the picture without a logo than a fifth of the way that the logo was away from it.
    assert np.abs(after - truth).mean() < np.abs(before - truth).mean() / 5


def test_captions_are_extracted_from_submission_to_download(
    mine: Clients, captioned: tuple[str, str], tmp_path: Path
) -> None:
    request = ice_models.SubmitIProductionJobRequest(
        function_name="CaptionExtraction",
        input=ice_models.SubmitIProductionJobRequestInput(type="Media", media=captioned[0]),
        output=ice_models.SubmitIProductionJobRequestOutput(type="OSS", media="oss://out/{source}.srt"),
        job_params=json.dumps({"fps": 5, "roi": [[0.75, 1], [0, 1]], "lang": "en"}),
    )
    job_id = mine.ice.submit_iproduction_job(request).body.job_id
    done = until(lambda body: body.status in {"Success", "Fail"}, lambda: queried(mine, job_id))
    assert done.status == "Success", done.result
    assert done.output_files == ["s3://out/source.srt"]
    assert "/out/source.srt?" in done.output_urls[0]
    download(done.output_urls[0], tmp_path / "out.srt")
    assert CAPTION in (tmp_path / "out.srt").read_text(encoding="utf-8")


def test_a_video_is_doubled_from_submission_to_download(mine: Clients, small: tuple[str, str], tmp_path: Path) -> None:
    request = enhancement_models.SuperResolveVideoRequest(video_url=small[1], bit_rate=5)
    job_id = mine.enhancement.super_resolve_video(request).body.request_id
    data = until(lambda data: data.status not in {"QUEUING", "PROCESSING"}, lambda: result_of(mine, job_id))
    assert (data.status, data.job_id) == ("PROCESS_SUCCESS", job_id), data.error_message
    download(json.loads(data.result)["VideoUrl"], tmp_path / "out.mp4")
    width, height, times = video_facts(tmp_path / "out.mp4")
    assert (width, height, len(times)) == (960, 720, 10)
    # One second: a minute that began. It is written down right after the job's end.
    (used, *_) = until(lambda usage: sum(hour.duration for hour in usage) >= 1, lambda: usage_of(mine))
    assert used.type == "Product"
    same = mine.jobs.get_async_job_result(jobs_models.GetAsyncJobResultRequest(job_id=job_id)).body.data
    assert same.status == "PROCESS_SUCCESS"


@pytest.mark.parametrize("operation", ["subtitles", "logo"])
def test_boxes_are_erased_from_submission_to_download(
    mine: Clients, small: tuple[str, str], tmp_path: Path, operation: str
) -> None:
    if operation == "subtitles":
        answer = mine.enhancement.erase_video_subtitles(
            enhancement_models.EraseVideoSubtitlesRequest(video_url=small[1], bx=0.1, by=0.7, bw=0.8, bh=0.25)
        )
    else:
        boxes = [enhancement_models.EraseVideoLogoRequestBoxes(x=0.05, y=0.05, w=0.1, h=0.1)]
        answer = mine.enhancement.erase_video_logo(
            enhancement_models.EraseVideoLogoRequest(video_url=small[1], boxes=boxes)
        )
    job_id = answer.body.request_id
    data = until(lambda data: data.status not in {"QUEUING", "PROCESSING"}, lambda: result_of(mine, job_id))
    assert data.status == "PROCESS_SUCCESS", data.error_message
    download(json.loads(data.result)["VideoUrl"], tmp_path / "out.mp4")
    assert video_facts(tmp_path / "out.mp4")[:2] == (480, 360)


def test_a_waiting_job_is_cancelled(service: RunningService, mine: Clients, long: tuple[str, str]) -> None:
    # Recorded as a submission does, and never started: how long one waits is up to the machine.
    job_id = str(uuid.uuid4())
    request = JobRequest.model_validate({"source": {"upload_id": long[0]}, "upscale": {}})
    jobs = JobsTable(service.aws("dynamodb"), "smart-erase-JobsTable")
    jobs.put_new(Job(job_id=job_id, owner="default", request=request, created_at=datetime.now(UTC)))
    assert result_of(mine, job_id).status == "QUEUING"
    cancel = jobs_models.CancelWaitingAsyncJobRequest(job_id=job_id)
    assert mine.jobs.cancel_waiting_async_job(cancel).body.success is True
    assert result_of(mine, job_id).status == "JOB_CANCELED"
    with refused("InvalidParameter"):
        mine.jobs.cancel_waiting_async_job(cancel)


def test_running_jobs_are_listed_and_cancelled(mine: Clients, long: tuple[str, str]) -> None:
    request = enhancement_models.SuperResolveVideoRequest(video_url=long[1])
    job_id = mine.enhancement.super_resolve_video(request).body.request_id
    until(lambda data: data.status == "PROCESSING", lambda: result_of(mine, job_id))
    with refused("InvalidParameter"):
        mine.jobs.cancel_waiting_async_job(jobs_models.CancelWaitingAsyncJobRequest(job_id=job_id))
    assert mine.ice.cancel_iproduction_job(ice_models.CancelIProductionJobRequest(job_id=job_id)).body.message
    assert result_of(mine, job_id).status == "JOB_CANCELED"

    listing = jobs_models.QueryAsyncJobListRequest(page_num="1", page_size="5", status="JOB_CANCELED")
    data = mine.jobs.query_async_job_list(listing).body.data
    assert job_id in [job.job_id for job in data.result]
    assert data.result[0].pop_api_name == "SuperResolveVideo"

    running = submitted(mine, long[1])
    until(lambda body: body.status == "Analysing", lambda: queried(mine, running))
    assert mine.ice.cancel_iproduction_job(ice_models.CancelIProductionJobRequest(job_id=running)).body.message
    assert queried(mine, running).status == "Fail"


def test_what_cannot_work_is_refused_as_their_users_expect(mine: Clients, small: tuple[str, str]) -> None:
    with refused("InvalidParameter.FunctionNotSupported"):
        submitted(mine, small[1], "Cover")
    with refused("InvalidParameter"):
        submitted(mine, small[1], job_params='{"LimitRegion": [[0,0,1,0.1],[0,0,1,0.1],[0,0,1,0.1]]}')
    with refused("MissingParameter"):
        mine.ice.query_iproduction_job(ice_models.QueryIProductionJobRequest())
    with refused("IllegalUrlParameter"):
        mine.enhancement.super_resolve_video(
            enhancement_models.SuperResolveVideoRequest(video_url="http://127.0.0.1/clip.mp4")
        )


def test_another_tenant_s_job_is_not_there(mine: Clients, theirs: Clients, long: tuple[str, str]) -> None:
    job_id = mine.enhancement.super_resolve_video(
        enhancement_models.SuperResolveVideoRequest(video_url=long[1])
    ).body.request_id
    with refused("InvalidParameter.JobNotFound"):
        queried(theirs, job_id)
    with refused("InvalidParameter.JobNotFound"):
        theirs.ice.cancel_iproduction_job(ice_models.CancelIProductionJobRequest(job_id=job_id))
    with refused("InvalidParameter"):
        result_of(theirs, job_id)
    with refused("InvalidParameter"):
        theirs.jobs.cancel_waiting_async_job(jobs_models.CancelWaitingAsyncJobRequest(job_id=job_id))
    assert usage_of(theirs) == []
    assert theirs.jobs.query_async_job_list(jobs_models.QueryAsyncJobListRequest()).body.data.total_record == 0
    with refused("ParameterError"):
        theirs.enhancement.super_resolve_video(enhancement_models.SuperResolveVideoRequest(video_url=long[1]))
    mine.ice.cancel_iproduction_job(ice_models.CancelIProductionJobRequest(job_id=job_id))


def test_templates_live_from_creation_to_deletion(mine: Clients, theirs: Clients, long: tuple[str, str]) -> None:
    config = {"LimitRegion": [[0.0, 0.1, 1.0, 0.3]], "ModelId": "algo-video-detext-new"}
    created = mine.ice.create_custom_template(
        ice_models.CreateCustomTemplateRequest(name="drama", type=9, subtype=2, template_config=json.dumps(config))
    ).body.custom_template
    assert (created.template_name, created.subtype, created.is_default) == ("drama", "VideoDetext", False)
    assert json.loads(created.template_config) == config
    template_id = created.template_id
    set_default = ice_models.SetDefaultCustomTemplateRequest(template_id=template_id)
    assert mine.ice.set_default_custom_template(set_default).body.success is True
    by_kind = ice_models.GetCustomTemplateRequest(type=9, subtype="2")
    shown = mine.ice.get_custom_template(by_kind).body.custom_template
    assert (shown.template_id, shown.subtype, shown.subtype_name) == (template_id, 2, "VideoDetext")
    listing = ice_models.ListCustomTemplatesRequest(type="9", name="dra", order_by="CreationTime:Desc")
    listed = mine.ice.list_custom_templates(listing).body
    assert (listed.total, listed.custom_template_list[0].is_default) == (1, True)

    job_id = submitted(mine, long[1], template_id=template_id)
    assert queried(mine, job_id).template_id == template_id
    mine.ice.cancel_iproduction_job(ice_models.CancelIProductionJobRequest(job_id=job_id))

    by_id = ice_models.GetCustomTemplateRequest(template_id=template_id)
    delete = ice_models.DeleteCustomTemplateRequest(template_id=template_id)
    with refused("ResourceNotFound"):
        theirs.ice.get_custom_template(by_id)
    with refused("ResourceNotFound"):
        theirs.ice.delete_custom_template(delete)
    with refused("ResourceNotFound"):
        theirs.ice.set_default_custom_template(set_default)
    assert theirs.ice.list_custom_templates(ice_models.ListCustomTemplatesRequest(type="9")).body.total == 0

    update = ice_models.UpdateCustomTemplateRequest(template_id=template_id, name="film")
    assert mine.ice.update_custom_template(update).body.success is True
    assert mine.ice.get_custom_template(by_id).body.custom_template.template_name == "film"
    assert mine.ice.delete_custom_template(delete).body.success is True
    with refused("ResourceNotFound"):
        mine.ice.get_custom_template(by_id)


def test_a_callback_is_set_and_read(mine: Clients, theirs: Clients) -> None:
    request = ice_models.SetEventCallbackRequest(
        callback_type="HTTP",
        callback_url="https://example.com/hook",
        event_type_list="AIProduceComplete",
        auth_switch="on",
        auth_key="Secret1234",
    )
    assert theirs.ice.set_event_callback(request).body.success is True
    shown = theirs.ice.get_event_callback().body
    assert (shown.callback_url, shown.auth_switch) == ("https://example.com/hook", "on")
    with refused("ResourceNotFound"):
        mine.ice.get_event_callback()


def test_who_cannot_show_the_key_s_secret_is_refused(service: RunningService) -> None:
    key_id, _, secret = new_key(service, "--owner", "acme", "--scope", "read").partition(".")
    with refused("SignatureDoesNotMatch"):
        queried(clients_of(service, f"{key_id}.{secret[:-1]}x"), "none")
    with refused("InvalidAccessKeyId.NotFound"):
        queried(clients_of(service, f"SE00000000000000000000.{secret}"), "none")
    reader = clients_of(service, f"{key_id}.{secret}")
    with refused("InvalidParameter.JobNotFound"):
        queried(reader, "none")
    with refused("Forbidden"):
        submitted(reader, "oss://bucket/a.mp4")
    subprocess.run(
        [sys.executable, "-m", "local", "keys", "revoke", key_id, "--data", str(service.data)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    with refused("InvalidAccessKeyId.Inactive"):
        queried(reader, "none")


def called(client: IceClient, method: str = "POST", body_type: str = "json", **headers: str) -> Any:
    """Query a job that is not there, with headers of one's own, which the SDK signs."""
    params = utils_models.Params(
        action="QueryIProductionJob",
        version="2020-11-09",
        protocol="HTTPS",
        pathname="/",
        method=method,
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type=body_type,
    )
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = utils_models.OpenApiRequest(query=Utils.query({"JobId": "none"}), headers=given)
    return client.call_api(params, request, RuntimeOptions())


def test_get_and_xml_are_answered_too(mine: Clients) -> None:
    with refused("InvalidParameter.JobNotFound"):
        called(mine.ice, method="GET")
    # The SDK reads an error from XML by the very content type.
    with refused("InvalidParameter.JobNotFound"):
        called(mine.ice, accept="application/xml")


def test_the_signature_of_old_sdks_is_refused_by_name(service: RunningService) -> None:
    query = "Action=QueryIProductionJob&Version=2020-11-09&JobId=none&SignatureMethod=HMAC-SHA1&Signature=x"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{service.api_url}/?{query}", timeout=10)
    with refusal.value as answer:
        assert (answer.code, json.loads(answer.read())["Code"]) == (400, "UnsupportedSignatureMethod")


def test_a_skewed_clock_and_a_second_sending_are_refused(mine: Clients) -> None:
    for minutes in (-16, 16):
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60 * minutes))
        with refused("InvalidTimeStamp.Expired"):
            called(mine.ice, x_acs_date=moment)
    nonce = Utils.get_nonce()
    with refused("InvalidParameter.JobNotFound"):
        called(mine.ice, x_acs_signature_nonce=nonce)
    with refused("SignatureNonceUsed"):
        called(mine.ice, x_acs_signature_nonce=nonce)


def test_the_same_key_opens_rest(service: RunningService) -> None:
    key = new_key(service, "--owner", "acme")
    assert ApiClient(service.api_url, key).call("GET", "/v1/jobs")["jobs"] == []
