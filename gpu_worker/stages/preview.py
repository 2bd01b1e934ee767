"""What an erase would remove, to look at before it runs: pictures with the captions marked, and ``timeline.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from domain.detection import CaptionEvent, Detection
from domain.work_order import PreviewManifest
from gpu_worker.stages.captions_text import caption_entries, displayed_box, to_srt, to_vtt
from gpu_worker.stages.detect import detect
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.pictures import Picture, fitted, middle_seconds, spread, write_png
from gpu_worker.video.masks import decode_mask
from gpu_worker.video.source import VideoFacts, probe_video
from gpu_worker.video.stills import displayed, still_at
from gpu_worker.workspace import copy_atomically

TIMELINE_NAME = "timeline.json"
#: More pictures than this nobody looks through; those of a long video are spread over it.
MAX_PICTURES = 100
#: Each of them is a link in every answer about the job.
MAX_PUBLISHED_PICTURES = 20
LONG_SIDE_PIXELS = 1280
_BOX_COLOUR = (0, 220, 255)
_MASK_COLOUR = (255, 0, 255)


def write_preview(job: StageJob, folder: Path, max_pictures: int = MAX_PICTURES) -> Detection:
    """Run the detect stage and leave in ``folder`` one PNG per caption, taken at its middle, and the timeline.

    A picture shows every caption on screen at its moment: the box in yellow, the edge of the mask in magenta. The
    pictures of an earlier preview in ``folder`` go. The timeline is written last; without captions it is empty.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be decoded.
        OSError: when ``folder`` cannot be written.
    """
    detect(job)
    detection = job.detection()
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    captions = detection.captions
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("caption-[0-9]*.png"):
        old.unlink()
    names: dict[int, str] = {}
    for position in spread(len(captions), max_pictures):
        caption = captions[position]
        names[caption.index] = f"caption-{caption.index:05d}.png"
        seconds = middle_seconds(caption)
        shown = [other for other in captions if other.start_seconds <= seconds < other.end_seconds]
        picture = fitted(still_at(path, facts, seconds), LONG_SIDE_PIXELS)
        write_png(_marked(picture, shown, facts), folder / names[caption.index])
    timeline = job.workspace.scratch / TIMELINE_NAME
    timeline.write_text(_timeline(detection, facts, names), encoding="utf-8")
    copy_atomically(timeline, folder / TIMELINE_NAME)
    return detection


def publish_preview(job: StageJob) -> None:
    """The preview stage: publish pictures, timeline and texts, and last of all the manifest, unless it is there.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be decoded.
    """
    keys, workspace = job.workspace.keys, job.workspace
    if workspace.exists(keys.preview_manifest):
        return
    folder = workspace.scratch / "preview"
    detection = write_preview(job, folder, MAX_PUBLISHED_PICTURES)
    texts = {"captions_srt": to_srt(detection.captions), "captions_vtt": to_vtt(detection.captions)}
    files = {name: keys.result(name.replace("_", ".")) for name in texts}
    for name, text in texts.items():
        workspace.write(files[name], text.encode())
    for picture in sorted(folder.glob("caption-[0-9]*.png")):
        files[picture.stem.replace("caption-", "picture_")] = keys.result(picture.name)
        workspace.publish(picture, keys.result(picture.name))
    files["timeline"] = keys.result(TIMELINE_NAME)
    workspace.publish(folder / TIMELINE_NAME, files["timeline"])
    manifest = PreviewManifest(
        files=files,
        nothing_found=not detection.captions,
        width=job.order.source_facts.width,
        height=job.order.source_facts.height,
        duration_seconds=detection.duration_seconds,
        frame_count=detection.frame_count,
    )
    workspace.write(keys.preview_manifest, manifest.model_dump_json().encode())


def _timeline(detection: Detection, facts: VideoFacts, pictures: dict[int, str]) -> str:
    entries = [
        {**entry, "picture": pictures.get(entry["index"])} for entry in caption_entries(detection.captions, facts)
    ]
    document = {
        "version": 1,
        "frame_count": detection.frame_count,
        "duration_seconds": round(detection.duration_seconds, 3),
        "captions": [{**entry, "picture": pictures.get(entry["index"])} for entry in entries],
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _marked(picture: Picture, captions: Sequence[CaptionEvent], facts: VideoFacts) -> Picture:
    marked = picture.copy()
    height, width = marked.shape[:2]
    for caption in captions:
        covered = np.zeros((facts.height, facts.width), np.uint8)
        box = caption.box
        covered[box.y0 : box.y1, box.x0 : box.x1] = np.where(decode_mask(caption), 255, 0)
        scaled = cv2.resize(displayed(covered, facts), (width, height), interpolation=cv2.INTER_AREA)
        edges, _ = cv2.findContours((scaled > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(marked, edges, -1, _MASK_COLOUR, 1)
        shown = displayed_box(box, facts)
        corner = (round(shown["x"] * width), round(shown["y"] * height))
        far = (round((shown["x"] + shown["width"]) * width) - 1, round((shown["y"] + shown["height"]) * height) - 1)
        cv2.rectangle(marked, corner, far, _BOX_COLOUR, 2)
    return marked
