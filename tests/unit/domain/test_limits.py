import pytest

from domain.errors import (
    InvalidRequestError,
    SourceTooLargeError,
    UnsupportedContainerError,
    UnsupportedResolutionError,
)
from domain.job import EraseSettings, SourceFacts, UpscaleSettings
from domain.limits import MAX_SOURCE_BYTES, check_source


def facts(width=640, height=360, container="mp4", size_bytes=1000):
    return SourceFacts(
        size_bytes=size_bytes,
        container=container,
        video_codec="h264",
        pixel_format="yuv420p",
        width=width,
        height=height,
    )


@pytest.mark.parametrize(("width", "height"), [(640, 360), (360, 640), (1920, 1080), (1080, 1920), (361, 360)])
def test_sizes_within_the_limits_are_taken(width, height):
    assert check_source(facts(width, height), None, UpscaleSettings()) is None


@pytest.mark.parametrize(("width", "height"), [(360, 360), (640, 359), (1921, 1080), (1920, 1081), (2160, 1200)])
def test_sizes_beyond_the_limits_are_refused_for_an_upscale_only(width, height):
    with pytest.raises(UnsupportedResolutionError):
        check_source(facts(width, height), None, UpscaleSettings())
    assert check_source(facts(width, height), EraseSettings(), None) is None


@pytest.mark.parametrize("container", ["avi", "mkv", "mov", "flv", "ts", "mpg", "mxf"])
def test_erase_takes_mp4_only(container):
    assert check_source(facts(container=container), None, UpscaleSettings()) is None
    with pytest.raises(UnsupportedContainerError):
        check_source(facts(container=container), EraseSettings(), UpscaleSettings())


def test_a_container_outside_the_list_is_refused_for_an_upscale():
    with pytest.raises(UnsupportedContainerError, match="webm"):
        check_source(facts(container="webm"), None, UpscaleSettings())


def test_one_gigabyte_is_the_limit():
    assert check_source(facts(size_bytes=MAX_SOURCE_BYTES), EraseSettings(), None) is None
    with pytest.raises(SourceTooLargeError):
        check_source(facts(size_bytes=MAX_SOURCE_BYTES + 1), EraseSettings(), None)


def with_range(name, start, end):
    region = {
        "x": 0,
        "y": 0.8,
        "width": 1,
        "height": 0.1,
        "time_ranges": [{"start_seconds": start, "end_seconds": end}],
    }
    return EraseSettings.model_validate({"captions": {name: [region]}})


@pytest.mark.parametrize("name", ["regions", "keep"])
def test_a_time_range_that_begins_after_the_end_is_refused(name):
    video = facts().model_copy(update={"duration_seconds": 10.0})
    with pytest.raises(InvalidRequestError, match="ends at 10 s") as refusal:
        check_source(video, with_range(name, 10, 20), None)
    assert refusal.value.field == f"erase.captions.{name}.0.time_ranges.0"


def test_a_time_range_that_only_ends_after_the_end_is_taken():
    video = facts().model_copy(update={"duration_seconds": 10.0})
    assert check_source(video, with_range("regions", 9.9, 20), None) is None
    assert check_source(facts(), with_range("regions", 10, 20), None) is None  # nobody knows how long it is
