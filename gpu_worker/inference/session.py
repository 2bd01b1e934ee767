"""Opens a listed network on the device that was asked for, and runs it on arrays."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from domain.errors import InvalidRequestError
from gpu_worker.inference.model_store import ModelError, verified_path


class Device(StrEnum):
    """Where a network runs."""

    CPU = "cpu"
    CUDA = "cuda"


_PROVIDERS = {Device.CPU: "CPUExecutionProvider", Device.CUDA: "CUDAExecutionProvider"}


class DeviceUnavailableError(ModelError):
    """Raised when CUDA was asked for and is not really there; falling back in silence would cost hours."""


class DeviceMemoryError(ModelError):
    """Raised when the device has not the memory for what was put in; smaller pieces may fit."""


#: How onnxruntime's allocators say that memory ran out; they have no exception type for it.
_OUT_OF_MEMORY = re.compile(r"out of memory|failed to allocate|AllocateRaw|bad_alloc", re.IGNORECASE)


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
        try:
            outputs: list[NDArray[np.float32]] = self._inner.run(None, batches)
        except Exception as error:
            if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
                shapes = ", ".join(str(batch.shape) for batch in batches.values())
                raise DeviceMemoryError(f"the network cannot take {shapes} at once") from error
            raise
        return dict(zip(self.output_names, outputs, strict=True))


def core_count() -> int:
    """Return how many CPU cores this process may use, which in a container is fewer than the machine has."""
    return len(os.sched_getaffinity(0))


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
        InvalidRequestError: when the file is not there or holds no network.
        DeviceUnavailableError: when ``device`` cannot be had.
    """
    if not path.is_file():
        raise InvalidRequestError(f"there is no file {path}")
    try:
        return _open(path, device, threads)
    except ModelError:
        raise
    except Exception as error:
        raise InvalidRequestError(f"{path.name} is no network that onnxruntime can run") from error


def _open(path: Path, device: Device, threads: int | None) -> Session:
    if device not in available_devices():
        raise DeviceUnavailableError(f"onnxruntime here was built without {device.value}; install onnxruntime-gpu")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or core_count()
    options.inter_op_num_threads = 1
    # What goes wrong is raised; onnxruntime would also print it.
    options.log_severity_level = 4
    # Lines of text have many widths: remembering a memory plan for each would grow without end.
    options.enable_mem_pattern = False
    # Threads that spin while they wait take the cores from the decoder, which works at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = Session(ort.InferenceSession(str(path), options, providers=[_PROVIDERS[device]]))
    if session.provider != _PROVIDERS[device]:
        raise DeviceUnavailableError(f"{path.name} was to run on {device.value}; onnxruntime chose {session.provider}")
    return session
