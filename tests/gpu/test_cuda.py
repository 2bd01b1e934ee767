"""What only a GPU can tell: `make gpu-check` runs these; without a GPU that onnxruntime can use they are skipped."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from domain.job import ObjectRef, UpscaleSettings
from domain.work_order import ResultManifest, WorkOrder
from gpu_worker.fill.chunk import Filled, Surroundings
from gpu_worker.fill.learned import learned_fill_names, open_learned_fill
from gpu_worker.fill.windows import Occlusion
from gpu_worker.inference.fixed_shape import FixedShapeNetwork, gpu_identity
from gpu_worker.inference.model_store import list_models, verified_path
from gpu_worker.inference.session import Device, DeviceMemoryError, available_devices, open_session
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.pipeline import run_all
from gpu_worker.upscaling.upscaler import open_upscaler, upscaler_names
from gpu_worker.video.encoders import choose_encoder, nvenc_works
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import LocalWorkspace

pytestmark = pytest.mark.skipif(Device.CUDA not in available_devices(), reason="onnxruntime here is built without CUDA")

NETWORKS = [card.name for card in list_models() if card.task == "upscaling"]
DEVICES = [device for device in Device if device.is_gpu and device in available_devices()]


def luma(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((1, 1, height, width)).astype(np.float32)


@pytest.mark.parametrize("name", [card.name for card in list_models()])
def test_every_network_opens_on_the_gpu(name) -> None:
    assert open_session(name, Device.CUDA).provider == "CUDAExecutionProvider"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("tier", sorted(set(upscaler_names()) - {"auto", "lanczos"}))
def test_the_gpus_pictures_are_the_cpus_within_a_level(device, tier) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(16, 236, (96, 128)).astype(np.uint8)
    grey = np.full((48, 64), 128, np.uint8)
    on_gpu = open_upscaler(tier, device).upscale((y, grey, grey), 8)[0]
    on_cpu = open_upscaler(tier).upscale((y, grey, grey), 8)[0]
    assert np.abs(on_gpu.astype(int) - on_cpu).max() <= 1


@pytest.mark.parametrize("name", learned_fill_names())
def test_the_gpus_fill_is_the_cpus_within_a_level(name) -> None:
    rng = np.random.default_rng(3)
    mask = np.zeros((96, 320), dtype=bool)
    mask[30:60, 40:280] = True
    occlusion = Occlusion(mask)
    y, u, v = (rng.integers(16, 236, shape).astype(np.uint8) for shape in ((96, 320), (48, 160), (48, 160)))
    unknown = np.zeros(occlusion.indices.size, np.float32)
    prior = Filled(Surroundings(y, u, v, 8, occlusion), ~mask, unknown)
    on_gpu = open_learned_fill(name, Device.CUDA).repaint_alone(prior).surroundings
    on_cpu = open_learned_fill(name).repaint_alone(prior).surroundings
    for one, other in zip(on_gpu.planes, on_cpu.planes, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


def test_memory_that_runs_out_is_understood_and_smaller_pieces_go_on() -> None:
    network = FixedShapeNetwork(verified_path(NETWORKS[0]).read_bytes(), Device.CUDA, 2)
    with pytest.raises(DeviceMemoryError):
        network.run(np.zeros((1, 1, 1 << 15, 1 << 15), np.float32))
    assert network.run(luma(64, 64)).shape == (1, 1, 128, 128)


def test_a_job_runs_on_the_gpu_from_end_to_end(tmp_path) -> None:
    source = tmp_path / "source.mp4"
    with av.open(source, "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index in range(10):
            picture = np.random.default_rng(index).integers(16, 236, (270, 320)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    workspace = LocalWorkspace(tmp_path / "job")
    order = WorkOrder(
        job_id=None,
        source=ObjectRef(bucket="", key=str(source)),
        source_facts=probe_video(source).to_source_facts(),
        upscale=UpscaleSettings(),
    )
    run_all(StageJob(workspace, order, lambda _: None, device=Device.CUDA))
    manifest = ResultManifest.model_validate_json(workspace.read(workspace.keys.result_manifest))
    assert (manifest.width, manifest.height, manifest.frame_count) == (640, 360, 10)
    assert probe_video(Path(workspace.fetch(manifest.files.video))).codec == "h264"


def test_the_encoder_is_nvenc_where_it_works_and_only_there() -> None:
    assert choose_encoder(8, interlaced=False) == ("h264_nvenc" if nvenc_works() else "libx264")


def test_the_driver_says_which_gpu_it_is() -> None:
    assert gpu_identity().count(",") == 2
