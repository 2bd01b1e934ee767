"""Opens a listed network on the device that was asked for, and runs it on arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from domain.errors import InvalidRequestError
from gpu_worker.inference.machine import core_count
from gpu_worker.inference.model_store import ModelError, verified_path


class Device(StrEnum):
    """Where a network runs; ``tensorrt`` is CUDA with NVIDIA's own compiler for the networks that gain by it."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"

    @property
    def is_gpu(self) -> bool:
        """Tell whether it is a graphics card."""
        return self is not Device.CPU

    @property
    def memory(self) -> str:
        """Return what onnxruntime calls the device's memory."""
        return "cuda" if self.is_gpu else "cpu"


_PROVIDERS = {
    Device.CPU: "CPUExecutionProvider",
    Device.CUDA: "CUDAExecutionProvider",
    Device.TENSORRT: "TensorrtExecutionProvider",
}

#: Of a user's own file. The largest networks of the field have a fifth of it; more is no network that runs on video.
_MOST_MEGABYTES = 500


class DeviceUnavailableError(ModelError):
    """Raised when CUDA was asked for and is not really there; falling back in silence would cost hours."""


class DeviceMemoryError(ModelError):
    """Raised when the device has not the memory for what was put in; smaller pieces may fit."""


#: How onnxruntime's allocators say that memory ran out; they have no exception type for it.
_OUT_OF_MEMORY = re.compile(
    r"out of memory|failed to allocate|AllocateRaw|bad_alloc|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)


class Session:
    """One network; all that goes in and comes out is float32."""

    def __init__(self, inner: ort.InferenceSession) -> None:
        self._inner = inner
        self._input_name: str = inner.get_inputs()[0].name

    @property
    def provider(self) -> str:
        """Name of the execution provider that really runs the network."""
        return str(self._inner.get_providers()[0])

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of all inputs."""
        return tuple(str(item.name) for item in self._inner.get_inputs())

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs."""
        return tuple(str(item.name) for item in self._inner.get_outputs())

    @property
    def is_simple(self) -> bool:
        """Tell whether there is exactly one input and one output."""
        return len(self._inner.get_inputs()) == 1 == len(self._inner.get_outputs())

    @property
    def input_type(self) -> str:
        """Type of the only input, as ONNX writes it: ``tensor(float)``."""
        return str(self._inner.get_inputs()[0].type)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of the only input; None where any length will do."""
        return tuple(side if isinstance(side, int) else None for side in self._inner.get_inputs()[0].shape)

    @property
    def metadata(self) -> dict[str, str]:
        """Key-value pairs that the model file carries."""
        return dict(self._inner.get_modelmeta().custom_metadata_map)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's only output for its only input.

        Raises:
            DeviceMemoryError: when the batch is too large for the device.
        """
        (output,) = self.run_named({self._input_name: batch}).values()
        return output

    def run_named(self, batches: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name for the inputs by name.

        Raises:
            DeviceMemoryError: when the batches are too large for the device.
        """
        with _memory_understood(batches):
            outputs: list[NDArray[np.float32]] = self._inner.run(None, batches)
        return dict(zip(self.output_names, outputs, strict=True))

    def run_bound(self, batches: dict[str, NDArray[np.float32]], memory: str) -> dict[str, NDArray[np.float32]]:
        """Do what ``run_named`` does with inputs and outputs bound: each crosses over to the device and back once.

        Args:
            batches: inputs by name.
            memory: what onnxruntime calls the memory that outputs are written to.

        Raises:
            DeviceMemoryError: when the batches are too large for the device.
        """
        binding = self._inner.io_binding()
        with _memory_understood(batches):
            for name, batch in batches.items():
                binding.bind_cpu_input(name, np.ascontiguousarray(batch))
            for name in self.output_names:
                binding.bind_output(name, memory)
            self._inner.run_with_iobinding(binding)
            outputs: list[NDArray[np.float32]] = binding.copy_outputs_to_cpu()
        return dict(zip(self.output_names, outputs, strict=True))


@contextmanager
def _memory_understood(batches: dict[str, NDArray[np.float32]]) -> Iterator[None]:
    """Raise DeviceMemoryError for a run on ``batches`` that ends for want of memory."""
    try:
        yield
    except Exception as error:
        short = memory_error(error, [batch.shape for batch in batches.values()])
        if short is None:
            raise
        raise short from error


def memory_error(error: Exception, shapes: Iterable[tuple[int, ...]]) -> DeviceMemoryError | None:
    """Return the error for a run on ``shapes`` that ended for want of memory; None where ``error`` is another."""
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
        return DeviceMemoryError(f"the network cannot take {', '.join(map(str, shapes))} at once")
    return None


def available_devices() -> tuple[Device, ...]:
    """Return the devices that onnxruntime was built for; CUDA may still fail to open."""
    built = ort.get_available_providers()
    return tuple(device for device in Device if _PROVIDERS[device] in built)


def open_session(model_name: str, device: Device = Device.CPU, threads: int | None = None) -> Session:
    """Open a listed model; ``threads`` defaults to the cores that there are.

    Raises:
        ModelError: when the model is unknown, missing or damaged.
        DeviceUnavailableError: when ``device`` cannot be had.
    """
    return _open(verified_path(model_name), device, threads)


def open_file(path: Path, device: Device = Device.CPU, threads: int | None = None) -> Session:
    """Open a user's own network.

    Raises:
        InvalidRequestError: when the file is not there, is too large, or holds no network.
        DeviceUnavailableError: when ``device`` cannot be had.
    """
    if not path.is_file():
        raise InvalidRequestError(f"there is no file {path}")
    megabytes = path.stat().st_size / 1e6
    if megabytes > _MOST_MEGABYTES:
        raise InvalidRequestError(
            f"{path.name} has {megabytes:.0f} MB: a network may have {_MOST_MEGABYTES}",
            allowed=f"an ONNX file of at most {_MOST_MEGABYTES} MB",
        )
    try:
        return _open(path, device, threads)
    except ModelError:
        raise
    except Exception as error:
        raise InvalidRequestError(f"{path.name} is no network that onnxruntime can run") from error


def _open(path: Path, device: Device, threads: int | None) -> Session:
    # Sizes that change from run to run are what TensorRT is slow at: an engine would be built for each.
    return Session(open_inner(path, Device.CUDA if device.is_gpu else device, threads=threads))


def open_inner(
    model: Path | bytes,
    device: Device,
    *,
    threads: int | None = None,
    shape: tuple[int, ...] | None = None,
    engine_cache: Path | None = None,
) -> ort.InferenceSession:
    """Open a network; with ``shape``, that of its only input, for this one shape.

    Raises:
        DeviceUnavailableError: when ``device`` cannot be had.
    """
    if device not in available_devices():
        raise DeviceUnavailableError(f"onnxruntime here was built without {device.value}; install onnxruntime-gpu")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or core_count()
    options.inter_op_num_threads = 1
    # What goes wrong is raised; onnxruntime would also print it.
    options.log_severity_level = 4
    # Lines of text have many widths: remembering a memory plan for each would grow without end.
    options.enable_mem_pattern = shape is not None
    # Threads that spin while they wait take the cores from the decoder, which works at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    content = model if isinstance(model, bytes) else model.read_bytes()
    if shape is not None:
        for name, side in zip(_input_dimensions(content), shape, strict=True):
            if name is not None:
                options.add_free_dimension_override_by_name(name, side)
    inner = ort.InferenceSession(
        content, options, providers=provider_options(device, is_fixed=shape is not None, engine_cache=engine_cache)
    )
    chosen = str(inner.get_providers()[0])
    if chosen != _PROVIDERS[device]:
        raise DeviceUnavailableError(f"the network was to run on {device.value}; onnxruntime chose {chosen}")
    return inner


def provider_options(
    device: Device, *, is_fixed: bool, engine_cache: Path | None = None
) -> list[tuple[str, dict[str, str]]]:
    """Return onnxruntime's providers for a device, the wanted one first, with their options.

    ``is_fixed``: all runs have one shape; the search for the fastest kernels, once a shape, is then worth its second.
    """
    cuda = (
        _PROVIDERS[Device.CUDA],
        {
            "cudnn_conv_algo_search": "EXHAUSTIVE" if is_fixed else "HEURISTIC",
            "cudnn_conv_use_max_workspace": "1",
            # The default doubles what it holds each time, and runs out of memory with half of it unused.
            "arena_extend_strategy": "kSameAsRequested",
        },
    )
    if device is Device.CPU:
        return [(_PROVIDERS[device], {})]
    if device is Device.CUDA:
        return [cuda]
    tensorrt = {"trt_fp16_enable": "1"}
    if engine_cache is not None:
        engine_cache.mkdir(parents=True, exist_ok=True)
        folder = str(engine_cache)
        tensorrt |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder}
        tensorrt |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
    return [(_PROVIDERS[device], tensorrt), cuda]


def _input_dimensions(model: bytes) -> tuple[str | None, ...]:
    """Return the names of the only input's open dimensions, None for a fixed one."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    inner = ort.InferenceSession(model, options, providers=[_PROVIDERS[Device.CPU]])
    return tuple(side if isinstance(side, str) else None for side in inner.get_inputs()[0].shape)
