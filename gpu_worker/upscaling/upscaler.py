"""What an upscaler is, and which ones there are: the upscale stage asks for one by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidRequestError
from gpu_worker.inference.fixed_shape import FixedShapeNetwork
from gpu_worker.inference.machine import core_count
from gpu_worker.inference.model_store import find_model, list_models, verified_path
from gpu_worker.inference.session import Device, Session, open_file, open_session
from gpu_worker.upscaling.lanczos import LanczosUpscaler
from gpu_worker.upscaling.network import NetworkFacts, NetworkUpscaler
from gpu_worker.upscaling.network_check import check_network
from gpu_worker.video.frame import Planes

#: The best that the device runs in a bearable time: of these tiers the first that the catalogue lists.
AUTOMATIC = "auto"
_AUTOMATIC_ON_CPU = ("fast",)
_AUTOMATIC_ON_GPU = ("premium", "normal", "fast")
#: Where TensorRT keeps the engines that it builds, for the jobs after this one on the same machine.
_ENGINE_CACHE_VARIABLE = "SMART_ERASE_ENGINE_CACHE"
#: More would need more memory than they gain: a layer of one tile has up to 128 MB.
_MOST_ABREAST = 4
_TASK = "upscaling"
_PREFIX = "upscale-"
_FILE_SUFFIX = ".onnx"
_SCALE = 2

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Upscaler(Protocol):
    """Enlarges the pictures of one video in order. ``name`` stands in the result; ``scale`` is the factor per side."""

    @property
    def name(self) -> str:
        """Name under which the upscaler is asked for."""
        ...

    @property
    def scale(self) -> int:
        """Factor per side."""
        ...

    def begin(self, planes: Planes, bit_depth: int) -> Callable[[], Planes]:
        """Take the next picture, 4:2:0 planes of H x W; what is returned does the work, in any thread, once.

        It gives y (s*H, s*W) and u, v (ceil(s*H/2), ceil(s*W/2)), same dtype. The work on several pictures may go on at
        once, but is to be started in their order, and none left out: one may wait for the result of the one before.
        Neither what is passed nor what was returned is ever written to.
        """
        ...

    def upscale(self, planes: Planes, bit_depth: int) -> Planes:
        """Take the next picture and do its work now."""
        ...


@dataclass(frozen=True, slots=True)
class Network:
    """A network that doubles luma, opened; ``name`` as it stands in the result, ``run`` on luma (1, 1, H, W), 0-1."""

    name: str
    run: Run
    facts: NetworkFacts


def pictures_abreast(device: Device) -> int:
    """Return how many pictures are best worked on at once.

    Threads that share one picture wait for each other at the end of each layer, and again when the decoder or the
    encoder takes a core from one of them: on a CPU, one thread a picture gets more done. On a GPU, one picture is
    brought there or fetched while the other is worked on.
    """
    return 2 if device.is_gpu else min(core_count(), _MOST_ABREAST)


def upscaler_names() -> tuple[str, ...]:
    """Return the names that can be asked for, without a user's own files."""
    tiers = [card.name.removeprefix(_PREFIX) for card in list_models() if card.task == _TASK]
    return (AUTOMATIC, *tiers, LanczosUpscaler.name)


def open_upscaler(name: str, device: Device = Device.CPU) -> Upscaler:
    """Return the upscaler called ``name``: a tier, ``lanczos``, or the path of a user's own network.

    Raises:
        InvalidRequestError: when there is none of that name, or the file holds no network that doubles luma.
        ModelError: when an installed network cannot be opened.
    """
    if name == LanczosUpscaler.name:
        return LanczosUpscaler()
    network = open_network(name, device, threads=max(1, core_count() // pictures_abreast(device)))
    return NetworkUpscaler(network.name, network.run, network.facts, in_parts=not device.is_gpu)


def open_network(name: str, device: Device = Device.CPU, threads: int | None = None) -> Network:
    """Return the network behind the upscaler called ``name``; ``threads`` for one picture, by default all cores.

    Raises:
        InvalidRequestError: when there is none of that name, or the file holds no network that doubles luma.
        ModelError: when an installed network cannot be opened.
    """
    if name.endswith(_FILE_SUFFIX):
        session = open_file(Path(name), device, threads)
        return Network(Path(name).name, _runner(session, Path(name), device), check_network(session))
    if name == AUTOMATIC:
        wanted = _AUTOMATIC_ON_GPU if device.is_gpu else _AUTOMATIC_ON_CPU
        name = next(tier for tier in wanted if tier in upscaler_names())
    if name not in upscaler_names():
        known = ", ".join(upscaler_names())
        raise InvalidRequestError(
            f"there is no upscaler called {name}; there are: {known}, or a path that ends in .onnx", allowed=known
        )
    card = find_model(_PREFIX + name)
    facts = NetworkFacts(size_multiple=int(card.facts["size_multiple"]), reach=int(card.facts["reach"]))
    session = open_session(card.name, device, threads)
    return Network(name, _runner(session, verified_path(card.name), device), facts)


def _runner(session: Session, path: Path, device: Device) -> Run:
    """Return how pictures go through a network: on a GPU in half precision, each size through a session of its own."""
    if not device.is_gpu:
        return session.run
    # Only an image for GPUs has what converts a network.
    from gpu_worker.inference.half_precision import with_half_body  # noqa: PLC0415

    model = path.read_bytes() if device is Device.TENSORRT else with_half_body(path.read_bytes())
    cache = os.environ.get(_ENGINE_CACHE_VARIABLE)
    return FixedShapeNetwork(model, device, _SCALE, Path(cache) if cache else None).run
