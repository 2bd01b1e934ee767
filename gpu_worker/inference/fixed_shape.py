"""Runs a network on pictures of few sizes: each has a session of its own, made for it, and memory that is bound to it.

With all sizes known, a GPU's libraries choose the fastest kernels once and TensorRT can build its engine; with memory
that stays bound, a picture is copied there and its double back, and nothing is allocated on the way.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from gpu_worker.inference.session import Device, DeviceUnavailableError, memory_error, open_inner

Batch = NDArray[np.float32]
Shape = tuple[int, ...]


class FixedShapeNetwork:
    """A network with one input (N, C, H, W) and one output, ``scale`` times as large, both float32.

    Args:
        model: the ONNX file.
        device: where it runs.
        scale: factor per side.
        engine_cache: folder for TensorRT's engines, which take minutes to build; without it every session builds one.
    """

    def __init__(self, model: bytes, device: Device, scale: int, engine_cache: Path | None = None) -> None:
        self._model = model
        self._device = device
        self._scale = scale
        self._engine_cache = engine_cache
        self._sessions: dict[Shape, ort.InferenceSession] = {}
        self._lock = threading.Lock()
        self._of_thread = threading.local()

    def run(self, batch: Batch) -> Batch:
        """Return the output for one input; may be called from several threads at once.

        Raises:
            DeviceMemoryError: when the batch is too large for the device.
            DeviceUnavailableError: when the device cannot be had.
        """
        bindings: dict[Shape, _Binding] = self._of_thread.__dict__.setdefault("bindings", {})
        try:
            if batch.shape not in bindings:
                session = self._session(batch.shape)
                bindings[batch.shape] = _Binding(session, batch.shape, self._scale, self._device.memory)
            return bindings[batch.shape].run(batch)
        except Exception as error:
            short = memory_error(error, (batch.shape,))
            if short is None:
                raise
            # What this size holds on the device is what a smaller one will need.
            bindings.pop(batch.shape, None)
            with self._lock:
                self._sessions.pop(batch.shape, None)
            raise short from error

    def _session(self, shape: Shape) -> ort.InferenceSession:
        with self._lock:
            if shape not in self._sessions:
                cache = None
                if self._engine_cache is not None and self._device is Device.TENSORRT:
                    cache = self._engine_cache / engine_key(self._model, shape, gpu_identity())
                self._sessions[shape] = open_inner(self._model, self._device, shape=shape, engine_cache=cache)
            return self._sessions[shape]


class _Binding:
    """One thread's memory for one size."""

    def __init__(self, session: ort.InferenceSession, shape: Shape, scale: int, memory: str) -> None:
        batch, _, height, width = shape
        channels = session.get_outputs()[0].shape[1]
        enlarged = (batch, channels, scale * height, scale * width)
        self._session = session
        self._input = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, memory, 0)
        self._output = ort.OrtValue.ortvalue_from_shape_and_type(enlarged, np.float32, memory, 0)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(session.get_inputs()[0].name, self._input)
        self._binding.bind_ortvalue_output(session.get_outputs()[0].name, self._output)

    def run(self, batch: Batch) -> Batch:
        self._input.update_inplace(np.ascontiguousarray(batch))
        self._session.run_with_iobinding(self._binding)
        result: Batch = self._output.numpy()
        # From a GPU it was fetched; in the processor's memory it is the bound one itself, which the next run changes.
        return result.copy() if self._output.device_name() == "cpu" else result


def engine_key(model: bytes, shape: Shape, gpu: str) -> str:
    """Return the name of an engine's folder: an engine fits one network and size, one GPU, driver and runtime."""
    parts = (hashlib.sha256(model).hexdigest(), "x".join(map(str, shape)), gpu, ort.__version__)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def gpu_identity() -> str:
    """Return name, driver and compute capability of the first GPU, as the driver tells them.

    Raises:
        DeviceUnavailableError: when no driver answers.
    """
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  all ours
    except (OSError, subprocess.CalledProcessError) as error:
        raise DeviceUnavailableError("no NVIDIA driver answers: nvidia-smi cannot be run") from error
