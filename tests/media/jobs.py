"""Jobs for the media tests: all stages in a local workspace, with a finder that knows what to find."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from domain.detection import Box, CaptionEvent
from domain.job import EraseSettings, ObjectRef, UpscaleSettings
from domain.progress import StageProgress
from domain.work_order import ResultManifest, WorkOrder
from gpu_worker.stages.job import StageJob, open_caption_finder
from gpu_worker.stages.pipeline import run_all
from gpu_worker.stages.report import Report
from gpu_worker.video.frame import Frame
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import LocalWorkspace


def caption(index: int, start_frame: int, end_frame: int, box: Box, text: str = "words") -> CaptionEvent:
    """A caption whose mask is a bar in the middle of its box, at 30 frames a second."""
    mask = np.zeros((box.height, box.width), np.uint8)
    mask[box.height // 4 : -box.height // 4, box.width // 4 : -box.width // 4] = 255
    return CaptionEvent(
        index=index,
        start_frame=start_frame,
        end_frame=end_frame,
        start_seconds=start_frame / 30,
        end_seconds=end_frame / 30,
        box=box,
        mask_png=base64.b64encode(cv2.imencode(".png", mask)[1].tobytes()).decode(),
        text=text,
        confidence=0.9,
    )


class KnowingFinder:
    """Stands for the caption finder: reports what it was given, and remembers what it was fed."""

    def __init__(self, captions: tuple[CaptionEvent, ...]) -> None:
        self.captions = captions
        self.seconds: list[float] = []

    def process_frame(self, frame: Frame, seconds: float) -> None:
        self.seconds.append(seconds)

    def flush(self) -> tuple[CaptionEvent, ...]:
        return self.captions


@dataclass
class Outcome:
    workspace: LocalWorkspace
    manifest: ResultManifest
    report: Report
    progress: list[StageProgress]

    @property
    def video(self) -> Path:
        return self.workspace.fetch(self.manifest.files.video)


@dataclass
class JobRunner:
    folder: Path
    progress: list[StageProgress] = field(default_factory=list)

    def job(
        self,
        source: Path,
        *,
        erase: EraseSettings | None = None,
        upscale: UpscaleSettings | None = None,
        captions: tuple[CaptionEvent, ...] | None = (),
    ) -> StageJob:
        """A job whose finder knows what to find; with ``captions`` None, one that looks for itself."""
        order = WorkOrder(
            job_id=None,
            source=ObjectRef(bucket="", key=str(source)),
            source_facts=probe_video(source).to_source_facts(),
            erase=erase,
            upscale=upscale,
        )
        return StageJob(
            LocalWorkspace(self.folder),
            order,
            self.progress.append,
            open_finder=open_caption_finder if captions is None else lambda *_: KnowingFinder(captions),
        )

    def __call__(
        self,
        source: Path,
        *,
        erase: EraseSettings | None = None,
        upscale: UpscaleSettings | None = None,
        captions: tuple[CaptionEvent, ...] | None = (),
        target_segment_seconds: float = 60,
    ) -> Outcome:
        job = self.job(source, erase=erase, upscale=upscale, captions=captions)
        run_all(job, target_segment_seconds)
        workspace = job.workspace
        assert isinstance(workspace, LocalWorkspace)
        manifest = ResultManifest.model_validate_json(workspace.read(workspace.keys.result_manifest))
        report = Report.model_validate_json(workspace.read(manifest.files.report))
        return Outcome(workspace, manifest, report, self.progress)
