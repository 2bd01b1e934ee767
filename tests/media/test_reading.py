"""Reading repairs what can be repaired, leaves out what cannot, and refuses what is no video in one sentence."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from rendered import VFR_STEPS, look

from domain.errors import (
    EncryptedSourceError,
    NoVideoStreamError,
    SmartEraseError,
    SourceNotFoundError,
    UnreadableVideoError,
)
from domain.job import EraseSettings, UpscaleSettings
from domain.work_order import Segment
from gpu_worker.stages.detect import detect
from gpu_worker.video.reader import FrameReader, Timestamps
from gpu_worker.video.shots import ShotFinder
from gpu_worker.video.source import probe_video
from gpu_worker.video.tracks import plain_text

TICK = Fraction(1, 1000)
RATE = Fraction(25)


@pytest.mark.parametrize(
    ("given", "expected", "repaired"),
    [
        pytest.param([0, 40, 80], [0, 40, 80], 0, id="sound"),
        pytest.param([7, 47, 200], [7, 47, 200], 0, id="variable and late start"),
        pytest.param([None, None, 80], [0, 40, 80], 2, id="missing"),
        pytest.param([0, 40, 40, 80], [0, 40, 41, 80], 1, id="duplicate"),
        pytest.param([0, 80, 40, 120], [0, 80, 81, 120], 1, id="out of order"),
        pytest.param([5000, 5040, 0, 40], [5000, 5040, 5080, 5120], 2, id="new timeline"),
    ],
)
def test_timestamps_are_made_to_increase(given, expected, repaired) -> None:
    stamps = Timestamps(TICK, RATE)
    assert [stamps.next(pts) for pts in given] == expected
    assert stamps.repaired == repaired


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: path.write_text("this is a text, not a video"), UnreadableVideoError),
        (lambda path: path.write_bytes(b""), UnreadableVideoError),
        (lambda path: None, SourceNotFoundError),
        (lambda path: path.mkdir(), SourceNotFoundError),
    ],
    ids=["text", "empty", "missing", "folder"],
)
def test_what_is_no_video_is_refused(make, error, tmp_path) -> None:
    path = tmp_path / "video.mp4"
    make(path)
    with pytest.raises(error):
        probe_video(path)


def test_a_truncated_mp4_is_refused(rendered) -> None:
    path = rendered()
    path.write_bytes(path.read_bytes()[:-3000])  # its index stands at the end
    with pytest.raises(UnreadableVideoError):
        probe_video(path)


def test_a_video_whose_pictures_are_noise_is_refused(rendered) -> None:
    path = rendered(name="s.mkv", frames=4, audio=(), steps=(33,))
    content = bytearray(path.read_bytes())
    start = content.find(b"\x1f\x43\xb6\x75")  # the first cluster
    content[start + 40 :] = bytes(len(content) - start - 40)
    path.write_bytes(bytes(content))
    with pytest.raises(UnreadableVideoError):
        probe_video(path)


def test_a_damaged_middle_costs_only_its_frames(rendered, run_job) -> None:
    path = rendered(frames=64, options={"preset": "ultrafast", "g": "8", "bf": "0"}, audio=())
    content = bytearray(path.read_bytes())
    middle = content.find(b"mdat") + (len(content) - content.find(b"mdat")) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(bytes(content))
    outcome = run_job(path, upscale=UpscaleSettings())
    seen = look(outcome.video)
    assert 40 < len(seen.seconds) <= 64
    assert outcome.manifest.frame_count == len(seen.seconds)


def test_a_segment_is_the_same_frames_as_in_the_whole(rendered) -> None:
    path = rendered(frames=64, steps=VFR_STEPS, shots=(16, 32, 48))
    facts = probe_video(path)
    whole = [(frame.index, frame.pts, frame.y.tobytes()) for frame in FrameReader(path, facts).frames()]
    for start, end in ((0, 16), (16, 48), (48, 64)):
        segment = Segment(
            index=1,
            start_frame=start,
            end_frame=end,
            start_pts=whole[start][1],
            end_pts=whole[end][1] if end < 64 else None,
        )
        part = [(frame.index, frame.pts, frame.y.tobytes()) for frame in FrameReader(path, facts).segment(segment)]
        assert part == whole[start:end]


class LostReader(FrameReader):
    """One whose file cannot be entered anywhere."""

    def _from_keyframe(self, index, pts, margin_seconds):
        return iter(())


@pytest.mark.parametrize("kind", [FrameReader, LostReader], ids=["entered", "from the front"])
def test_a_segment_within_a_shot_comes_with_its_context(kind, rendered) -> None:
    path = rendered(frames=64, steps=VFR_STEPS, shots=())
    facts = probe_video(path)
    whole = [(frame.index, frame.pts, frame.y.tobytes()) for frame in FrameReader(path, facts).frames()]
    segment = Segment(
        index=1,
        start_frame=21,
        end_frame=40,
        start_pts=whole[21][1],
        end_pts=whole[40][1],
        lead_frames=7,
        lead_pts=whole[14][1],
        tail_frames=3,
    )
    for before, behind in ((0, 0), (7, 3), (1, 100)):
        part = kind(path, facts).segment(segment, before, behind)
        wanted = whole[21 - before : 40 + behind]
        assert [(frame.index, frame.pts, frame.y.tobytes()) for frame in part] == wanted


@pytest.mark.parametrize("field", ["start_pts", "end_pts"])
def test_a_segment_whose_frames_are_others_is_refused(field, rendered) -> None:
    path = rendered(frames=64, shots=())
    segment = Segment(
        index=1, start_frame=21, end_frame=40, start_pts=63_000, end_pts=120_000, lead_frames=7, lead_pts=42_000
    )
    reader = FrameReader(path, probe_video(path))
    assert len(list(reader.segment(segment))) == 19
    with pytest.raises(UnreadableVideoError, match="other frames"):
        list(reader.segment(segment.model_copy(update={field: getattr(segment, field) + 3000})))


def test_a_segment_that_is_not_there_is_refused(rendered) -> None:
    path = rendered()
    segment = Segment(index=1, start_frame=5, end_frame=9, start_pts=12_345, end_pts=None)
    with pytest.raises(UnreadableVideoError, match="12345"):
        list(FrameReader(path, probe_video(path)).segment(segment))


def test_hard_cuts_are_found_and_a_pan_is_none(rendered) -> None:
    path = rendered(frames=64, shots=(16, 32, 48))
    facts = probe_video(path)
    finder = ShotFinder(facts.width, facts.height)
    for frame in FrameReader(path, facts).frames():
        finder.process_frame(frame)
    shots = finder.flush()
    assert [shot.start_frame for shot in shots] == [0, 16, 32, 48]
    assert [shot.end_frame for shot in shots] == [16, 32, 48, 64]
    assert [shot.start_pts for shot in shots] == [0, 48_000, 96_000, 144_000]


def test_detect_feeds_seconds_from_the_first_frame(rendered, run_job) -> None:
    from jobs import KnowingFinder

    finder = KnowingFinder(())
    path = rendered(first_pts=450_000, frames=4, shots=(), audio=(), name="s.mkv", steps=(9000,))
    job = run_job.job(path, erase=EraseSettings())
    from dataclasses import replace

    detect(replace(job, open_finder=lambda *_: finder))
    assert finder.seconds == pytest.approx([0, 0.1, 0.2, 0.3])
    assert job.detection().duration_seconds == pytest.approx(0.4, abs=0.1)
    assert job.detection().seekable


@pytest.mark.parametrize(
    ("codec", "cue", "text"),
    [
        ("srt", "<i>Hello</i>\nthere", "Hello\nthere"),
        ("ass", r"0,0,Default,,0,0,0,,{\an8}Hello,\Nthere", "Hello,\nthere"),
        ("webvtt", "<v Anna>Hello", "Hello"),
    ],
)
def test_subtitle_markup_is_taken_off(codec, cue, text) -> None:
    assert plain_text(cue, codec) == text


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("WrongFile.mp4", UnreadableVideoError),
        ("zero_empty_stsc.mp4", UnreadableVideoError),
        ("fate_wmv_drm.wmv", EncryptedSourceError),
        ("sample_audio_only.mp4", NoVideoStreamError),
        ("sample_TS_with_teletext.ts", NoVideoStreamError),
    ],
)
def test_sample_files_that_cannot_work_are_refused_by_name(name, error, shared_data) -> None:
    with pytest.raises(error) as caught:
        probe_video(shared_data / "formats" / name)
    assert "\n" not in caught.value.message


#: One of each kind of trouble, small enough for every run; ``formats_table.py`` goes through all files.
SAMPLES = (
    "100_0306.AVI",
    "bbb_176x144_128kbps_15fps_h263.3gp",
    "fate_Meridian-Apple_ProResProxy-HDR10.mov",
    "fate_brokensps.flv",
    "fate_cfhd_odd.mov",
    "fate_direct-bff.mkv",
    "fate_frame_size_change.webm",
    "fate_offset_test.ogv",
    "fate_prores4444_with_transparency.mov",
    "h265_10bits.mp4",
    "sample_MP4_SRT.mp4",
    "sample_h262_mpeg_audio.ts",
    "sample_missing_stsd.mp4",
    "sample_rotate_and_reflect.mp4",
    "sample_shorter_audio.mp4",
    "sample_with_chapters.mkv",
    "sample_with_pgs_subtitles.mkv",
    "sample_with_srt.mkv",
    "te[s]t_ video ' _ .flv",
    "test.prores.mov",
    "video_90.mov",
)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_files_come_out_with_their_frames_and_times(name, shared_data, run_job) -> None:
    path: Path = shared_data / "formats" / name
    facts = probe_video(path)
    frames = [frame.pts * frame.time_base for frame in FrameReader(path, facts).frames()]
    try:
        outcome = run_job(path, upscale=UpscaleSettings())
    except SmartEraseError as error:
        pytest.fail(f"{name} was refused: {error}")
    seen = look(outcome.video)
    assert len(seen.seconds) == len(frames)
    assert seen.size == (2 * facts.width, 2 * facts.height)
    shift = frames[0] - seen.seconds[0]
    assert [at - shift for at in frames] == pytest.approx([*seen.seconds], abs=1e-6)


def test_a_damaged_video_without_captions_is_mended_not_passed_through(rendered, run_job) -> None:
    path = rendered(frames=64, options={"preset": "ultrafast", "g": "8", "bf": "0"}, audio=())
    content = bytearray(path.read_bytes())
    middle = content.find(b"mdat") + 3000
    content[middle : middle + 2000] = bytes(2000)
    path.write_bytes(bytes(content))
    outcome = run_job(path, erase=EraseSettings())
    assert outcome.report.result.encoder == "libx264"
    assert any("damaged" in warning for warning in outcome.report.warnings)
    assert len(look(outcome.video).seconds) == outcome.manifest.frame_count


def test_a_fade_is_no_cut(rendered) -> None:
    path = rendered(frames=64, shots=(32,), fade_frames=(12, 15), speed=0)
    facts = probe_video(path)
    finder = ShotFinder(facts.width, facts.height)
    for frame in FrameReader(path, facts).frames():
        finder.process_frame(frame)
    assert [shot.start_frame for shot in finder.flush()] == [0, 32]
