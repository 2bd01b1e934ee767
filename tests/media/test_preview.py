"""The preview: the right moments, the captions where players show them, bounded in number and size."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from jobs import caption

from domain.detection import Box
from domain.errors import InvalidRequestError
from domain.job import EraseSettings, Stage
from domain.work_order import PreviewManifest
from gpu_worker.stages.pipeline import run_stage
from gpu_worker.stages.preview import LONG_SIDE_PIXELS, MAX_PICTURES, MAX_PUBLISHED_PICTURES, write_preview

BOX = Box(x0=16, y0=32, x1=80, y1=56)


def _yellow(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Return what the marks of the box enclose: x0, y0, x1, y1, far edges exclusive."""
    rows, columns = np.nonzero((picture == (0, 220, 255)).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _magenta(picture: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((picture == (255, 0, 255)).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_each_caption_is_marked_at_its_middle_and_listed(rendered, run_job, tmp_path) -> None:
    path = rendered(bar=(32, 38, 64, 50), bar_frames=(23, 25), shots=())
    job = run_job.job(path, erase=EraseSettings(), captions=(caption(0, 18, 30, BOX), caption(1, 33, 45, BOX, "")))
    detection = write_preview(job, tmp_path / "preview")
    assert len(detection.captions) == 2
    timeline = json.loads((tmp_path / "preview/timeline.json").read_text(encoding="utf-8"))
    assert [(entry["start_frame"], entry["picture"]) for entry in timeline["captions"]] == [
        (18, "caption-00000.png"),
        (33, "caption-00001.png"),
    ]
    assert timeline["frame_count"] == 48
    first, second = (cv2.imread(str(tmp_path / "preview" / entry["picture"])) for entry in timeline["captions"])
    assert first.shape == (64, 96, 3)
    # The bar burnt into the two frames in the middle is there, inside the contour of the mask.
    assert first[40:48, 36:60, 1].mean() > 225
    assert second[40:48, 36:60, 1].mean() < 225
    for picture in (first, second):
        x0, y0, x1, y1 = _yellow(picture)
        assert np.abs(np.subtract((x0, y0, x1, y1), (BOX.x0, BOX.y0, BOX.x1, BOX.y1))).max() <= 1
        assert np.abs(np.subtract(_magenta(picture), (32, 38, 64, 50))).max() <= 1


def test_a_turned_video_is_shown_as_players_do(rendered, run_job, tmp_path) -> None:
    path = rendered(rotation=(90.0, False))
    job = run_job.job(path, erase=EraseSettings(), captions=(caption(0, 18, 30, BOX),))
    write_preview(job, tmp_path / "preview")
    picture = cv2.imread(str(tmp_path / "preview/caption-00000.png"))
    assert picture.shape == (96, 64, 3)
    shown = json.loads((tmp_path / "preview/timeline.json").read_text())["captions"][0]["box_displayed"]
    x0, y0 = shown["x"] * 64, shown["y"] * 96
    expected = (x0, y0, x0 + shown["width"] * 64, y0 + shown["height"] * 96)
    assert np.abs(np.subtract(_yellow(picture), expected)).max() < 1.5


@pytest.mark.parametrize("count", [MAX_PICTURES, MAX_PICTURES + 1])
def test_a_caption_too_many_has_no_picture_but_is_listed(count, rendered, run_job, tmp_path) -> None:
    preview = tmp_path / "preview"
    preview.mkdir()
    (preview / "caption-99999.png").write_bytes(b"of an earlier preview")
    (preview / "notes.txt").write_text("somebody's own")
    captions = tuple(caption(index, index % 40, index % 40 + 5, BOX) for index in range(count))
    job = run_job.job(rendered(audio=()), erase=EraseSettings(), captions=captions)
    write_preview(job, preview)
    entries = json.loads((preview / "timeline.json").read_text())["captions"]
    named = [entry["picture"] for entry in entries if entry["picture"] is not None]
    assert (len(entries), len(named)) == (count, MAX_PICTURES)
    assert sorted(file.name for file in preview.iterdir()) == [*named, "notes.txt", "timeline.json"]


def test_pictures_of_a_large_video_are_made_smaller(rendered, run_job, tmp_path) -> None:
    path = rendered(width=1920, height=1080, frames=4, shots=(), audio=())
    large = Box(x0=400, y0=900, x1=1500, y1=1000)
    write_preview(run_job.job(path, erase=EraseSettings(), captions=(caption(0, 0, 4, large),)), tmp_path / "preview")
    picture = cv2.imread(str(tmp_path / "preview/caption-00000.png"))
    assert picture.shape == (720, LONG_SIDE_PIXELS, 3)
    assert np.abs(np.subtract(_yellow(picture), np.multiply((400, 900, 1500, 1000), 2 / 3))).max() <= 2


def test_the_preview_stage_publishes_pictures_timeline_and_texts_once(rendered, run_job) -> None:
    captions = tuple(caption(index, index, index + 5, BOX, "words") for index in range(MAX_PUBLISHED_PICTURES + 1))
    job = run_job.job(rendered(shots=()), erase=EraseSettings(), captions=captions)
    with pytest.raises(InvalidRequestError, match="preview"):
        run_stage(job, Stage.PREVIEW, 0)
    job = replace(job, order=job.order.model_copy(update={"preview": True}))

    run_stage(job, Stage.PREVIEW, 0)

    workspace = job.workspace
    manifest = PreviewManifest.model_validate_json(workspace.read(workspace.keys.preview_manifest))
    assert (manifest.frame_count, manifest.nothing_found) == (48, False)
    pictures = [name for name in manifest.files if name.startswith("picture_")]
    assert len(pictures) == MAX_PUBLISHED_PICTURES
    assert manifest.files.keys() - set(pictures) == {"timeline", "captions_srt", "captions_vtt"}
    for name, key in manifest.files.items():
        content = workspace.fetch(key).read_bytes()
        assert content.startswith(b"\x89PNG") == (name in pictures)
    timeline = json.loads(workspace.read(manifest.files["timeline"]))
    listed = {entry["picture"] for entry in timeline["captions"]} - {None}
    assert {key.rsplit("/", 1)[-1] for key in (manifest.files[name] for name in pictures)} == listed
    assert workspace.read(manifest.files["captions_srt"]).decode().startswith("1\n")

    workspace.fetch(manifest.files["timeline"]).unlink()
    run_stage(job, Stage.PREVIEW, 0)  # finds what it left, and does nothing
    assert not workspace.exists(manifest.files["timeline"])
