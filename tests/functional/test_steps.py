"""The state machine's functions, with the payloads that it sends."""

from __future__ import annotations

import json
import uuid
from datetime import UTC
from pathlib import Path

import av
import numpy as np
import pytest

import plan_segments
import probe_source
import record_failure
import record_result
from adapters.service import current_service
from domain.errors import (
    InvalidTransitionError,
    ModelNotFoundError,
    NoVideoStreamError,
    SourceNotFoundError,
    UnreadableVideoError,
    UnsupportedContainerError,
    UnsupportedResolutionError,
)
from domain.icon import IconDraft
from domain.job import IconKind, Job, JobRequest, JobStatus, ObjectRef, SourceFacts, Stage
from domain.scheduling import scheduling_of
from domain.storage_keys import JobKeys
from domain.work_order import Plan, ResultManifest, WorkOrder

CORNER = {"x": 0.0, "y": 0.0, "width": 0.2, "height": 0.2}
JOB_ID = "7f3c2f0e-5b1d-4d0c-9a53-0d9a1c1e2f33"
FACTS = SourceFacts(size_bytes=5, container="mp4", video_codec="h264", pixel_format="yuv420p", width=640, height=360)


def make_video(path: Path, *, width=640, height=360, frames=10, faststart=True, codec="libx264") -> Path:
    options = {"movflags": "faststart"} if faststart and path.suffix in {".mp4", ".mov"} else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25, options={"preset": "ultrafast"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        noise = np.random.default_rng(1)
        for _ in range(frames):
            picture = noise.integers(0, 255, (height, width, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def queued(deployment):
    """Record a queued job whose source is the given bytes."""

    def record(source: bytes = b"video", **functions):
        key = "inbox/source.mp4"
        version = deployment.put(key, source)
        request = JobRequest.model_validate(
            {"source": {"s3_uri": f"s3://{deployment.bucket}/{key}"}, **(functions or {"upscale": {}})}
        )
        ref = ObjectRef(bucket=deployment.bucket, key=key, version_id=version)
        job = Job(job_id=JOB_ID, owner="default", request=request, created_at=deployment.clock(), source_object=ref)
        jobs = deployment.serve().jobs
        jobs.put_new(job)
        return jobs

    return record


def read(deployment, key, model):
    return deployment.serve().media.read(key, model)


def test_the_probe_writes_the_work_order_and_sets_the_job_running(deployment, recorded, queued, tmp_path):
    jobs = queued(make_video(tmp_path / "a.mp4").read_bytes(), erase={}, upscale={}, priority=2)

    answer = probe_source.handler(recorded("probe_source"), deployment.context)

    key = JobKeys(JOB_ID).work_order
    uri = f"s3://{deployment.bucket}/{key}"
    share = scheduling_of("default", 2).share
    asked_for = {"preview": False, "erase": True, "upscale": True}
    # The larger one begins first, where the job's own is the smaller.
    assert answer == {"work_order_uri": uri, **asked_for, "share": share, "priority": 8}
    order = read(deployment, key, WorkOrder)
    job = jobs.get(JOB_ID)
    assert order.source == job.source_object
    assert order.source_facts == job.source_facts
    assert (order.source_facts.container, order.source_facts.width, order.source_facts.height) == ("mp4", 640, 360)
    assert (job.status, job.stage) == (JobStatus.RUNNING, Stage.DETECT)
    assert job.started_at == deployment.clock().astimezone(UTC)


def icon_of(deployment, name, kind, owner="default"):
    """Put an icon into the library; return what a work order says of it."""
    deployment.clock.advance(seconds=1)
    upload_id = str(uuid.uuid4())
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
    deployment.put(f"uploads/{owner}/{upload_id}/icon.svg", drawing)
    draft = IconDraft.model_validate({"name": name, "kind": kind, "upload_id": upload_id})
    icons = current_service().icons
    icon_id = icons.create(draft, owner)
    return next(icon for icon in icons.library(owner, tuple(IconKind)) if icon.icon_id == icon_id)


@pytest.mark.parametrize(
    ("functions", "names"),
    [
        ({"erase": {"icons": {}}}, ["Channel 5", "Platform"]),
        ({"erase": {"icons": {"kinds": ["internet"]}, "captions": {}}}, ["Platform"]),
        ({"erase": {"icons": {"erase_everything": True, "regions": [CORNER]}}}, []),
        ({"erase": {}}, []),
        ({"upscale": {}}, []),
    ],
)
def test_the_work_order_holds_the_owner_s_icons_of_the_wanted_kinds(  # noqa: PLR0917
    deployment, recorded, queued, tmp_path, functions, names
):
    queued(make_video(tmp_path / "a.mp4").read_bytes(), **functions)
    icons = [icon_of(deployment, "Channel 5", "tv"), icon_of(deployment, "Platform", "internet")]
    icon_of(deployment, "Theirs", "tv", owner="someone")
    probe_source.handler(recorded("probe_source"), deployment.context)
    order = read(deployment, JobKeys(JOB_ID).work_order, WorkOrder)
    assert [icon.name for icon in order.icon_library] == names
    assert order.icon_library == tuple(icon for icon in icons if icon.name in names)


def test_the_work_order_names_the_registered_network_that_is_there_now(deployment, recorded, queued, tmp_path):
    queued(make_video(tmp_path / "a.mp4").read_bytes(), upscale={"model": "own"})
    with pytest.raises(ModelNotFoundError):
        probe_source.handler(recorded("probe_source"), deployment.context)
    deployment.put("models/own.onnx")
    version = deployment.put("models/own.onnx", b"a newer one")
    probe_source.handler(recorded("probe_source"), deployment.context)
    model = read(deployment, JobKeys(JOB_ID).work_order, WorkOrder).upscale_model
    assert (model.uri, model.version_id) == (f"s3://{deployment.bucket}/models/own.onnx", version)


def test_a_picture_outlives_its_icon_for_the_jobs_that_began_with_it(deployment):
    icon = icon_of(deployment, "Channel 5", "tv")
    current_service().icons.delete(icon.icon_id, "default")
    assert current_service().icons.library("default", tuple(IconKind)) == ()
    assert current_service().media.read_bytes(icon.picture, 100).startswith(b"<svg")
    assert icon.media_type == "image/svg+xml"


def test_the_probe_reads_tables_at_the_end_without_the_pictures_between(deployment, recorded, queued, tmp_path):
    path = tmp_path / "a.mov"
    video = make_video(path, width=1280, height=720, frames=40, faststart=False, codec="mjpeg").read_bytes()
    assert len(video) > 6 << 20
    queued(video)
    service = deployment.serve()
    fetched = []
    service.s3.meta.events.register(
        "before-call.s3.GetObject", lambda params, **_: fetched.append(params["headers"].get("Range"))
    )

    probe_source.handler(recorded("probe_source"), deployment.context)

    spans = [span.removeprefix("bytes=").split("-") for span in fetched if span]
    assert 0 < sum(int(end) - int(start) + 1 for start, end in spans) < len(video) / 2


def test_a_probe_that_is_called_again_answers_the_same(deployment, recorded, queued, tmp_path):
    queued(make_video(tmp_path / "a.mp4").read_bytes())
    answers = [probe_source.handler(recorded("probe_source"), deployment.context) for _ in range(2)]
    assert answers[0] == answers[1]


def text_file(_tmp_path):
    return b"this is not a video\n" * 100


def truncated(tmp_path):
    return make_video(tmp_path / "a.mp4").read_bytes()[:-2000]


def truncated_before_its_tables(tmp_path):
    return make_video(tmp_path / "a.mp4", faststart=False).read_bytes()[:-2000]


def matroska(tmp_path):
    return make_video(tmp_path / "a.mkv").read_bytes()


def small(tmp_path):
    return make_video(tmp_path / "a.mp4", width=640, height=358).read_bytes()


def large(tmp_path):
    return make_video(tmp_path / "a.mp4", width=1922, height=1080, frames=1).read_bytes()


def sound_only(tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=44100, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("source", "functions", "error"),
    [
        (text_file, {"upscale": {}}, UnreadableVideoError),
        (truncated, {"upscale": {}}, UnreadableVideoError),
        (truncated_before_its_tables, {"upscale": {}}, UnreadableVideoError),
        (sound_only, {"upscale": {}}, NoVideoStreamError),
        (matroska, {"erase": {}}, UnsupportedContainerError),
        (small, {"upscale": {}}, UnsupportedResolutionError),
        (large, {"upscale": {}}, UnsupportedResolutionError),
    ],
)
def test_the_probe_refuses_what_cannot_work(deployment, recorded, queued, tmp_path, source, functions, error):  # noqa: PLR0917
    jobs = queued(source(tmp_path), **functions)

    with pytest.raises(error):
        probe_source.handler(recorded("probe_source"), deployment.context)

    assert jobs.get(JOB_ID).status is JobStatus.QUEUED
    assert read(deployment, JobKeys(JOB_ID).work_order, WorkOrder) is None


def test_a_source_that_is_gone_is_a_typed_error(deployment, recorded, queued):
    queued()
    source = deployment.serve().jobs.get(JOB_ID).source_object
    deployment.s3.delete_object(Bucket=source.bucket, Key=source.key, VersionId=source.version_id)
    with pytest.raises(SourceNotFoundError):
        probe_source.handler(recorded("probe_source"), deployment.context)


def test_a_cancelled_job_does_not_begin(deployment, recorded, queued, tmp_path):
    jobs = queued(make_video(tmp_path / "a.mp4").read_bytes())
    jobs.cancel(JOB_ID, deployment.clock())
    with pytest.raises(InvalidTransitionError):
        probe_source.handler(recorded("probe_source"), deployment.context)


def test_segments_are_numbers_in_the_state_and_facts_in_the_bucket(deployment, recorded, queued):
    jobs = queued()
    jobs.start(JOB_ID, FACTS, deployment.clock())
    shots = [{"start_frame": 1500 * n, "end_frame": 1500 * (n + 1), "start_pts": 61 * n} for n in range(3)]
    deployment.put_json(
        JobKeys(JOB_ID).detection,
        {
            "frame_count": 4500,
            "time_base": "1/1",
            "first_pts": 0,
            "duration_seconds": 183.0,
            "seekable": True,
            "shots": shots,
        },
    )

    answer = plan_segments.handler(recorded("plan_segments"), deployment.context)

    # Half of what a key allows: the priority is the middle one.
    assert answer == {"segments": [{"index": 0}, {"index": 1}, {"index": 2}], "parallel": 20}
    plan = read(deployment, JobKeys(JOB_ID).plan, Plan)
    assert [segment.end_frame for segment in plan.segments] == [1500, 3000, 4500]
    assert jobs.get(JOB_ID).segment_count == 3


def test_as_many_pieces_are_worked_on_as_the_priority_and_the_key_allow(deployment, recorded, queued):
    jobs = queued(upscale={}, priority=1)
    key = jobs.get(JOB_ID).model_copy(update={"job_id": "other", "pieces_at_once": 3})
    jobs.put_new(key)
    for job_id, parallel in ((JOB_ID, 40), ("other", 3)):
        jobs.start(job_id, FACTS, deployment.clock())
        shots = [{"start_frame": 0, "end_frame": 9, "start_pts": 0}]
        facts = {"frame_count": 9, "time_base": "1/1", "first_pts": 0, "duration_seconds": 9.0, "seekable": True}
        deployment.put_json(JobKeys(job_id).detection, {**facts, "shots": shots})
        answer = plan_segments.handler({"job_id": job_id}, deployment.context)
        assert answer == {"segments": [{"index": 0}], "parallel": parallel}


def manifest():
    files = {
        name: JobKeys(JOB_ID).result(file)
        for name, file in {"video": "video.mp4", "report": "report.json", "captions_vtt": "captions.vtt"}.items()
    }
    return ResultManifest.model_validate(
        {
            "files": files,
            "nothing_found": True,
            "width": 1280,
            "height": 720,
            "duration_seconds": 3.5,
            "frame_count": 84,
            "upscaler": "lanczos",
        }
    )


def test_a_result_is_recorded_once(deployment, recorded, queued):
    jobs = queued()
    jobs.start(JOB_ID, FACTS, deployment.clock())
    deployment.put_json(JobKeys(JOB_ID).result_manifest, manifest().model_dump())

    answers = [record_result.handler(recorded("record_result"), deployment.context) for _ in range(2)]

    assert answers == [{"nothing_found": True}] * 2
    job = jobs.get(JOB_ID)
    assert (job.status, job.progress_percent) == (JobStatus.SUCCEEDED, 100)
    assert set(job.result_keys) == {"video", "report", "captions_vtt"}
    assert job.result_facts is not None
    assert (job.result_facts.nothing_found, job.result_facts.upscaler) == (True, "lanczos")


def test_what_a_minute_of_video_cost_is_a_metric_of_the_first_report(deployment, recorded, queued, capsys):
    jobs = queued()
    jobs.start(JOB_ID, FACTS.model_copy(update={"duration_seconds": 30.0}), deployment.clock())
    finished = manifest().model_copy(update={"machine_seconds": 90.0})
    deployment.put_json(JobKeys(JOB_ID).result_manifest, finished.model_dump())
    metrics = []
    for _ in range(2):
        record_result.handler(recorded("record_result"), deployment.context)
        metrics.append(json.loads(capsys.readouterr().out.strip().splitlines()[-1]))
    # 90 seconds at 1.0 an hour, for half a minute.
    assert metrics[0]["CostPerVideoMinute"] == [pytest.approx(0.05)]
    assert "CostPerVideoMinute" not in metrics[1]


@pytest.mark.parametrize(("module", "name"), [(plan_segments, "plan_segments"), (record_result, "record_result")])
def test_a_stage_that_left_nothing_is_a_crash_not_a_success(deployment, recorded, queued, module, name):
    jobs = queued()
    jobs.start(JOB_ID, FACTS, deployment.clock())
    with pytest.raises(Exception, match="there is no jobs/"):
        module.handler(recorded(name), deployment.context)
    assert jobs.get(JOB_ID).status is JobStatus.RUNNING


def failure(recorded, error, cause=""):
    return {**recorded("record_failure"), "failure": {"Error": error, "Cause": cause}}


def test_a_typed_error_of_a_function_becomes_the_jobs(deployment, recorded, queued):
    jobs = queued()

    answer = record_failure.handler(recorded("record_failure"), deployment.context)

    job = jobs.get(JOB_ID)
    assert job.status is JobStatus.FAILED
    assert job.error.code == answer["Error"] == "UnreadableVideo"
    assert (
        job.error.message
        == answer["Cause"]
        == ("the source is not a readable video: Invalid data found when processing input")
    )


def test_a_typed_error_that_the_worker_left_becomes_the_jobs(deployment, recorded, queued):
    jobs = queued()
    deployment.put_json(JobKeys(JOB_ID).error, {"code": "UnsupportedCodec", "message": "no decoder"})
    record_failure.handler(recorded("record_failure_batch"), deployment.context)
    assert jobs.get(JOB_ID).error.code == "UnsupportedCodec"


@pytest.mark.parametrize(
    ("error", "cause", "code"),
    [
        ("States.TaskFailed", {"StatusReason": "Essential container in task exited"}, "InternalError"),
        ("States.TaskFailed", {"StatusReason": "Job attempt duration exceeded timeout"}, "TimedOut"),
        ("States.TaskFailed", {"StatusReason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}, "NoCapacity"),
        (
            "States.TaskFailed",
            {
                "StatusReason": "Essential container in task exited",
                "Container": {"ExitCode": 137, "Reason": "OutOfMemoryError: Container killed due to memory usage"},
            },
            "OutOfMemory",
        ),
        ("States.Timeout", "", "TimedOut"),
        ("Execution.TIMED_OUT", "", "TimedOut"),
        ("Execution.ABORTED", "", "Stopped"),
        ("KeyError", {"errorMessage": "'/var/task/secret'", "stackTrace": ["/var/task/x.py"]}, "InternalError"),
        ("Lambda.Unknown", "not json", "InternalError"),
        ("Lambda.Unknown", "[1]", "InternalError"),
    ],
)
def test_other_failures_have_a_code_and_leak_nothing(deployment, recorded, queued, error, cause, code):  # noqa: PLR0917
    jobs = queued()
    text = cause if isinstance(cause, str) else json.dumps(cause)

    record_failure.handler(failure(recorded, error, text), deployment.context)

    recorded_error = jobs.get(JOB_ID).error
    assert recorded_error.code == code
    assert "/var/task" not in recorded_error.message


def test_a_failure_that_comes_late_changes_nothing(deployment, recorded, queued):
    jobs = queued()
    jobs.cancel(JOB_ID, deployment.clock())
    record_failure.handler(recorded("record_failure"), deployment.context)
    assert jobs.get(JOB_ID).status is JobStatus.CANCELLED


def test_a_result_that_comes_after_the_cancellation_is_none_and_nothing_of_it_stays(deployment, recorded, queued):
    jobs = queued()
    jobs.start(JOB_ID, FACTS, deployment.clock())
    jobs.cancel(JOB_ID, deployment.clock())
    deployment.put_json(JobKeys(JOB_ID).result_manifest, manifest().model_dump())
    deployment.put(JobKeys(JOB_ID).result("video.mp4"))

    with pytest.raises(InvalidTransitionError):
        record_result.handler(recorded("record_result"), deployment.context)
    # What the state machine does then, and once more when the execution has ended.
    record_failure.handler(failure(recorded, "InvalidTransitionError"), deployment.context)
    record_failure.handler(recorded("record_failure_execution"), deployment.context)

    job = jobs.get(JOB_ID)
    assert (job.status, job.error, job.result_keys) == (JobStatus.CANCELLED, None, {})
    assert deployment.keys_with(JOB_ID) == []


def test_a_failed_job_tells_in_which_stage_it_failed(deployment, recorded, queued):
    jobs = queued(erase={}, upscale={})
    jobs.start(JOB_ID, FACTS, deployment.clock())
    jobs.set_segment_count(JOB_ID, 1)
    detected = {"stage": "detect", "done": 4, "total": 4, "finished": True}
    deployment.put_json(JobKeys(JOB_ID).progress("detect"), detected)
    deployment.put_json(JobKeys(JOB_ID).progress("erase"), {"stage": "erase", "done": 1, "total": 2})
    record_failure.handler(failure(recorded, "States.Timeout"), deployment.context)
    job = jobs.get(JOB_ID)
    assert job.stage is Stage.ERASE
    assert 15 < job.progress_percent < 60


def test_the_first_failure_stands(deployment, recorded, queued):
    jobs = queued()
    first = record_failure.handler(recorded("record_failure"), deployment.context)
    assert first["Error"] == jobs.get(JOB_ID).error.code == "UnreadableVideo"
    # A Map of many pieces says only that one of them failed, and that one has told its own error before.
    of_the_map = failure(recorded, "States.ExceedToleratedFailureThreshold", "The specified threshold was exceeded")
    assert record_failure.handler(of_the_map, deployment.context) == first
    record_failure.handler(recorded("record_failure_execution"), deployment.context)
    assert jobs.get(JOB_ID).error.code == "UnreadableVideo"
