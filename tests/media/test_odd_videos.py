"""Videos and regions at the edge of what there is: the right result, or one typed error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from jobs import JobRunner, Outcome, caption
from numpy.typing import NDArray
from rendered import VFR_STEPS, Source, look, render

from domain.detection import Box, CaptionEvent
from domain.errors import InvalidRequestError
from domain.job import CaptionErasure, EraseSettings, Quality
from domain.regions import Region, TimeRange
from gpu_worker.video.masks import decode_mask
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video

BOX = Box(x0=16, y0=32, x1=80, y1=56)
#: The part of the box that ``caption``'s mask covers, and a bar that lies within it.
BAR = (32, 38, 64, 50)
#: One shot of 24 frames, without sound: what is odd about a video is added to it.
PLAIN = Source(frames=24, shots=(), audio=(), bar=BAR, bar_frames=(6, 18))
#: Large enough to read, with words instead of the bar.
WORDS = Source(
    frames=24, width=320, height=180, shots=(), audio=(), soft=True, words="Where are you?", words_frames=(0, 24)
)
FIND = EraseSettings()
#: What crf 18 leaves of these textures.
ENCODED_DECIBELS = 34.0


def luma_of(path: Path) -> NDArray[np.float64]:
    """All frames' luma in 8-bit levels, (frames, H, W)."""
    facts = probe_video(path)
    return np.stack([np.array(frame.luma8()) for frame in FrameReader(path, facts).frames()]).astype(float)


def decibels(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / max(1e-6, np.square(first - second).mean())))


@dataclass
class Compared:
    """A result beside its captioned source and the same video rendered without caption; ``mask`` (frames, H, W)."""

    source: Path
    outcome: Outcome
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    clean: NDArray[np.float64]
    mask: NDArray[np.bool_]

    @property
    def events(self) -> tuple[CaptionEvent, ...]:
        return JobRunner(self.outcome.workspace.scratch.parent).job(self.source).detection().captions

    def assert_clean(self, at_least: float = 25.0) -> None:
        """The caption is gone, all else is what the encoder made of it, and time and size are the source's."""
        height, width = self.before.shape[1:]
        assert look(self.outcome.video).seconds == look(self.source).seconds
        assert look(self.outcome.video).size == (width + width % 2, height + height % 2)
        assert decibels(self.after[~self.mask], self.before[~self.mask]) > ENCODED_DECIBELS
        covered = np.abs(self.before - self.clean) > 20
        assert covered.any(), "there is no caption in the source"
        left, was = (decibels(video[covered], self.clean[covered]) for video in (self.after, self.before))
        assert left > max(at_least, was + 8), (left, was)


def compare(folder: Path, source: Source, captions: tuple[CaptionEvent, ...] | None, settings: EraseSettings = FIND):
    """Render, erase and read back; ``captions`` None: they are looked for."""
    path = render(folder, source)
    clean = render(folder, replace(source, name=f"clean-{source.name}", bar=None, words=""))
    outcome = JobRunner(folder / "job")(path, erase=settings, captions=captions)
    before, after = luma_of(path), luma_of(outcome.video)
    mask = np.zeros(before.shape, dtype=bool)
    for event in JobRunner(folder / "job").job(path).detection().captions:
        box = event.box
        mask[event.start_frame : event.end_frame, box.y0 : box.y1, box.x0 : box.x1] |= decode_mask(event)
        if event.plate is not None:
            plate = event.plate.box
            mask[event.start_frame : event.end_frame, plate.y0 : plate.y1, plate.x0 : plate.x1] = True
    _, height, width = before.shape
    return Compared(path, outcome, before, after[:, :height, :width], luma_of(clean), mask)


LOSSLESS = {"codec": "ffv1", "name": "s.mkv", "options": {}, "steps": (33,), "time_base": Fraction(1, 1000)}


