"""Opens a listed network on the device that was asked for, and runs it on arrays."""

from __future__ import annotations

import os
from enum import StrEnum

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from gpu_worker.inference.model_store import ModelError, verified_path


class Device(StrEnum):
    """Where a network runs."""

    CPU = "cpu"
    CUDA = "cuda"


_PROVIDERS = {Device.CPU: "CPUExecutionProvider", Device.CUDA: "CUDAExecutionProvider"}


class DeviceUnavailableError(ModelError):
    """Raised when CUDA was asked for and is not really there; falling back in silence would cost hours."""


class Session:
    """One network with one input and one output, both float32."""

    def __init__(self, inner: ort.InferenceSession) -> None:
        self._inner = inner
        self._input_name: str = inner.get_inputs()[0].name

    @property
    def provider(self) -> str:
        """Name of the execution provider that really runs the network."""
        return str(self._inner.get_providers()[0])

    @property
    def metadata(self) -> dict[str, str]:
        """Key-value pairs that the model file carries."""
        return dict(self._inner.get_modelmeta().custom_metadata_map)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the network's only output for its only input."""
        outputs: list[NDArray[np.float32]] = self._inner.run(None, {self._input_name: batch})
        return outputs[0]


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
    path = verified_path(model_name)
    if device not in available_devices():
        raise DeviceUnavailableError(f"onnxruntime here was built without {device.value}; install onnxruntime-gpu")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or core_count()
    options.inter_op_num_threads = 1
    # Lines of text have many widths: remembering a memory plan for each would grow without end.
    options.enable_mem_pattern = False
    # Threads that spin while they wait take the cores from the decoder, which works at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = Session(ort.InferenceSession(str(path), options, providers=[_PROVIDERS[device]]))
    if session.provider != _PROVIDERS[device]:
        raise DeviceUnavailableError(f"{model_name} was to run on {device.value}; onnxruntime chose {session.provider}")
    return session
