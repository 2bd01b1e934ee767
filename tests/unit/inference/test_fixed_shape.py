"""What a GPU runs, as far as a CPU can tell: bound memory, half precision, providers' options, keys of engines."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import onnx
import pytest

from gpu_worker.fill.filler_interface import INPUTS, OUTPUTS
from gpu_worker.inference.fixed_shape import FixedShapeNetwork, engine_key
from gpu_worker.inference.half_precision import with_half_body
from gpu_worker.inference.model_store import verified_path
from gpu_worker.inference.session import (
    Device,
    DeviceMemoryError,
    DeviceUnavailableError,
    available_devices,
    memory_error,
    open_file,
    open_inner,
    open_session,
    provider_options,
)

MODEL = "upscale-fast"


def luma(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 1, height, width)).astype(np.float32)


@pytest.fixture(scope="module")
def content() -> bytes:
    return verified_path(MODEL).read_bytes()


def test_bound_memory_gives_what_a_plain_run_gives(content) -> None:
    bound, plain = FixedShapeNetwork(content, Device.CPU, 2), open_session(MODEL)
    first, second, other = luma(32, 48), luma(32, 48, 1), luma(64, 16)
    results = [bound.run(batch) for batch in (first, second, other, first)]
    # Compared only now: a later run must not have changed an earlier result.
    for batch, result in zip((first, second, other, first), results, strict=True):
        assert np.allclose(result, plain.run(batch), atol=1e-6)


def test_threads_do_not_share_their_memory(content) -> None:
    bound, plain = FixedShapeNetwork(content, Device.CPU, 2), open_session(MODEL)
    batches = [luma(48, 64, seed) for seed in range(12)]
    with ThreadPoolExecutor(3) as pool:
        for batch, result in zip(batches, pool.map(bound.run, batches), strict=True):
            assert np.allclose(result, plain.run(batch), atol=1e-6)


def test_a_fixed_session_takes_its_one_shape(content) -> None:
    inner = open_inner(content, Device.CPU, shape=(1, 1, 32, 48))
    assert inner.get_inputs()[0].shape == [1, 1, 32, 48]
    assert inner.get_outputs()[0].shape == [1, 1, 64, 96]


def test_half_precision_keeps_the_picture_and_loses_less_than_half_a_code_of_ten_bits(content, tmp_path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(with_half_body(content))
    graph = onnx.load(path).graph
    kernels = {item.name: item for item in graph.initializer if len(item.dims) == 4}
    for node in graph.node:
        if node.op_type == "Conv":
            kernel = kernels[node.input[1]]
            reads_the_picture = kernel.dims[1] == 1
            assert kernel.data_type == (onnx.TensorProto.FLOAT if reads_the_picture else onnx.TensorProto.FLOAT16)
    assert {item.type.tensor_type.elem_type for item in (*graph.input, *graph.output)} == {onnx.TensorProto.FLOAT}
    batch = luma(48, 64)
    difference = np.abs(open_file(path).run(batch) - open_session(MODEL).run(batch)).max()
    assert 0 < difference < 0.5 / 1023


@pytest.fixture(scope="module")
def filling() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    sizes = {name: (2, 32, 48) if name.endswith("chroma") else (1, 64, 96) for name in INPUTS}
    batch = {name: rng.random((1, *size)).astype(np.float32) for name, size in sizes.items()}
    batch["mask"] = np.zeros_like(batch["mask"])
    batch["mask"][..., 20:44, 30:66] = 1
    return batch


def test_bound_names_give_what_a_plain_run_gives(filling) -> None:
    session = open_session("fill-small")
    plain, bound = session.run_named(filling), session.run_bound(filling, Device.CPU.memory)
    assert bound.keys() == plain.keys()
    for name, result in plain.items():
        np.testing.assert_allclose(bound[name], result, atol=1e-6)


def test_half_precision_is_within_half_a_level_of_the_fill(filling, tmp_path) -> None:
    path = tmp_path / "half.onnx"
    path.write_bytes(with_half_body(verified_path("fill-small").read_bytes()))
    plain, half = open_session("fill-small").run_named(filling), open_file(path).run_named(filling)
    for name in OUTPUTS:
        assert 0 < np.abs(half[name] - plain[name]).max() < 0.5 / 255


def test_an_engine_fits_one_network_size_gpu_and_driver() -> None:
    gpu = "NVIDIA L4, 580.65.06, 8.9"
    keys = [
        engine_key(b"network", (1, 1, 360, 640), gpu),
        engine_key(b"another", (1, 1, 360, 640), gpu),
        engine_key(b"network", (1, 1, 640, 360), gpu),
        engine_key(b"network", (1, 1, 360, 640), "NVIDIA L4, 575.10.01, 8.9"),
        engine_key(b"network", (1, 1, 360, 640), "NVIDIA A10G, 580.65.06, 8.6"),
    ]
    assert keys[0] == engine_key(b"network", (1, 1, 360, 640), gpu)
    assert all(one != other for one, other in combinations(keys, 2))


def test_each_device_has_its_providers_and_only_tensorrt_keeps_engines(tmp_path) -> None:
    assert provider_options(Device.CPU, is_fixed=True) == [("CPUExecutionProvider", {})]
    ((name, fixed),) = provider_options(Device.CUDA, is_fixed=True, engine_cache=tmp_path / "none")
    ((_, varying),) = provider_options(Device.CUDA, is_fixed=False)
    assert name == "CUDAExecutionProvider"
    assert (fixed["cudnn_conv_algo_search"], varying["cudnn_conv_algo_search"]) == ("EXHAUSTIVE", "HEURISTIC")
    assert not (tmp_path / "none").exists()
    (first, tensorrt), (second, _) = provider_options(Device.TENSORRT, is_fixed=True, engine_cache=tmp_path / "engines")
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert tensorrt["trt_engine_cache_path"] == str(tmp_path / "engines")
    assert (tmp_path / "engines").is_dir()
    (_, without), _ = provider_options(Device.TENSORRT, is_fixed=True)
    assert "trt_engine_cache_enable" not in without


@pytest.mark.parametrize("device", [device for device in Device if device.is_gpu])
def test_a_gpu_that_is_not_there_is_said(device, content) -> None:
    if device in available_devices():
        pytest.skip("this onnxruntime was built with it")
    with pytest.raises(DeviceUnavailableError, match=device.value):
        FixedShapeNetwork(content, device, 2).run(luma(32, 48))


@pytest.mark.parametrize(
    "message",
    [
        "CUDA failure 2: out of memory ; GPU=0",
        "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 8589934592",
        "CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED",
        "std::bad_alloc",
    ],
)
def test_what_onnxruntime_says_when_memory_ran_out_is_understood(message) -> None:
    assert isinstance(memory_error(RuntimeError(message), [(1, 1, 8, 8)]), DeviceMemoryError)


def test_any_other_failure_is_not_taken_for_it() -> None:
    assert memory_error(RuntimeError("Got invalid dimensions for input: luma"), [(1, 1, 8, 8)]) is None


_SHORT_OF_MEMORY = """
import resource
import numpy as np
from gpu_worker.inference.session import DeviceMemoryError, open_session
session = open_session("upscale-fast", threads=1)
session.run(np.zeros((1, 1, 64, 64), np.float32))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28), used + (1 << 28)))
try:
    session.run(np.zeros((1, 1, 4096, 4096), np.float32))
except DeviceMemoryError as error:
    print(error)
print(session.run(np.zeros((1, 1, 64, 64), np.float32)).shape)
"""


def test_memory_that_really_runs_out_is_understood_and_smaller_pieces_go_on() -> None:
    root = Path(__file__).resolve().parents[3]
    worker = subprocess.run(
        [sys.executable, "-c", _SHORT_OF_MEMORY],
        env={"PYTHONPATH": f"{root}:{root / 'functions'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert worker.returncode == 0, worker.stderr[-500:]
    assert worker.stdout.splitlines() == [
        "the network cannot take (1, 1, 4096, 4096) at once",
        "(1, 1, 128, 128)",
    ]