@pytest.mark.parametrize(
    "differences",
    [
        pytest.param({}, id="nothing odd"),
        pytest.param({"width": 97, "height": 65, "pixel_format": "yuv444p"}, id="odd sides, 4:4:4"),
        pytest.param({"width": 97, "height": 65, **LOSSLESS}, id="odd sides, 4:2:0"),
        pytest.param({"width": 96, "height": 65, "pixel_format": "yuv422p"}, id="odd height, 4:2:2"),
        pytest.param({"pixel_format": "yuv422p"}, id="4:2:2"),
        pytest.param({"pixel_format": "yuv444p"}, id="4:4:4"),
        pytest.param({"pixel_format": "yuv420p10le"}, id="ten bits"),
        pytest.param({"pixel_format": "yuv422p10le"}, id="ten bits, 4:2:2"),
        pytest.param({"pixel_format": "yuv444p10le", "width": 97, "height": 65}, id="ten bits, 4:4:4, odd sides"),
        pytest.param({"pixel_format": "gray"}, id="grey"),
        pytest.param({"interlaced": True}, id="interlaced"),
        pytest.param({"steps": VFR_STEPS}, id="variable frame rate"),
        pytest.param({"sample_aspect_ratio": Fraction(64, 45)}, id="oblong pixels"),
        pytest.param({"rotation": (90.0, False)}, id="turned"),
        pytest.param({"bar_frames": (0, 1)}, id="caption on the first frame only"),
        pytest.param({"bar_frames": (23, 24)}, id="caption on the last frame only"),
        pytest.param({"bar_frames": (0, 24)}, id="caption from first to last frame"),
        pytest.param({"bar_frames": (0, 2), "frames": 3}, id="three frames"),
        pytest.param({"bar_frames": (0, 1), "frames": 2}, id="two frames, one captioned"),
    ],
)
@pytest.mark.parametrize("quality", list(Quality))
def test_a_known_caption_goes_and_nothing_else(differences, quality, tmp_path) -> None:
    source = replace(PLAIN, **differences)
    start, end = source.bar_frames
    seen = compare(tmp_path, source, (caption(0, start, end, BOX),), EraseSettings(quality=quality))
    seen.assert_clean()
    before, after = probe_video(seen.source), probe_video(seen.outcome.video)
    assert after.bit_depth == before.bit_depth
    assert after.rotation_degrees == before.rotation_degrees
    assert after.sample_aspect_ratio == before.sample_aspect_ratio
    assert seen.outcome.report.erase is not None
    assert seen.outcome.report.erase.frames_changed == end - start


@pytest.mark.parametrize("frames", [1, 2])
def test_what_no_frame_reveals_is_made_up_from_beside(frames, tmp_path) -> None:
    """Nothing tells what was there: but nothing of the caption's white is left, and the rest is untouched."""
    source = replace(PLAIN, frames=frames, bar_frames=(0, frames), speed=0, soft=True)
    seen = compare(tmp_path, source, (caption(0, 0, frames, BOX),))
    seen.assert_clean(at_least=0)
    assert seen.outcome.report.erase is not None
    assert seen.outcome.report.erase.coverage == 0


@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_captions_are_found_upright_however_the_picture_is_coded(quarter_turns, tmp_path) -> None:
    sides = (WORDS.height, WORDS.width) if quarter_turns % 2 else (WORDS.width, WORDS.height)
    source = replace(
        WORDS,
        width=sides[0],
        height=sides[1],
        quarter_turns=quarter_turns,
        rotation=(90.0 * quarter_turns, False) if quarter_turns else None,
    )
    seen = compare(tmp_path, source, None)
    assert [event.text.replace(" ", "") for event in seen.events] == ["Whereareyou?"]
    seen.assert_clean()


@pytest.mark.parametrize(
    "differences",
    [
        pytest.param({"words_frames": (0, 24)}, id="from first to last frame"),
        pytest.param({"words_frames": (0, 16)}, id="from the first frame"),
        pytest.param({"words_frames": (8, 24)}, id="to the last frame"),
        pytest.param({"words_frames": (0, 1), "frames": 1}, id="one frame"),
        pytest.param({"words_frames": (0, 2), "frames": 2}, id="two frames"),
        pytest.param({"width": 321, "height": 181, "pixel_format": "yuv444p"}, id="odd sides"),
        pytest.param({"pixel_format": "yuv420p10le"}, id="ten bits"),
        pytest.param({"interlaced": True}, id="interlaced"),
        pytest.param({"steps": VFR_STEPS}, id="variable frame rate"),
        pytest.param({"sample_aspect_ratio": Fraction(4, 3)}, id="oblong pixels"),
    ],
)
def test_captions_are_found_to_the_frame(differences, tmp_path) -> None:
    source = replace(WORDS, **differences)
    seen = compare(tmp_path, source, None)
    assert [(event.start_frame, event.end_frame) for event in seen.events] == [source.words_frames]
    seen.assert_clean(at_least=0 if source.frames < 3 else 25)


