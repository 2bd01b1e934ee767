"""Boxes as players show them, frame rates as they really were, and moments spread over the video."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from domain.detection import Box, CaptionEvent, Detection, Shot
from gpu_worker.stages.before_after import moments
from gpu_worker.stages.captions_text import displayed_box, to_srt, to_vtt
from gpu_worker.stages.job import true_frame_rate
from gpu_worker.video.source import ColourTags, VideoFacts

FACTS = VideoFacts(
    size_bytes=1,
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    width=200,
    height=100,
    bit_depth=8,
    time_base=Fraction(1, 90_000),
    frame_rate=Fraction(30_000, 1001),
    duration_seconds=None,
    sample_aspect_ratio=None,
    colour=ColourTags(2, 2, 2, 0),
    display_matrix=None,
    rotation_degrees=0,
    mirrored=False,
    field_order="progressive",
    has_alpha=False,
    audio_codecs=(),
)


@pytest.mark.parametrize(
    ("rotation", "mirrored", "expected"),
    [
        (0, False, (0.1, 0.6, 0.2, 0.3)),
        (90, False, (0.6, 0.7, 0.3, 0.2)),
        (180, False, (0.7, 0.1, 0.2, 0.3)),
        (270, False, (0.1, 0.1, 0.3, 0.2)),
        (0, True, (0.7, 0.6, 0.2, 0.3)),
    ],
)
def test_boxes_are_turned_as_the_picture_is(rotation, mirrored, expected) -> None:
    box = Box(x0=20, y0=60, x1=60, y1=90)
    shown = displayed_box(box, replace(FACTS, rotation_degrees=rotation, mirrored=mirrored))
    assert tuple(shown.values()) == pytest.approx(expected)


def _detection(frames: int, seconds: float) -> Detection:
    return Detection(
        frame_count=frames,
        time_base="1/90000",
        first_pts=0,
        duration_seconds=seconds,
        seekable=True,
        shots=(Shot(start_frame=0, end_frame=frames, start_pts=0),),
    )


def test_the_containers_rate_stands_where_it_is_right() -> None:
    assert true_frame_rate(_detection(300, 10.01), FACTS) == Fraction(30_000, 1001)
    assert true_frame_rate(_detection(150, 10.0), FACTS) == 15
    assert true_frame_rate(_detection(1, 0.04), FACTS) == Fraction(30_000, 1001)


def test_without_captions_the_middle_is_shown() -> None:
    assert moments(_detection(300, 10)) == [5]


def _said(text: str) -> CaptionEvent:
    return CaptionEvent(
        index=0,
        start_frame=0,
        end_frame=1,
        start_seconds=3661.5,
        end_seconds=3662.0004,
        box=Box(x0=0, y0=0, x1=1, y1=1),
        mask_png="",
        text=text,
    )


def test_a_web_caption_cannot_break_out_of_its_cue() -> None:
    assert to_vtt([_said("<b> & --> on\nand on")]) == (
        "WEBVTT\n\n01:01:01.500 --> 01:01:02.000\n&lt;b&gt; &amp; --&gt; on\nand on\n"
    )
    assert "<b> & --> on" in to_srt([_said("<b> & --> on")])


def test_without_readable_captions_the_files_are_empty_but_valid() -> None:
    assert (to_srt([_said("")]), to_vtt([_said("")])) == ("", "WEBVTT\n")
