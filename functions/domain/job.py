"""The job: what was asked for, its record, and the statuses it may pass through."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    SecretStr,
    StrictBool,
    ValidationInfo,
    field_validator,
    model_validator,
)

from domain.access import PIECES_AT_ONCE
from domain.origin import Origin
from domain.regions import MAX_REGIONS, Region, cover_frame
from domain.strict import Strict

DEFAULT_BITRATE_MBPS = 10
DEFAULT_PRIORITY = 6
LAST_PRIORITY = 10
MAX_NAME_LENGTH = 100
MAX_USER_DATA_BYTES = 1024
MAX_CALLBACK_URL_LENGTH = 2048
MODEL_NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class JobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Tell whether the job has ended."""
        return not ALLOWED_TRANSITIONS[self]


ALLOWED_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}


def sources_of(target: JobStatus) -> frozenset[JobStatus]:
    """Return the statuses from which ``target`` may be entered, for a conditional write."""
    return frozenset(status for status, allowed in ALLOWED_TRANSITIONS.items() if target in allowed)


class Stage(StrEnum):
    """The step of the state machine that a running job is in."""

    FETCH = "fetch"
    PROBE = "probe"
    PREVIEW = "preview"
    DETECT = "detect"
    PLAN = "plan"
    ERASE = "erase"
    UPSCALE = "upscale"
    ASSEMBLE = "assemble"


class Quality(StrEnum):
    """How much work the fill spends."""

    NORMAL = "normal"
    PREMIUM = "premium"


class CaptionBand(StrEnum):
    """Where captions are looked for when no region says so."""

    BOTTOM = "bottom"
    ANYWHERE = "anywhere"


class IconKind(StrEnum):
    """Whose mark an icon is: a television station's, or that of a platform on the internet."""

    TV = "tv"
    INTERNET = "internet"


class _Erasure(Strict):
    """Where to remove something and where not.

    What lies in ``keep`` is never touched, whatever it is. With ``erase_everything`` nothing is looked for: all of each
    region is erased and filled, as long as it counts.
    """

    # Before the regions, which are judged by it.
    erase_everything: StrictBool = False
    regions: Annotated[tuple[Region, ...], Field(max_length=MAX_REGIONS, validate_default=True)] = ()
    keep: Annotated[tuple[Region, ...], Field(max_length=MAX_REGIONS)] = ()

    @field_validator("regions")
    @classmethod
    def _leave_something(cls, regions: tuple[Region, ...], info: ValidationInfo) -> tuple[Region, ...]:
        if info.data.get("erase_everything"):
            if not regions:
                raise ValueError("erase_everything needs at least one region")
            if cover_frame(regions):
                raise ValueError("with erase_everything the regions must leave a part of the frame to fill them from")
        return regions


class CaptionErasure(_Erasure):
    """Which captions to remove: without regions, those that the detector finds in the bottom quarter.

    With the band ``anywhere`` the whole picture is looked at, and captions are told from other text by their ways: they
    come and go at a steady place while the picture goes on. What lies in ``keep`` is never touched, be it text or not.
    With ``erase_everything`` nothing is looked for: all of each region is erased and filled, as long as it counts.
    """

    band: CaptionBand = CaptionBand.BOTTOM

    @field_validator("band")
    @classmethod
    def _one_or_the_other(cls, band: CaptionBand, info: ValidationInfo) -> CaptionBand:
        if band is CaptionBand.ANYWHERE and info.data.get("regions"):
            raise ValueError("with the band anywhere there are no regions: give one or the other")
        return band


class IconErasure(_Erasure):
    """Which icons to remove: logos of the given kinds; without regions, those that are found anywhere in the picture.

    What lies in ``keep`` is never touched, be it an icon or not. With ``erase_everything`` nothing is looked for: all
    of each region is erased and filled, as long as it counts.
    """

    kinds: Annotated[tuple[IconKind, ...], Field(min_length=1, max_length=len(IconKind))] = tuple(IconKind)

    @field_validator("kinds")
    @classmethod
    def _each_once(cls, kinds: tuple[IconKind, ...]) -> tuple[IconKind, ...]:
        if len(set(kinds)) != len(kinds):
            raise ValueError("name each kind once")
        return kinds


