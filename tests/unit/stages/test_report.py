"""The report: parts of a caption come together, what may be seen is said in words, and every field is explained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from domain.detection import (
    Box,
    CaptionEvent,
    Detection,
    IconBehaviour,
    IconPlace,
    IconTrack,
    Mark,
    Shot,
)
from domain.job import IconKind, Stage
from gpu_worker.fill.second_look import Redone
from gpu_worker.review import judge
from gpu_worker.stages.job import EraseRecord, FillRecord
from gpu_worker.stages.report import PixelSources, Report, erase_summary, erase_warnings, summary_lines

PAGE = (Path(__file__).parents[3] / "docs" / "report.md").read_text(encoding="utf-8")
CLEAN = FillRecord(
    index=0,
    frames=10,
    pixels_masked=1000,
    pixels_from_frames=900,
    residual=0.0,
    ghost_levels=1.5,
    seam=1.1,
    flicker=1.2,
    redone=Redone.NONE,
    passed=True,
)


def _caption(index: int, text: str = "") -> CaptionEvent:
    return CaptionEvent(
        index=index,
        start_frame=30 * index,
        end_frame=30 * index + 20,
        start_seconds=float(index),
        end_seconds=index + 0.667,
        box=Box(x0=10, y0=20, x1=110, y1=40),
        mask_png="",
        text=text,
    )


def _icon(behaviour: IconBehaviour = IconBehaviour.STILL, *places: tuple[int, int, int, int]) -> IconTrack:
    return IconTrack(
        index=0,
        kind=IconKind.TV,
        name="News 24",
        confidence=0.9,
        kind_confidence=0.7,
        behaviour=behaviour,
        marks=(Mark(width=40, height=20, mask_png=""),),
        places=tuple(
            IconPlace(start_frame=start, end_frame=end, x=x, y=y, mark=0)
            for start, end, x, y in places or ((0, 90, 10, 12),)
        ),
    )


def _detection(*captions: CaptionEvent, icons: tuple[IconTrack, ...] = ()) -> Detection:
    return Detection(
        frame_count=90,
        time_base="1/90000",
        first_pts=0,
        duration_seconds=3,
        seekable=True,
        shots=(Shot(start_frame=0, end_frame=90, start_pts=0),),
        captions=captions,
        icons=icons,
    )


def _segment(
    index: int, *captions: FillRecord, icons: tuple[FillRecord, ...] = (), outside_difference: int = 0
) -> EraseRecord:
    return EraseRecord(
        stage=Stage.ERASE,
        segment=index,
        seconds=1,
        frames=45,
        outcome="piece",
        frames_changed=sum(caption.frames for caption in captions),
        pixels_masked=sum(caption.pixels_masked for caption in captions),
        pixels_from_frames=sum(caption.pixels_from_frames for caption in captions),
        outside_difference=outside_difference,
        captions=captions,
        icons=icons,
    )


def _changed(record: FillRecord, **changes) -> FillRecord:
    return record.model_copy(update=changes)


def test_a_caption_in_two_segments_is_as_good_as_its_worst_part() -> None:
    ghostly = _changed(CLEAN, pixels_from_frames=100, ghost_levels=9.0, redone=Redone.LARGER_MASK, passed=False)
    summary = erase_summary(_detection(_caption(0, "Hello")), [_segment(0, CLEAN), _segment(1, ghostly)])
    (event,) = summary.events
    assert (event.ghost_levels, event.seam, event.passed) == (9.0, 1.1, False)
    assert event.redone is Redone.LARGER_MASK
    assert event.coverage == summary.coverage == 0.5
    assert (summary.captions, summary.captions_redone, summary.captions_failed) == (1, 1, 1)


def test_unmatted_pixels_are_a_share_of_all_that_changed() -> None:
    summary = erase_summary(_detection(_caption(0)), [_segment(0, _changed(CLEAN, pixels_seen_through=3000))])
    assert summary.events[0].unmatted_share == 0.75
    assert summary.events[0].coverage == 0.9


def test_where_the_pixels_came_from_adds_up_to_one() -> None:
    parts = {"pixels_masked": 800, "pixels_from_frames": 500, "pixels_seen_through": 200, "pixels_painted": 100}
    records = [_segment(index, CLEAN).model_copy(update={**parts, "fill_model": "fill-test"}) for index in range(2)]
    summary = erase_summary(_detection(_caption(0)), records)
    assert summary.sources == PixelSources(frames=0.5, through=0.2, network=0.1, beside=0.2)
    assert any("10 % from fill-test" in line for line in summary_lines(summary, ()))
    assert erase_summary(_detection(), []).sources is None


def test_an_icons_shares_add_up_to_all_that_it_changed() -> None:
    parts = (_changed(CLEAN, pixels_seen_through=1000), _changed(CLEAN, pixels_from_frames=100, seam=1.4))
    records = [_segment(index, icons=(part,)) for index, part in enumerate(parts)]
    summary = erase_summary(_detection(icons=(_icon(),)), records)
    (track,) = summary.icon_tracks
    assert (track.name, track.kind, track.behaviour) == ("News 24", IconKind.TV, IconBehaviour.STILL)
    assert (track.recovered_share, track.unmatted_share, track.filled_share) == (0.3333, 0.3333, 0.3333)
    assert (track.seam, track.passed) == (1.4, True)
    assert (summary.icons, summary.icons_redone, summary.icons_failed) == (1, 0, 0)
    assert summary_lines(summary, ())[0] == "1 icon removed; 0 filled again, 0 may still be seen"


def test_the_way_of_a_mark_that_moves_is_one_place_until_it_pauses() -> None:
    places = ((0, 2, 10, 12), (2, 3, 12, 13), (5, 6, 30, 12))
    drifting = _icon(IconBehaviour.MOVING, *places)
    summary = erase_summary(_detection(icons=(drifting,)), [_segment(0, icons=(CLEAN,))])
    assert [(place.start_frame, place.end_frame) for place in summary.icon_tracks[0].places] == [(0, 3), (5, 6)]
    assert summary.icon_tracks[0].places[0].box == Box(x0=10, y0=12, x1=52, y1=33)
    jumping = _icon(IconBehaviour.JUMPING, *places)
    summary = erase_summary(_detection(icons=(jumping,)), [_segment(0, icons=(CLEAN,))])
    assert len(summary.icon_tracks[0].places) == 3


def test_an_icon_that_may_be_seen_is_warned_of_by_its_name() -> None:
    failed = _changed(CLEAN, residual=0.4, passed=False)
    summary = erase_summary(_detection(icons=(_icon(),)), [_segment(0, icons=(failed,))])
    assert erase_warnings(summary) == ("icon 0 (News 24, frames 0-90): edges of it are still there",)


def test_what_passed_is_not_warned_of() -> None:
    summary = erase_summary(_detection(_caption(0)), [_segment(0, CLEAN)])
    assert erase_warnings(summary) == ()


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"residual": 0.2}, "something like text is still there"),
        ({"ghost_levels": 8.0}, "a ghost of it may be seen"),
        ({"seam": 3.0}, "the edge of what was filled may be seen"),
        ({"flicker": 3.0}, "what was filled flickers"),
        ({"seam": 1.8004}, "the edge of what was filled may be seen"),
        ({"seam": 3.0, "flicker": 3.0}, "the edge of what was filled may be seen and what was filled flickers"),
    ],
)
def test_what_failed_is_said_in_words(figures, words) -> None:
    failed = _changed(CLEAN, index=1, passed=False, **figures)
    summary = erase_summary(_detection(_caption(0), _caption(1, "Two\nlines")), [_segment(0, CLEAN, failed)])
    assert erase_warnings(summary) == (f'caption 1 (1.00-1.67 s, "Two lines"): {words}',)


def test_a_change_outside_the_masks_is_never_silent() -> None:
    summary = erase_summary(_detection(_caption(0)), [_segment(0, CLEAN), _segment(1, outside_difference=3)])
    assert summary.outside_difference == 3
    assert erase_warnings(summary) == ("pixels outside the captions and icons were changed by up to 3 levels",)


def test_the_command_line_says_what_became_of_the_captions() -> None:
    failed = _changed(CLEAN, index=1, passed=False, seam=3.0)
    summary = erase_summary(_detection(_caption(0), _caption(1)), [_segment(0, CLEAN, failed)])
    lines = summary_lines(summary, ("a warning",))
    assert lines == (
        "2 captions removed; 0 filled again, 1 may still be seen",
        "90 % of the covered pixels come from other frames",
        "warning: a warning",
    )
    assert summary_lines(None, ()) == ()


def _fields(model: type[BaseModel], path: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        annotation = field.annotation
        kinds = [annotation, *get_args(annotation)]
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        is_list = getattr(annotation, "__origin__", None) is tuple
        found.add(path + name)
        if inner is not None:
            found |= _fields(inner, f"{path}{name}{'[]' if is_list else ''}.")
    return found


def test_every_field_is_explained_and_no_other() -> None:
    explained = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
    assert sorted(explained) == sorted(_fields(Report))


@pytest.mark.parametrize(
    ("field", "gate"),
    [
        ("residual_text", judge.MAX_RESIDUAL_TEXT),
        ("ghost_levels", judge.MAX_GHOST_LEVELS),
        ("seam", judge.MAX_SEAM),
        ("flicker", judge.MAX_FLICKER),
    ],
)
def test_the_page_names_the_gates_that_count(field, gate) -> None:
    row = next(line for line in PAGE.splitlines() if f"`erase.events[].{field}`" in line)
    assert row.endswith(f"gate {gate:g} |")


@pytest.mark.parametrize(
    ("field", "gate"),
    [
        ("residual_edges", judge.MAX_RESIDUAL_EDGES),
        ("ghost_levels", judge.MAX_GHOST_LEVELS),
        ("seam", judge.MAX_SEAM),
        ("flicker", judge.MAX_FLICKER),
    ],
)
def test_the_page_names_the_gates_of_icons(field, gate) -> None:
    row = next(line for line in PAGE.splitlines() if f"`erase.icon_tracks[].{field}`" in line)
    assert row.endswith(f"gate {gate:g} |")


def test_the_page_names_every_attempt() -> None:
    row = next(line for line in PAGE.splitlines() if "`erase.events[].redone`" in line)
    assert [name for name in Redone if f"`{name}`" in row] == list(Redone)
