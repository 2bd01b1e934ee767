"""What the service takes: checked when a job is submitted (as far as known) and by ProbeSource; not by the worker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.errors import (
    InvalidRequestError,
    SourceTooLargeError,
    UnsupportedContainerError,
    UnsupportedResolutionError,
    UploadNotFoundError,
)
from domain.job import EraseSettings, SourceFacts, UpscaleSettings
from domain.regions import Region

MAX_SOURCE_BYTES = 1024**3
UPLOAD_LIFETIME_SECONDS = 24 * 3600
MIN_SIDE = 360
MAX_LONG_SIDE = 1920
MAX_SHORT_SIDE = 1080

#: Containers that each function takes, as ``SourceFacts.container`` names them.
ERASE_CONTAINERS = frozenset({"mp4"})
UPSCALE_CONTAINERS = frozenset({"mp4", "avi", "mkv", "mov", "flv", "ts", "mpg", "mxf"})


def check_size(size_bytes: int) -> None:
    """Refuse a source over 1 GiB.

    Raises:
        SourceTooLargeError: when it is larger.
    """
    if size_bytes > MAX_SOURCE_BYTES:
        raise SourceTooLargeError(
            f"the source has {size_bytes} bytes; at most {MAX_SOURCE_BYTES} (1 GB) are taken", allowed="<= 1 GB"
        )


def check_upload_age(upload_id: str, uploaded_at: datetime, now: datetime, *, field: str) -> None:
    """Refuse a file that was uploaded more than a day ago: S3 deletes at midnight, which may be a day late.

    Raises:
        UploadNotFoundError: when it was.
    """
    if now - uploaded_at > timedelta(seconds=UPLOAD_LIFETIME_SECONDS):
        raise UploadNotFoundError(f"the upload {upload_id} has expired", field=field)


def check_source(facts: SourceFacts, erase: EraseSettings | None, upscale: UpscaleSettings | None) -> None:
    """Refuse what the requested functions do not take.

    Raises:
        SourceTooLargeError: over 1 GB.
        UnsupportedContainerError: a container outside the function's list.
        UnsupportedResolutionError: outside the limits for an upscale.
        InvalidRequestError: a region counts only after the end of the video.
    """
    check_size(facts.size_bytes)
    if erase is not None:
        _check_container(facts, ERASE_CONTAINERS, "erase")
        _check_time_ranges(facts, erase)
    if upscale is not None:
        _check_container(facts, UPSCALE_CONTAINERS, "upscale")
        check_upscale_size(facts.width, facts.height)


def _check_time_ranges(facts: SourceFacts, erase: EraseSettings) -> None:
    """Refuse a time range that begins after the end; one that only ends there is cut, as players do it."""
    if facts.duration_seconds is None:
        return
    for field, region in _regions(erase):
        for index, span in enumerate(region.time_ranges):
            if span.start_seconds >= facts.duration_seconds:
                raise InvalidRequestError(
                    f"the time range begins at {span.start_seconds:g} s;"
                    f" the video ends at {facts.duration_seconds:g} s",
                    field=f"{field}.time_ranges.{index}",
                    allowed=f"< {facts.duration_seconds:g}",
                )


def _regions(erase: EraseSettings) -> Iterator[tuple[str, Region]]:
    """Return every region of an erase after the name of its field."""
    for what, erasure in (("captions", erase.captions), ("icons", erase.icons)):
        if erasure is not None:
            for name, regions in (("regions", erasure.regions), ("keep", erasure.keep)):
                for number, region in enumerate(regions):
                    yield f"erase.{what}.{name}.{number}", region


def _check_container(facts: SourceFacts, allowed: frozenset[str], function: str) -> None:
    if facts.container not in allowed:
        names = ", ".join(sorted(allowed))
        raise UnsupportedContainerError(
            f"{function} does not take the container {facts.container}; allowed: {names}", allowed=names
        )


def check_upscale_size(width: int, height: int) -> None:
    """Refuse a picture that is too small or too large to be doubled; sizes in pixels, in either orientation.

    Raises:
        UnsupportedResolutionError: when it is.
    """
    short, long = sorted((width, height))
    if short < MIN_SIDE or short * long <= MIN_SIDE * MIN_SIDE:
        raise UnsupportedResolutionError(
            f"upscale takes no side under {MIN_SIDE} px and more than {MIN_SIDE}x{MIN_SIDE} pixels;"
            f" the source has {width}x{height}"
        )
    if short > MAX_SHORT_SIDE or long > MAX_LONG_SIDE:
        raise UnsupportedResolutionError(
            f"upscale takes at most {MAX_LONG_SIDE}x{MAX_SHORT_SIDE} in either orientation;"
            f" the source has {width}x{height}"
        )
