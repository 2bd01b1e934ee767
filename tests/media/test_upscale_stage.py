"""The upscale stage: the quality that the job names, and pictures that are those of an erase and an upscale in turn."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from jobs import JobRunner, caption
from rendered import look

from domain.detection import Box
from domain.errors import InvalidRequestError
from domain.job import EraseSettings, UpscaleQuality, UpscaleSettings
from gpu_worker.fill.eraser import erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.inference.session import Device
from gpu_worker.stages.filling import open_second_look
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.pipeline import run_all
from gpu_worker.stages.upscale import doubled_pictures
from gpu_worker.upscaling.upscaler import open_upscaler, upscaler_names
from gpu_worker.video.patches import apply_patches
from gpu_worker.video.pixels import picture_from_planes
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video

CAPTION = caption(0, 6, 18, Box(x0=16, y0=32, x1=80, y1=56))


@pytest.mark.parametrize("quality", list(UpscaleQuality))
def test_the_quality_that_the_job_names_is_what_doubles(quality, rendered, run_job) -> None:
    path = rendered(frames=3, shots=(), audio=())
    if quality not in upscaler_names():
        with pytest.raises(InvalidRequestError, match=f"no upscaler called {quality}"):
            run_job(path, upscale=UpscaleSettings(quality=quality))
        return
    done = run_job(path, upscale=UpscaleSettings(quality=quality))
    assert done.manifest.upscaler == ("fast" if quality is UpscaleQuality.AUTO else quality.value)


def write_losslessly(source: Path, captions: tuple, shots: tuple, settings: EraseSettings, target: Path) -> None:
    """Erase without the stage, and write every picture as it is, with the source's own timestamps."""
    facts = probe_video(source)
    changed = erase(
        FrameReader(source, facts).frames(),
        overlays_of(captions, ()),
        shots,
        settings.quality,
        second_look=open_second_look(settings, facts, Device.CPU),
    )
    with av.open(target, "w") as out:
        stream = out.add_stream("libx264", rate=facts.frame_rate, options={"preset": "ultrafast", "qp": "0", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = facts.width, facts.height, "yuv420p"
        stream.codec_context.time_base = stream.time_base = facts.time_base
        for frame, patches in changed:
            clean = apply_patches(frame, patches)
            planes = (clean.y, clean.u, clean.v)
            out.mux(stream.encode(picture_from_planes(planes, 8, pts=frame.pts, time_base=facts.time_base)))
        out.mux(stream.encode(None))


def doubled_bytes(job: StageJob) -> list[tuple[int, bytes]]:
    """Return each doubled picture as it goes to the encoder: held to a rate, x264's threads decide with the clock."""
    source = job.workspace.source(job.order.source)
    pictures = doubled_pictures(
        job, job.segment(0), FrameReader(source, probe_video(source)), open_upscaler(UpscaleQuality.FAST)
    )
    return [(pts, b"".join(plane.tobytes() for plane in planes)) for planes, pts in pictures]


def test_erased_and_enlarged_in_one_job_is_enlarged_after_a_lossless_erase(rendered, tmp_path) -> None:
    path = rendered(frames=24, shots=(12,), audio=(), bar=(32, 38, 64, 50), bar_frames=(6, 18))
    settings, upscale = EraseSettings(), UpscaleSettings(bitrate_mbps=5)
    runner = JobRunner(tmp_path / "together")
    together = runner.job(path, erase=settings, upscale=upscale, captions=(CAPTION,))
    run_all(together)
    erased = tmp_path / "erased.mp4"
    write_losslessly(path, (CAPTION,), together.detection().shots, settings, erased)
    assert look(erased).seconds == look(path).seconds
    in_turn = JobRunner(tmp_path / "in-turn").job(erased, upscale=upscale)
    run_all(in_turn)
    only_enlarged = JobRunner(tmp_path / "plain").job(path, upscale=upscale)
    run_all(only_enlarged)
    pictures = doubled_bytes(together)
    assert pictures == doubled_bytes(in_turn)
    assert pictures != doubled_bytes(only_enlarged)
