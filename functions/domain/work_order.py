"""What the worker is told: the work order (ProbeSource writes it) and the plan of segments (PlanSegments writes it)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domain.icon import IconMediaType
from domain.job import EraseSettings, IconKind, ObjectRef, SourceFacts, UpscaleSettings
from domain.strict import Strict


class LibraryIcon(Strict):
    """One icon of the library that a job's icons are compared with.

    ``picture`` is the file as its owner gave it: found as the source is, in its bucket, or on a laptop as a local file.
    """

    icon_id: str
    name: str
    kind: IconKind
    picture: ObjectRef
    media_type: IconMediaType


class WorkOrder(Strict):
    """One job as the worker sees it. ``job_id`` is None on a laptop, where the work folder holds one job.

    ``icon_library`` holds the job's owner's icons of the kinds to be removed; empty where no icons are.
    ``upscale_model`` is the network that ``upscale.model`` names, an ONNX file found as the source is.
    """

    version: Literal[1] = 1
    job_id: str | None
    source: ObjectRef
    source_facts: SourceFacts
    erase: EraseSettings | None = None
    upscale: UpscaleSettings | None = None
    preview: bool = False
    icon_library: tuple[LibraryIcon, ...] = ()
    upscale_model: ObjectRef | None = None


class Segment(Strict):
    """A piece of the video, between two shot cuts or renewals. ``end_pts`` is exclusive and None for the last piece.

    One that begins within a shot needs ``lead_frames`` before its first as context, of which the earliest has the pts
    ``lead_pts``. ``tail_frames`` behind its last are context for sure where it ends within a shot: no wall is there.
    """

    index: int = Field(ge=0)
    start_frame: int = Field(ge=0)
    end_frame: int = Field(gt=0)
    start_pts: int
    end_pts: int | None
    lead_frames: int = Field(default=0, ge=0)
    lead_pts: int | None = None
    tail_frames: int = Field(default=0, ge=0)


class Plan(Strict):
    """All pieces in order; they cover the video without gap or overlap."""

    version: Literal[1] = 1
    segments: tuple[Segment, ...] = Field(min_length=1)


class ResultFiles(Strict):
    """Keys of the published files, as ``JobKeys.result`` names them; caption files only if an erase was asked for."""

    video: str
    report: str
    captions_srt: str | None = None
    captions_vtt: str | None = None
    captions_json: str | None = None
    before_after: str | None = None


class ResultManifest(Strict):
    """What assemble published: ``result.json``, written last, so that its presence means a complete result.

    ``width`` and ``height`` are pixels as coded, before rotation. ``nothing_found`` is true when an erase was asked for
    and no caption was there; ``upscaler`` is the name of the method that enlarged the picture, None without an upscale.
    ``machine_seconds`` is the time of all stages together, None in a manifest of an older worker.
    """

    version: Literal[1] = 1
    files: ResultFiles
    nothing_found: bool
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    duration_seconds: float = Field(ge=0)
    frame_count: int = Field(gt=0)
    upscaler: str | None = None
    machine_seconds: Annotated[float, Field(ge=0)] | None = None


class PreviewManifest(Strict):
    """What the preview stage published: written last, so that its presence means a complete preview.

    ``files`` are keys by names that links are given under: timeline, captions_srt, captions_vtt, picture_00000 for the
    caption of that index, icon_00000 for the icon. ``width`` and ``height`` are pixels of the source as coded;
    ``machine_seconds`` as in a result's manifest.
    """

    version: Literal[1] = 1
    files: dict[str, str]
    nothing_found: bool
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    duration_seconds: float = Field(ge=0)
    frame_count: int = Field(gt=0)
    machine_seconds: Annotated[float, Field(ge=0)] | None = None