def _captions_unless_icons(given: Mapping[str, Any]) -> CaptionErasure | None:
    return CaptionErasure() if given.get("icons") is None else None


class EraseSettings(Strict):
    """What to remove from the picture: captions where nothing is named, else what is named."""

    icons: IconErasure | None = None
    captions: CaptionErasure | None = Field(default_factory=_captions_unless_icons)
    quality: Quality = Quality.NORMAL

    @model_validator(mode="after")
    def _removes_something(self) -> Self:
        if self.captions is None and self.icons is None:
            raise ValueError("name at least one of captions and icons")
        both = [what for what in (self.captions, self.icons) if what is not None and what.erase_everything]
        if cover_frame([region for what in both for region in what.regions]):
            raise ValueError("with erase_everything the regions must leave a part of the frame to fill them from")
        return self


class UpscaleQuality(StrEnum):
    """How much work the network that doubles spends; ``auto`` is what suits the machine that does it."""

    AUTO = "auto"
    FAST = "fast"
    NORMAL = "normal"
    PREMIUM = "premium"


class UpscaleSettings(Strict):
    """How to enlarge the picture. ``bitrate_mbps`` is the video bitrate of the output in Mbit/s.

    ``model`` names a network that the service's operator has registered, in the place of one of its own qualities.
    """

    factor: Literal[2] = 2
    quality: UpscaleQuality = UpscaleQuality.AUTO
    model: Annotated[str, Field(pattern=MODEL_NAME_PATTERN)] | None = None
    bitrate_mbps: Annotated[int, Field(ge=1, le=100, strict=True)] = DEFAULT_BITRATE_MBPS

    @field_validator("model")
    @classmethod
    def _one_or_the_other(cls, model: str | None, info: ValidationInfo) -> str | None:
        if model is not None and info.data.get("quality") is not UpscaleQuality.AUTO:
            raise ValueError("give either a quality or a model")
        return model


UploadId = Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]


class Source(Strict):
    """Where the video comes from: exactly one of an upload, an S3 object, or an https URL."""

    upload_id: UploadId | None = None
    s3_uri: Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]{3,63}/.+$", max_length=1100)] | None = None
    url: Annotated[str, Field(max_length=2048)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.upload_id, self.s3_uri, self.url)) != 1:
            raise ValueError("give exactly one of upload_id, s3_uri, url")
        return self


class Output(Strict):
    """Where a copy of the result goes: the video, or a preview's SubRip captions.

    The bucket is one that the service's operator has opened for outputs. The key takes ``{source}`` (the source's file
    name without its extension), ``{timestamp}`` (Unix time of the submission) and ``{sequenceId}`` (00001).
    """

    s3_uri: Annotated[str, Field(pattern=r"^s3://[a-z0-9.-]{3,63}/.+$", max_length=1100)]


class JobCallback(Strict):
    """Where to tell of a job's end, in place of its owner's callback settings. The secret is never shown again.

    Without a secret, that of the owner's settings signs.
    """

    url: Annotated[str, Field(max_length=MAX_CALLBACK_URL_LENGTH)]
    secret: Annotated[SecretStr | None, Field(exclude=True)] = None


def _within_bytes(user_data: str) -> str:
    if len(user_data.encode()) > MAX_USER_DATA_BYTES:
        raise ValueError(f"user_data may hold at most {MAX_USER_DATA_BYTES} bytes of UTF-8")
    return user_data


#: Which of its owner's waiting jobs begins first: smaller is sooner.
Priority = Annotated[int, Field(ge=1, le=LAST_PRIORITY, strict=True)]

#: Given back unread.
UserData = Annotated[str, AfterValidator(_within_bytes)]


class JobRequest(Strict):
    """A request for one job: a source, and at least one of ``erase``, ``upscale``, and a template for an erase.

    What ``erase`` says wins over the template. With ``preview`` nothing is erased: pictures and a timeline show what
    would be.
    """

    source: Source
    template_id: Annotated[str, Field(max_length=100)] | None = None
    erase: EraseSettings | None = None
    upscale: UpscaleSettings | None = None
    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)] | None = None
    user_data: UserData | None = None
    callback: JobCallback | None = None
    output: Output | None = None
    priority: Priority = DEFAULT_PRIORITY
    preview: StrictBool = False

    @property
    def output_name(self) -> str:
        """Return which of the result's files is copied to ``output``."""
        return "captions_srt" if self.preview else "video"

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.erase is None and self.upscale is None and self.template_id is None:
            raise ValueError("ask for at least one of erase and upscale, or name a template_id")
        if self.preview and self.upscale is not None:
            raise ValueError("a preview shows what an erase would remove: leave upscale out")
        return self


