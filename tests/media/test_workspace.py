"""Both workspaces keep the same contract; the worker's ``run`` goes through the bucket as Batch lets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws
from rendered import look

from domain.errors import SourceNotFoundError
from domain.job import EraseSettings, ObjectRef, UpscaleSettings
from domain.planning import plan_segments
from domain.progress import StageProgress
from domain.storage_keys import JobKeys
from domain.work_order import ResultManifest, WorkOrder
from gpu_worker.cli import main
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import LocalWorkspace, MissingOutputError, S3Workspace, Workspace, copy_atomically

BUCKET = "smart-erase-tests"


@pytest.fixture
def bucket(monkeypatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield


@pytest.fixture(params=["folder", "bucket"])
def workspace(request, tmp_path) -> Workspace:
    if request.param == "folder":
        return LocalWorkspace(tmp_path / "job")
    request.getfixturevalue("bucket")
    (tmp_path / "scratch").mkdir()
    return S3Workspace(BUCKET, JobKeys("j1"), tmp_path / "scratch")


def test_what_was_written_is_there(workspace) -> None:
    key = workspace.keys.detection
    assert not workspace.exists(key)
    workspace.write(key, b"{}")
    assert workspace.exists(key)
    assert workspace.read(key) == b"{}"
    workspace.write(key, b"[]")
    assert workspace.read(key) == b"[]"
    assert workspace.fetch(key).read_bytes() == b"[]"


def test_a_published_file_can_be_fetched(workspace) -> None:
    made = workspace.scratch / "made.mp4"
    made.write_bytes(b"video")
    key = workspace.keys.segment_file(3, "piece.mp4")
    workspace.publish(made, key)
    assert workspace.fetch(key).read_bytes() == b"video"


@pytest.mark.parametrize("call", ["read", "fetch"])
def test_what_is_missing_is_named(call, workspace) -> None:
    with pytest.raises(MissingOutputError, match=r"plan\.json"):
        getattr(workspace, call)(workspace.keys.plan)


def test_a_missing_source_is_the_users_error(workspace) -> None:
    with pytest.raises(SourceNotFoundError):
        workspace.source(ObjectRef(bucket=BUCKET, key="uploads/none.mp4"))


def test_a_copy_is_whole_or_not_there(tmp_path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    copy_atomically(source, target)
    assert target.read_bytes() == b"new"
    with pytest.raises(FileNotFoundError):
        copy_atomically(tmp_path / "none", target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def _run(stage: str, segment: int = 0) -> int:
    uri = f"s3://{BUCKET}/jobs/j1/work_order.json"
    return main(["run", "--work-order", uri, "--stage", stage, "--segment", str(segment)])


def _put_order(source: Path, **wanted: object) -> JobKeys:
    keys = JobKeys("j1")
    client = boto3.client("s3")
    client.upload_file(str(source), BUCKET, "uploads/u1/source.mp4")
    order = WorkOrder(
        job_id="j1",
        source=ObjectRef(bucket=BUCKET, key="uploads/u1/source.mp4"),
        source_facts=probe_video(source).to_source_facts(),
        **wanted,  # type: ignore[arg-type]
    )
    client.put_object(Bucket=BUCKET, Key=keys.work_order, Body=order.model_dump_json().encode())
    return keys


def _read(key: str) -> bytes:
    return boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()


def test_the_stages_of_a_job_in_a_bucket(bucket, rendered, tmp_path, capsys) -> None:
    path = rendered(frames=64, shots=(16, 32, 48))
    keys = _put_order(path, upscale=UpscaleSettings(bitrate_mbps=4))
    assert _run("detect") == 0
    from domain.detection import Detection

    plan = plan_segments(Detection.model_validate_json(_read(keys.detection)), target_seconds=0.4)
    boto3.client("s3").put_object(Bucket=BUCKET, Key=keys.plan, Body=plan.model_dump_json().encode())
    assert [_run("upscale", segment.index) for segment in plan.segments] == [0, 0, 0, 0]
    assert _run("assemble") == 0
    manifest = ResultManifest.model_validate_json(_read(keys.result_manifest))
    assert manifest.files.video == "results/j1/video.mp4"
    video = tmp_path / "video.mp4"
    video.write_bytes(_read(manifest.files.video))
    assert look(video).seconds == look(path).seconds
    head = boto3.client("s3").head_object(Bucket=BUCKET, Key=manifest.files.video)
    assert head["ContentType"] == "video/mp4"
    progress = StageProgress.model_validate_json(_read(keys.progress("upscale", 2)))
    assert progress.finished
    assert progress.done == progress.total == 16
    assert capsys.readouterr().err == ""


def test_a_bad_input_ends_with_exit_code_2_and_a_typed_error(bucket, rendered, capsys) -> None:
    path = rendered()
    keys = _put_order(path, erase=EraseSettings())
    boto3.client("s3").put_object(Bucket=BUCKET, Key="uploads/u1/source.mp4", Body=b"no video at all")
    assert _run("detect") == 2
    assert json.loads(_read(keys.error))["code"] == "UnreadableVideo"
    assert capsys.readouterr().err.count("\n") == 1


def test_a_work_order_elsewhere_is_refused(capsys) -> None:
    assert main(["run", "--work-order", "file:///order.json", "--stage", "detect"]) == 2
    assert "s3://BUCKET/jobs/ID/work_order.json" in capsys.readouterr().err
