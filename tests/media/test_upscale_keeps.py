"""An upscaled video is the source in everything but size: timestamps, orientation, colour, and every other track."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from rendered import VFR_STEPS, look

from domain.job import UpscaleSettings
from gpu_worker.video.source import probe_video
from gpu_worker.video.stills import still_at

UPSCALE = UpscaleSettings(bitrate_mbps=2)


@pytest.mark.parametrize(
    "differences",
    [
        pytest.param({}, id="constant rate"),
        pytest.param({"steps": VFR_STEPS}, id="variable rate"),
        pytest.param({"steps": VFR_STEPS, "options": {"preset": "ultrafast", "bf": "0"}}, id="no B-frames"),
        pytest.param({"audio": ()}, id="no audio"),
        pytest.param({"audio": ("aac", "libmp3lame")}, id="two audio tracks"),
        pytest.param({"name": "s.mov", "audio": ("pcm_s16le",)}, id="PCM in MOV"),
        pytest.param({"name": "s.mkv", "steps": (40,), "time_base": Fraction(1, 1000)}, id="Matroska"),
        pytest.param({"frames": 1, "shots": ()}, id="one frame"),
        pytest.param({"width": 94, "height": 50, "pixel_format": "yuv444p"}, id="4:4:4"),
        pytest.param({"pixel_format": "yuv420p10le"}, id="ten bits"),
        pytest.param(
            {"name": "s.avi", "codec": "mpeg4", "options": {}, "time_base": Fraction(1, 30), "steps": (1,)}, id="AVI"
        ),
    ],
)
def test_frames_pts_and_audio_are_the_sources(differences, rendered, run_job) -> None:
    path = rendered(**differences)
    before = look(path)
    outcome = run_job(path, upscale=UPSCALE)
    after = look(outcome.video)
    assert after.seconds == before.seconds
    assert after.size == (2 * before.size[0], 2 * before.size[1])
    assert [track for _, track in after.audio] == [track for _, track in before.audio]
    assert outcome.manifest.frame_count == len(before.seconds)
    assert (outcome.manifest.width, outcome.manifest.height) == after.size
    assert outcome.manifest.upscaler == "fast"
    assert outcome.manifest.files.captions_srt is None


def test_chapters_tags_and_text_subtitles_come_along(rendered, run_job) -> None:
    path = rendered(chapters=("One", "Two"), tags={"title": "A title"}, subtitles=("Bonjour",))
    after = look(run_job(path, upscale=UPSCALE).video)
    assert after.chapters == ("One", "Two")
    assert after.tags["title"] == "A title"
    assert after.subtitles == (("Bonjour",),)


def test_the_picture_is_enlarged_not_moved(rendered, run_job) -> None:
    path = rendered(frames=6, shots=())
    outcome = run_job(path, upscale=UpscaleSettings(bitrate_mbps=20))
    before = still_at(path, probe_video(path), 0.1).astype(float)
    after = still_at(outcome.video, probe_video(outcome.video), 0.1).astype(float)
    shrunk = after.reshape(before.shape[0], 2, before.shape[1], 2, 3).mean(axis=(1, 3))
    # Away from the picture's rim a doubled picture averages back to the source.
    assert np.abs(shrunk - before)[4:-4, 4:-4].mean() < 3


@pytest.mark.parametrize("rotation", [(90.0, False), (180.0, False), (270.0, False), (90.0, True), (0.0, True)])
def test_players_turn_and_mirror_the_result_as_they_do_the_source(rotation, rendered, run_job) -> None:
    path = rendered(rotation=rotation, frames=4, shots=(), audio=())
    video = run_job(path, upscale=UpscaleSettings(bitrate_mbps=20)).video
    before, after = probe_video(path), probe_video(video)
    assert (after.rotation_degrees, after.mirrored) == (before.rotation_degrees, before.mirrored)
    source, result = still_at(path, before, 0), still_at(video, after, 0)
    assert result.shape[:2] == (2 * source.shape[0], 2 * source.shape[1])
    assert np.abs(result[::2, ::2].astype(float) - source).mean() < 15


def test_colour_tags_and_pixel_shape_are_kept(rendered, run_job) -> None:
    path = rendered(colour=(9, 16, 9, 1), sample_aspect_ratio=Fraction(4, 3), frames=4, pixel_format="yuv420p10le")
    facts = probe_video(run_job(path, upscale=UPSCALE).video)
    colour = facts.colour
    assert (colour.primaries, colour.transfer, colour.matrix, colour.colour_range) == (9, 16, 9, 1)
    assert facts.sample_aspect_ratio == Fraction(4, 3)
    assert facts.pixel_format == "yuv420p10le"


def test_hdr_keeps_its_ten_bits_and_the_light_it_was_made_for(rendered, run_job) -> None:
    light = "mastering-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):cll=1000,400"
    options = {"preset": "ultrafast", "crf": "10", "x264-params": light}
    path = rendered(colour=(9, 16, 9, 1), frames=4, shots=(), pixel_format="yuv420p10le", options=options)
    outcome = run_job(path, upscale=UPSCALE)
    facts = probe_video(outcome.video)
    assert facts.hdr is not None
    assert facts.hdr.mastering == (34000, 16000, 13250, 34500, 7500, 3000, 15635, 16450, 50, 10000000)
    assert facts.hdr.content_light == (1000, 400)
    assert facts.bit_depth == 10
    assert any("HDR (PQ)" in warning for warning in outcome.report.warnings)


def test_full_range_stays_full_range(rendered, run_job) -> None:
    path = rendered(pixel_format="yuvj420p", frames=4, shots=())
    outcome = run_job(path, upscale=UpscaleSettings(bitrate_mbps=20))
    before, after = probe_video(path), probe_video(outcome.video)
    assert before.colour.colour_range == after.colour.colour_range == 2
    source, result = still_at(path, before, 0), still_at(outcome.video, after, 0)
    assert abs(float(source.mean()) - float(result.mean())) < 1.5


def test_interlaced_video_is_deinterlaced_frame_for_frame(rendered, run_job) -> None:
    path = rendered(interlaced=True, shots=())
    assert probe_video(path).field_order != "progressive"
    before = look(path)
    outcome = run_job(path, upscale=UPSCALE)
    assert probe_video(outcome.video).field_order == "progressive"
    assert look(outcome.video).seconds == before.seconds
    assert any("deinterlaced" in warning for warning in outcome.report.warnings)


def test_audio_that_mp4_does_not_hold_becomes_aac_and_the_report_says_so(rendered, run_job) -> None:
    path = rendered(
        name="s.avi", codec="mpeg4", options={}, time_base=Fraction(1, 30), steps=(1,), audio=("pcm_mulaw",)
    )
    outcome = run_job(path, upscale=UPSCALE)
    after = look(outcome.video)
    assert [codec for codec, _ in after.audio] == ["aac"]
    assert len(after.audio[0][1]) > 50
    assert any("re-encoded to AAC" in warning for warning in outcome.report.warnings)


def test_a_broadcast_clock_starts_at_zero_and_sound_stays_in_step(rendered, run_job) -> None:
    path = rendered(name="s.ts", first_pts=900_000, options={"preset": "ultrafast", "bf": "0"}, audio=("mp2",))
    before, after = look(path), look(run_job(path, upscale=UPSCALE).video)
    lag = before.audio[0][1][0][0] - before.seconds[0]
    assert min(after.seconds[0], after.audio[0][1][0][0]) == 0
    assert after.audio[0][1][0][0] - after.seconds[0] == lag
    assert [b - a for a, b in pairwise(after.seconds)] == [b - a for a, b in pairwise(before.seconds)]


def test_the_asked_bitrate_is_met_where_the_picture_needs_it(rendered, run_job) -> None:
    path = rendered(width=640, height=360, frames=120, shots=tuple(range(4, 120, 4)), audio=())
    outcome = run_job(path, upscale=UpscaleSettings(bitrate_mbps=3))
    assert outcome.report.result.asked_bitrate_mbps == 3
    assert outcome.report.result.video_bitrate_mbps == pytest.approx(3, rel=0.15)