def test_a_region_may_cover_the_whole_frame(tmp_path) -> None:
    everywhere = CaptionErasure(regions=(Region(x=0, y=0, width=1, height=1),))
    seen = compare(tmp_path, WORDS, None, EraseSettings(captions=everywhere))
    assert len(seen.events) == 1
    seen.assert_clean()


def test_nearly_everything_may_be_erased(tmp_path) -> None:
    """Two lines of 64 are left to fill the rest from: frames, times and those two lines stay what they are."""
    region = Region(x=0, y=0, width=1, height=0.97)
    settings = EraseSettings(captions=CaptionErasure(erase_everything=True, regions=(region,)))
    seen = compare(tmp_path, PLAIN, (), settings)
    assert look(seen.outcome.video).seconds == look(seen.source).seconds
    assert seen.mask.mean() > 0.95
    assert decibels(seen.after[~seen.mask], seen.before[~seen.mask]) > ENCODED_DECIBELS
    x0, y0, x1, y1 = BAR
    assert seen.after[:, y0:y1, x0:x1].mean() < seen.before[6:18, y0:y1, x0:x1].mean() - 50


def test_all_of_the_frame_is_refused(tmp_path) -> None:
    region = Region(x=0, y=0, width=1, height=0.985)
    settings = EraseSettings(captions=CaptionErasure(erase_everything=True, regions=(region,)))
    with pytest.raises(InvalidRequestError, match="cover all of the 96x32 picture"):
        compare(tmp_path, replace(PLAIN, height=32, bar=None), (), settings)


@pytest.mark.parametrize("erase_everything", [False, True])
def test_a_time_beyond_the_end_means_no_frame(erase_everything, tmp_path) -> None:
    region = Region(x=0, y=0.75, width=1, height=0.25, time_ranges=(TimeRange(start_seconds=60, end_seconds=90),))
    settings = EraseSettings(captions=CaptionErasure(erase_everything=erase_everything, regions=(region,)))
    path = render(tmp_path, WORDS)
    outcome = JobRunner(tmp_path / "job")(path, erase=settings, captions=None)
    assert outcome.manifest.nothing_found
    assert look(outcome.video).luma_digests == look(path).luma_digests


def test_a_time_that_reaches_beyond_the_end_counts_up_to_it(tmp_path) -> None:
    region = Region(x=0.2, y=0.5, width=0.6, height=0.4, time_ranges=(TimeRange(start_seconds=0.5, end_seconds=90),))
    settings = EraseSettings(captions=CaptionErasure(erase_everything=True, regions=(region,)))
    seen = compare(tmp_path, PLAIN, (), settings)
    assert [(event.start_frame, event.end_frame) for event in seen.events] == [(15, 24)]
    assert look(seen.outcome.video).seconds == look(seen.source).seconds


@pytest.mark.parametrize("erase_everything", [False, True])
def test_a_black_video_stays_black(erase_everything, tmp_path) -> None:
    regions = (Region(x=0.1, y=0.6, width=0.8, height=0.3),) if erase_everything else ()
    settings = EraseSettings(captions=CaptionErasure(erase_everything=erase_everything, regions=regions))
    path = render(tmp_path, replace(PLAIN, is_black=True, bar=None))
    outcome = JobRunner(tmp_path / "job")(path, erase=settings, captions=None)
    assert outcome.manifest.nothing_found != erase_everything
    assert look(outcome.video).seconds == look(path).seconds
    assert luma_of(outcome.video).max() <= 17
