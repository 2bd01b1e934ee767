"""What an erase would remove, to look at before it runs: pictures with all that was found, and ``timeline.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from domain.detection import Box, Detection, IconTrack
from domain.work_order import PreviewManifest
from gpu_worker.fill.overlays import Overlay, Subject, SubjectKind, overlays_of
from gpu_worker.stages.captions_text import caption_entries, displayed_box, to_srt, to_vtt
from gpu_worker.stages.detect import detect
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.pictures import Picture, fitted, middle_seconds, spread, write_png
from gpu_worker.video.source import VideoFacts, probe_video
from gpu_worker.video.stills import displayed, still_at
from gpu_worker.workspace import copy_atomically

TIMELINE_NAME = "timeline.json"
#: More pictures than this nobody looks through; those of a long video are spread over it.
MAX_PICTURES = 100
#: Each of them is a link in every answer about the job.
MAX_PUBLISHED_PICTURES = 20
LONG_SIDE_PIXELS = 1280
#: What the links to the pictures of captions and of icons begin with.
_PICTURE_LINKS = {SubjectKind.CAPTION: "picture_", SubjectKind.ICON: "icon_"}
_BOX_COLOUR = (0, 220, 255)
_MASK_COLOUR = (255, 0, 255)


def write_preview(job: StageJob, folder: Path, max_pictures: int = MAX_PICTURES) -> Detection:
    """Run the detect stage and leave in ``folder`` one PNG per caption and icon, and the timeline.

    The picture is taken at the middle of its life, an icon's at that of its longest stay. It shows all that is on
    screen at its moment: the box in yellow, the edge of the mask in magenta. The pictures of an earlier preview in
    ``folder`` go. The timeline is written last; where nothing was found it is empty.

    Raises:
        BadSourceError: one of its subclasses, when the source cannot be decoded.
        OSError: when ``folder`` cannot be written.
    """
    detect(job)
    detection = job.detection()
    path = job.workspace.source(job.order.source)
    facts = probe_video(path)
    folder.mkdir(parents=True, exist_ok=True)
    for kind in SubjectKind:
        for old in folder.glob(f"{kind}-[0-9]*.png"):
            old.unlink()
    overlays = overlays_of(detection.captions, detection.icons)
    moments = _moments(detection)
    names: dict[Subject, str] = {}
    for position in spread(len(moments), max_pictures):
        subject, frame, seconds = moments[position]
        names[subject] = f"{subject.kind}-{subject.index:05d}.png"
        picture = fitted(still_at(path, facts, seconds), LONG_SIDE_PIXELS)
        shown = [overlay for overlay in overlays if overlay.is_on(frame)]
        write_png(_marked(picture, shown, facts), folder / names[subject])
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
    for kind, link in _PICTURE_LINKS.items():
        for picture in sorted(folder.glob(f"{kind}-[0-9]*.png")):
            files[picture.stem.replace(f"{kind}-", link)] = keys.result(picture.name)
            workspace.publish(picture, keys.result(picture.name))
    files["timeline"] = keys.result(TIMELINE_NAME)
    workspace.publish(folder / TIMELINE_NAME, files["timeline"])
    manifest = PreviewManifest(
        files=files,
        nothing_found=detection.nothing_found,
        width=job.order.source_facts.width,
        height=job.order.source_facts.height,
        duration_seconds=detection.duration_seconds,
        frame_count=detection.frame_count,
    )
    workspace.write(keys.preview_manifest, manifest.model_dump_json().encode())


def _moments(detection: Detection) -> list[tuple[Subject, int, float]]:
    """Return when to look at each caption and each icon: frame, and seconds from the first one."""
    moments = [
        (
            Subject(SubjectKind.CAPTION, caption.index),
            (caption.start_frame + caption.end_frame) // 2,
            middle_seconds(caption),
        )
        for caption in detection.captions
    ]
    for icon in detection.icons:
        stay = max(icon.places, key=lambda place: place.end_frame - place.start_frame)
        frame = (stay.start_frame + stay.end_frame) // 2
        moments.append((Subject(SubjectKind.ICON, icon.index), frame, detection.about_seconds(frame + 0.5)))
    return moments


def _timeline(detection: Detection, facts: VideoFacts, pictures: dict[Subject, str]) -> str:
    def with_picture(entry: dict[str, Any], kind: SubjectKind) -> dict[str, Any]:
        return {**entry, "picture": pictures.get(Subject(kind, entry["index"]))}

    captions, icons = caption_entries(detection.captions, facts), _icon_entries(detection.icons, facts)
    document = {
        "version": 1,
        "frame_count": detection.frame_count,
        "duration_seconds": round(detection.duration_seconds, 3),
        "captions": [with_picture(entry, SubjectKind.CAPTION) for entry in captions],
        "icons": [with_picture(entry, SubjectKind.ICON) for entry in icons],
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _icon_entries(icons: Sequence[IconTrack], facts: VideoFacts) -> list[dict[str, Any]]:
    """Return per icon whose it is, and when and where (coded pixels, and fractions of the displayed picture)."""
    entries = []
    for icon in icons:
        places = []
        for place in icon.places:
            mark = icon.marks[place.mark]
            box = Box(x0=place.x, y0=place.y, x1=place.x + mark.width, y1=place.y + mark.height)
            places.append(
                {
                    "start_frame": place.start_frame,
                    "end_frame": place.end_frame,
                    "box_pixels": box.model_dump(),
                    "box_displayed": displayed_box(box, facts),
                }
            )
        entries.append(
            {
                "index": icon.index,
                "kind": icon.kind,
                "name": icon.name,
                "confidence": round(icon.confidence, 3),
                "kind_confidence": round(icon.kind_confidence, 3),
                "behaviour": icon.behaviour,
                "places": places,
            }
        )
    return entries


def _marked(picture: Picture, overlays: Sequence[Overlay], facts: VideoFacts) -> Picture:
    marked = picture.copy()
    height, width = marked.shape[:2]
    for overlay in overlays:
        covered = np.zeros((facts.height, facts.width), np.uint8)
        box = overlay.box
        covered[box.y0 : box.y1, box.x0 : box.x1] = np.where(overlay.mask, 255, 0)
        scaled = cv2.resize(displayed(covered, facts), (width, height), interpolation=cv2.INTER_AREA)
        edges, _ = cv2.findContours((scaled > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(marked, edges, -1, _MASK_COLOUR, 1)
        shown = displayed_box(box, facts)
        corner = (round(shown["x"] * width), round(shown["y"] * height))
        far = (round((shown["x"] + shown["width"]) * width) - 1, round((shown["y"] + shown["height"]) * height) - 1)
        cv2.rectangle(marked, corner, far, _BOX_COLOUR, 2)
    return marked
