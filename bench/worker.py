"""The worker's own stages on one file, as its command line runs them: what is measured is what is shipped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domain.detection import Box, CaptionEvent, Detection, IconTrack
from domain.job import EraseSettings, ObjectRef, Quality, Stage, UpscaleSettings
from domain.planning import plan_segments
from domain.progress import StageProgress
from domain.work_order import LibraryIcon, WorkOrder
from gpu_worker.fill.eraser import erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.inference.session import Device
from gpu_worker.stages.filling import open_second_look
from gpu_worker.stages.job import EraseRecord, StageJob, StageRecord
from gpu_worker.stages.pipeline import run_all, run_stage
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import Mask
from gpu_worker.video.patches import PatchStream, apply_patches, patched
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import LocalWorkspace


@dataclass(frozen=True, slots=True, eq=False)
class Erased:
    """A video's frames with what was erased, before any encoder; what was found, and the records of the stages."""

    frames: list[Frame]
    detection: Detection
    detect: StageRecord
    erase: tuple[EraseRecord, ...]

    @property
    def coverage(self) -> float:
        """Share of the covered pixels that were filled with true ones; 1 where nothing was covered."""
        masked = sum(record.pixels_masked for record in self.erase)
        return sum(record.pixels_from_frames for record in self.erase) / masked if masked else 1.0


def erase_patches(
    source: Path,
    folder: Path,
    settings: EraseSettings,
    *,
    truth: tuple[CaptionEvent, ...] | tuple[IconTrack, ...] | None = None,
    found_in: Path | None = None,
) -> Erased:
    """Run detect and erase on ``source``, an 8-bit video, up to the lossless patches that an upscale would get.

    Args:
        source: the video with captions or icons.
        folder: of the job.
        settings: what is to go.
        truth: the captions or icons, where they are not to be looked for.
        found_in: folder of an earlier job on the same video, whose detection is taken over.
    """
    job = _job(source, folder, settings, UpscaleSettings())
    keys = job.workspace.keys
    if found_in is not None:
        for key in (keys.detection, keys.stage_record(Stage.DETECT)):
            job.workspace.write(key, LocalWorkspace(found_in).read(key))
    if truth is not None:
        # Nothing is looked for, but the shots are needed.
        shots_only = _job(source, folder, None, UpscaleSettings())
        run_stage(shots_only, Stage.DETECT, 0)
        captions = tuple(item for item in truth if isinstance(item, CaptionEvent))
        icons = tuple(item for item in truth if isinstance(item, IconTrack))
        known = job.detection().model_copy(update={"captions": captions, "icons": icons})
        job.workspace.write(keys.detection, known.model_dump_json().encode())
    run_stage(job, Stage.DETECT, 0)
    plan = plan_segments(job.detection())
    job.workspace.write(keys.plan, plan.model_dump_json().encode())
    for segment in plan.segments:
        run_stage(job, Stage.ERASE, segment.index)
    records = tuple(
        EraseRecord.model_validate_json(job.workspace.read(keys.stage_record(Stage.ERASE, segment.index)))
        for segment in plan.segments
    )
    streams = [
        PatchStream(patch.box, job.workspace.fetch(keys.segment_file(record.segment, patch.name)))
        for record in records
        for patch in record.patches
    ]
    facts = probe_video(source)
    return Erased(
        frames=list(patched(FrameReader(source, facts).frames(), streams, facts.bit_depth)),
        detection=job.detection(),
        detect=StageRecord.model_validate_json(job.workspace.read(keys.stage_record(Stage.DETECT))),
        erase=records,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    """A video's frames as the fill leaves them without a network; of each, what nothing showed (H, W)."""

    frames: list[Frame]
    made_up: list[Mask]

    def share_of(self, masks: Sequence[Mask]) -> float:
        """Return the share of masked pixels that nothing showed; 0 where nothing is masked."""
        masked = sum(int(mask.sum()) for mask in masks)
        return sum(int((mask & made).sum()) for mask, made in zip(masks, self.made_up, strict=True)) / max(1, masked)


def erase_without_network(source: Path, detection: Detection, settings: EraseSettings) -> Alone:
    """Run the fill alone on what was found in ``source``, an 8-bit video, with whatever network is there left out."""
    facts = probe_video(source)
    reader = FrameReader(source, facts)
    made_up: dict[int, Mask] = {}

    def note(index: int, box: Box, mask: Mask) -> None:
        whole = made_up.setdefault(index, np.zeros((facts.height, facts.width), dtype=bool))
        whole[box.y0 : box.y1, box.x0 : box.x1] |= mask

    changed = erase(
        reader.frames(),
        overlays_of(detection.captions, detection.icons),
        detection.shots,
        Quality(settings.quality),
        second_look=open_second_look(settings, facts, Device.CPU),
        tell_made_up=note,
    )
    frames = [apply_patches(*pair) for pair in changed]
    nothing = np.zeros((facts.height, facts.width), dtype=bool)
    return Alone(frames, [made_up.get(frame.index, nothing) for frame in frames])


def erase_to_video(
    source: Path, folder: Path, settings: EraseSettings, icon_library: tuple[LibraryIcon, ...] = ()
) -> float:
    """Run a whole erase job on ``source``, encoded result and all; return the seconds that it took."""
    job = _job(source, folder, settings, None, icon_library)
    started = time.perf_counter()
    run_all(job)
    return time.perf_counter() - started


def _job(
    source: Path,
    folder: Path,
    erase: EraseSettings | None,
    upscale: UpscaleSettings | None,
    icon_library: tuple[LibraryIcon, ...] = (),
) -> StageJob:
    order = WorkOrder(
        job_id=None,
        source=ObjectRef(bucket="", key=str(source.resolve())),
        source_facts=probe_video(source).to_source_facts(),
        erase=erase,
        upscale=upscale,
        icon_library=icon_library,
    )
    return StageJob(LocalWorkspace(folder), order, _unheard)


def _unheard(_progress: StageProgress) -> None:
    """Take a progress report that nobody reads."""
