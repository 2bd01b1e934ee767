"""What an upscaler is, and which ones there are: the upscale stage asks for one by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from domain.errors import InvalidRequestError
from gpu_worker.inference.model_store import find_model, list_models
from gpu_worker.inference.session import Device, open_file, open_session
from gpu_worker.upscaling.lanczos import LanczosUpscaler
from gpu_worker.upscaling.network import NetworkFacts, NetworkUpscaler
from gpu_worker.upscaling.network_check import check_network
from gpu_worker.video.frame import Planes

#: The best that the device runs in a bearable time.
AUTOMATIC = "auto"
_AUTOMATIC = {Device.CPU: "fast", Device.CUDA: "fast"}
_TASK = "upscaling"
_PREFIX = "upscale-"
_FILE_SUFFIX = ".onnx"


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
    if name.endswith(_FILE_SUFFIX):
        session = open_file(Path(name), device)
        return NetworkUpscaler(Path(name).name, session.run, check_network(session))
    if name == AUTOMATIC:
        name = _AUTOMATIC[device]
    if name == LanczosUpscaler.name:
        return LanczosUpscaler()
    if name not in upscaler_names():
        known = ", ".join(upscaler_names())
        raise InvalidRequestError(
            f"there is no upscaler called {name}; there are: {known}, or a path that ends in .onnx", allowed=known
        )
    card = find_model(_PREFIX + name)
    facts = NetworkFacts(size_multiple=int(card.facts["size_multiple"]), reach=int(card.facts["reach"]))
    return NetworkUpscaler(name, open_session(card.name, device).run, facts)
