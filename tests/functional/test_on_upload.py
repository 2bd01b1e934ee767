"""An object under inbox/ starts its job by itself, with settings from its metadata, once per version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import TypeAdapter

import on_upload
from adapters.service import current_service
from domain.job import CaptionErasure, IconErasure, JobStatus, ObjectRef
from domain.template import CaptionTemplate, TemplateDraft, TemplateKind
from local.moto_mends import make_conditional_writes_atomic


@pytest.fixture
def land(deployment, recorded):
    """Put an object under inbox/ and deliver the event that S3 would send."""

    def deliver(metadata, key="inbox/default/clip.mp4", times=1):
        version = deployment.put(key, Metadata=metadata)
        event = recorded("on_upload")
        event["detail"]["bucket"]["name"] = deployment.bucket
        event["detail"]["object"].update({"key": key, "version-id": version})
        answers = [on_upload.handler(event, deployment.context) for _ in range(times)]
        return answers[-1]

    return deliver


def test_the_metadata_say_what_to_do(deployment, land):
    metadata = {
        "erase": "captions",
        "quality": "premium",
        "region": "0,0.8,1,0.2; 0,0,1,0.1",
        "keep": "0.9,0,0.1,0.1",
        "everything": "true",
        "upscale": "2",
        "bitrate-mbps": "20",
        "priority": "1",
        "name": "episode 1",
        "s3cmd-attrs": "left alone",
    }

    job = deployment.serve().jobs.get(land(metadata)["job_id"])

    assert job.status is JobStatus.QUEUED
    assert job.request is not None
    assert (job.request.name, job.request.priority) == ("episode 1", 1)
    assert job.request.erase is not None
    assert job.request.erase.quality == "premium"
    assert [region.y for region in job.request.erase.captions.regions] == [0.8, 0.0]
    assert [region.x for region in job.request.erase.captions.keep] == [0.9]
    assert job.request.erase.captions.erase_everything
    assert job.request.upscale is not None
    assert job.request.upscale.bitrate_mbps == 20
    assert [execution["name"] for execution in deployment.executions()] == [job.job_id]


def test_the_metadata_may_ask_for_captions_anywhere(deployment, land):
    job = deployment.serve().jobs.get(land({"erase": "captions", "band": "anywhere"})["job_id"])
    assert job.request.erase.captions.band == "anywhere"


def test_the_metadata_may_ask_for_icons(deployment, land):
    job = deployment.serve().jobs.get(land({"erase": "icons"})["job_id"])
    assert (job.request.erase.captions, job.request.erase.icons) == (None, IconErasure())

    metadata = {
        "erase": "captions,icons",
        "icon-kinds": "internet",
        "icon-region": "0.8,0,0.2,0.2",
        "icon-keep": "0.9,0,0.1,0.1",
        "icon-everything": "true",
        "upscale": "2",
        "upscale-quality": "fast",
    }
    request = deployment.serve().jobs.get(land(metadata)["job_id"]).request
    assert request.erase.captions == CaptionErasure()
    icons = request.erase.icons
    assert (icons.kinds, icons.erase_everything) == (("internet",), True)
    assert ([region.x for region in icons.regions], [region.x for region in icons.keep]) == ([0.8], [0.9])
    assert request.upscale.quality == "fast"


def test_an_event_that_comes_six_times_makes_one_job(deployment, land):
    land({"upscale": "2"}, times=6)
    assert len(deployment.serve().jobs.page("default", 10).jobs) == 1
    assert len(deployment.executions()) == 1


def test_events_of_one_object_that_race_make_one_job(deployment):
    make_conditional_writes_atomic()
    key = "inbox/default/clip.mp4"
    ref = ObjectRef(bucket=deployment.bucket, key=key, version_id=deployment.put(key, Metadata={"upscale": "2"}))
    submission = deployment.serve().submission
    with ThreadPoolExecutor(8) as racers:
        made = {job.job_id for job in racers.map(lambda _: submission.submit_from_inbox(ref), range(16))}
    assert len(made) == len(deployment.serve().jobs.page("default", 10).jobs) == 1
    assert [execution["name"] for execution in deployment.executions()] == list(made)


def test_another_version_of_the_object_is_another_job(deployment, land):
    first, second = land({"upscale": "2"}), land({"upscale": "2"})
    assert first["job_id"] != second["job_id"]


def test_a_job_that_was_recorded_but_not_started_is_started_by_the_next_event(deployment, land):
    working = deployment.settings.state_machine_arn
    deployment.serve(state_machine_arn=working + "-gone")
    with pytest.raises(Exception, match="StateMachineDoesNotExist"):
        land({"upscale": "2"}, key="inbox/default/a.mp4")
    service = deployment.serve()
    (job,) = service.jobs.page("default", 10).jobs
    assert job.source_object is not None

    service.submission.submit_from_inbox(job.source_object)

    assert [execution["name"] for execution in deployment.executions()] == [job.job_id]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "ask for nothing"),
        ({"erase": "logos"}, "one of captions; icons; captions,icons"),
        ({"erase": "captions,"}, "one of captions; icons; captions,icons"),
        ({"erase": "icons", "icon-kinds": "radio"}, "kinds"),
        ({"erase": "icons", "icon-kinds": "tv,tv"}, "each kind once"),
        ({"erase": "icons", "icon-region": "0,0.8,1"}, "metadata icon-region must be x,y,width,height"),
        ({"erase": "icons", "icon-everything": "yes", "icon-region": "0,0,1,0.5"}, "icon-everything must be true"),
        ({"erase": "icons", "icon-everything": "true"}, "at least one region"),
        ({"erase": "icons", "region": "0,0,1,0.5"}, "only with erase=captions"),
        ({"erase": "captions", "icon-kinds": "tv"}, "only with erase=icons"),
        ({"upscale": "2", "upscale-quality": "best"}, "upscale.quality"),
        ({"erase": "icons", "upscale-quality": "fast"}, "only with upscale"),
        ({"erase": "captions", "quality": "best"}, "quality"),
        ({"erase": "captions", "region": "0,0.8,1"}, "x,y,width,height"),
        ({"erase": "captions", "region": "0,0.8,1,0.3"}, "inside the frame"),
        ({"erase": "captions", "region": "nan,0,1,1"}, "regions"),
        ({"erase": "captions", "keep": "0,0.8,1"}, "metadata keep must be x,y,width,height"),
        ({"erase": "captions", "everything": "yes", "region": "0,0,1,0.5"}, "everything must be true"),
        ({"erase": "captions", "everything": "true"}, "at least one region"),
        ({"erase": "captions", "band": "anywhere", "region": "0,0,1,0.5"}, "give one or the other"),
        ({"erase": "captions", "band": "top"}, "band"),
        ({"upscale": "2", "keep": "0,0.8,1,0.2"}, "only with erase"),
        ({"upscale": "2", "priority": "11"}, "priority"),
        ({"upscale": "2", "priority": "first"}, "whole number"),
        ({"upscale": "3"}, "factor"),
        ({"upscale": "twice"}, "whole number"),
        ({"upscale": "2", "bitrate-mbps": "101"}, "bitrate_mbps"),
        ({"upscale": "2", "quality": "premium"}, "only with erase"),
    ],
)
def test_bad_metadata_make_a_failed_job_that_says_why(deployment, land, metadata, words):
    answer = land(metadata)

    job = deployment.serve().jobs.get(answer["job_id"])
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error.code == "InvalidRequest"
    assert words in job.error.message
    assert deployment.executions() == []


def test_an_object_that_is_gone_makes_a_failed_job(deployment, recorded):
    event = recorded("on_upload")
    event["detail"]["bucket"]["name"] = deployment.bucket
    del event["detail"]["object"]["version-id"]

    answer = on_upload.handler(event, deployment.context)

    error = deployment.serve().jobs.get(answer["job_id"]).error
    assert error is not None
    assert error.code == "SourceNotFound"


def test_an_object_that_asks_for_nothing_gets_its_owner_s_default_template(deployment, land):
    templates = current_service().templates
    regions = [{"x": 0, "y": 0.1, "width": 1, "height": 0.3}]
    settings = {"captions": {"regions": regions}, "quality": "premium"}
    draft = CaptionTemplate.model_validate({"kind": "caption", "name": "film", "settings": settings})
    template_id = templates.create(draft, "acme").template_id
    templates.set_default(template_id, "acme")

    for metadata in ({}, {"template": template_id}):
        job = current_service().jobs.get(land(metadata, key="inbox/acme/clip.mp4")["job_id"])
        assert (job.owner, job.status) == ("acme", JobStatus.QUEUED)
        assert job.request is not None
        assert job.request.erase is not None
        assert (job.request.erase.quality, job.request.erase.captions.regions[0].y) == ("premium", 0.1)

    for metadata in ({}, {"template": template_id}):
        # Somebody else's default, and somebody else's template.
        job = current_service().jobs.get(land(metadata, key="inbox/other/clip.mp4")["job_id"])
        assert (job.owner, job.status) == ("other", JobStatus.FAILED)


def test_the_default_for_icons_serves_where_there_is_none_for_captions(deployment, land):
    templates = current_service().templates
    for kind, erased in ((TemplateKind.ICON, "icons"), (TemplateKind.CAPTION, "captions")):
        draft = TypeAdapter(TemplateDraft).validate_python({"kind": kind, "name": "A"})
        templates.set_default(templates.create(draft, "acme").template_id, "acme")
        job = current_service().jobs.get(land({}, key="inbox/acme/clip.mp4")["job_id"])
        assert (job.request.erase.captions is None) == (erased == "icons")


@pytest.mark.parametrize("key", ["inbox/clip.mp4", "inbox/", "inbox/acme/", "inbox/acme/folder/", "inbox/ACME/a.mp4"])
def test_what_lies_in_nobody_s_inbox_is_ignored(deployment, land, key):
    assert land({"upscale": "2"}, key=key) == {"ignored": key}
    assert deployment.executions() == []
