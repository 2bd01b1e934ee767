"""What an upscaler is, and which ones there are: the upscale stage asks for one by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from domain.errors import InvalidRequestError
from gpu_worker.upscaling.lanczos import LanczosUpscaler
from gpu_worker.video.frame import Plane

DEFAULT_UPSCALER = "lanczos"


class Upscaler(Protocol):
    """Enlarges pictures one by one. ``name`` stands in the result; ``scale`` is the factor per side."""

    @property
    def name(self) -> str:
        """Name under which the upscaler is asked for."""
        ...

    @property
    def scale(self) -> int:
        """Factor per side."""
        ...

    def upscale(self, planes: tuple[Plane, Plane, Plane], bit_depth: int) -> tuple[Plane, Plane, Plane]:
        """Return y (s*H, s*W) and u, v (ceil(s*H/2), ceil(s*W/2)) for 4:2:0 planes of an H x W picture, same dtype."""
        ...


UPSCALERS: dict[str, Callable[[], Upscaler]] = {DEFAULT_UPSCALER: LanczosUpscaler}


def open_upscaler(name: str) -> Upscaler:
    """Return the upscaler called ``name``.

    Raises:
        InvalidRequestError: when there is none of that name.
    """
    if name not in UPSCALERS:
        known = ", ".join(sorted(UPSCALERS))
        raise InvalidRequestError(f"there is no upscaler called {name}; there are: {known}", allowed=known)
    return UPSCALERS[name]()