class PreviewRequest(Strict):
    """A request for a preview: where captions and icons would be looked for. The fields are those of a job."""

    source: Source
    template_id: Annotated[str, Field(max_length=100)] | None = None
    captions: CaptionErasure | None = None
    icons: IconErasure | None = None
    name: Annotated[str, Field(max_length=MAX_NAME_LENGTH)] | None = None
    user_data: UserData | None = None
    callback: JobCallback | None = None
    output: Output | None = None
    priority: Priority = DEFAULT_PRIORITY

    def to_job_request(self) -> JobRequest:
        """Return the job that makes the preview."""
        wanted = {"captions": self.captions, "icons": self.icons}
        named = {name: settings for name, settings in wanted.items() if settings is not None}
        erase = EraseSettings.model_validate(named) if named or self.template_id is None else None
        return JobRequest(
            source=self.source,
            template_id=self.template_id,
            erase=erase,
            name=self.name,
            user_data=self.user_data,
            callback=self.callback,
            output=self.output,
            priority=self.priority,
            preview=True,
        )


class ObjectRef(Strict):
    """One version of one S3 object, or (on a laptop) a local file when ``bucket`` is empty."""

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def uri(self) -> str:
        """Return the address of the object, whatever its version."""
        return f"s3://{self.bucket}/{self.key}"


class SourceFacts(Strict):
    """What ProbeSource found in the file. Sizes in pixels as coded, before rotation is applied.

    ``container`` is one of mp4, mov, mkv, webm, avi, flv, ts, mpg, mxf, or FFmpeg's name for any other.
    ``rotation_degrees`` is the counter-clockwise turn that a player applies for display.
    """

    size_bytes: int
    container: str
    video_codec: str
    pixel_format: str
    width: int
    height: int
    rotation_degrees: Literal[0, 90, 180, 270] = 0
    duration_seconds: float | None = None
    frame_rate: str | None = None
    audio_codecs: tuple[str, ...] = ()


class JobError(Strict):
    """Why a job failed: a stable code (see ``domain.errors``) and one sentence."""

    code: str
    message: str


class ResultFacts(Strict):
    """What came out. Sizes in pixels as coded; ``upscaler`` names the method that enlarged, None without an upscale.

    ``nothing_found`` is true when an erase was asked for and there was nothing to erase: the picture is the source's.
    """

    nothing_found: bool
    width: int
    height: int
    duration_seconds: float
    frame_count: int
    upscaler: str | None = None


class CallbackTarget(Strict):
    """Where a job's own callback goes, and the secret that signs it, sealed."""

    url: str
    sealed_secret: str


class Delivery(Strict):
    """One attempt to tell of a job's end: the status that was answered, or why there was none."""

    at: AwareDatetime
    status: int | None = None
    error: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Tell whether the receiver took it: only a 2xx counts."""
        return self.status is not None and 200 <= self.status < 300


class Job(Strict):
    """The record of one job, as the jobs table holds it.

    ``request`` is None only on a failed job from the inbox, whose object's metadata could not be read as a request.
    ``pieces_at_once`` is what the key that submitted it allowed.
    """

    job_id: str
    owner: str
    request: JobRequest | None
    origin: Origin | None = None
    status: JobStatus = JobStatus.QUEUED
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    stage: Stage | None = None
    progress_percent: Annotated[int, Field(ge=0, le=100)] = 0
    segment_count: Annotated[int, Field(ge=1)] = 1
    pieces_at_once: Annotated[int, Field(ge=1)] = PIECES_AT_ONCE
    source_object: ObjectRef | None = None
    output_object: ObjectRef | None = None
    source_facts: SourceFacts | None = None
    error: JobError | None = None
    result_keys: dict[str, str] = Field(default_factory=dict)
    result_facts: ResultFacts | None = None
    callback: CallbackTarget | None = None
    deliveries: tuple[Delivery, ...] = ()
