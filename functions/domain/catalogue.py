"""The models that a caller can ask for, with what each takes: ``GET /v1/models``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from domain.job import Quality, UpscaleQuality
from domain.limits import (
    ERASE_CONTAINERS,
    MAX_LONG_SIDE,
    MAX_SHORT_SIDE,
    MAX_SOURCE_BYTES,
    MIN_SIDE,
    UPSCALE_CONTAINERS,
)
from domain.strict import Strict
from domain.usage import Function


class PictureLimits(Strict):
    """Sizes in pixels, in either orientation."""

    min_side: int
    max_long_side: int
    max_short_side: int


class ModelCard(Strict):
    """One way to do the work. ``rpc_model_id`` is what the closed service's ``ModelId`` calls it.

    ``quality`` is what ``erase.quality`` or ``upscale.quality`` says to ask for it; a network of the operator's own is
    asked for by ``model``, in ``upscale.model``. ``picture`` is None where any size is taken.
    """

    name: str
    function: Function
    quality: Quality | UpscaleQuality | None
    model: str | None = None
    rpc_model_id: str | None = None
    description: str
    containers: tuple[str, ...]
    max_source_bytes: Annotated[int, Field(gt=0)]
    picture: PictureLimits | None


class Catalogue(Strict):
    """All models."""

    models: tuple[ModelCard, ...]


#: Those that the worker has the weights of, in the order of what they cost.
_DOUBLERS = {
    UpscaleQuality.FAST: "A network of our own that keeps up on a CPU",
    UpscaleQuality.NORMAL: "A larger one",
    UpscaleQuality.PREMIUM: "The largest, for a GPU or for who can wait",
}


def catalogue(own_models: Iterable[str] = ()) -> Catalogue:
    """Return what there is to ask for; ``own_models`` are the names of the networks of the operator's own."""
    return Catalogue(
        models=(
            _eraser(Quality.NORMAL, "", "Fills from true pixels of other frames of the shot"),
            _eraser(Quality.PREMIUM, "algo-video-detext-new", "Looks further and follows the motion more closely"),
            *(_doubler(f"double-{quality}", about, quality=quality) for quality, about in _DOUBLERS.items()),
            *(_doubler(name, "A network of the operator's own", model=name) for name in own_models),
        )
    )


def _doubler(
    name: str, description: str, *, quality: UpscaleQuality | None = None, model: str | None = None
) -> ModelCard:
    return ModelCard(
        name=name,
        function=Function.UPSCALE,
        quality=quality,
        model=model,
        description=f"Doubles width and height. {description}",
        containers=tuple(sorted(UPSCALE_CONTAINERS)),
        max_source_bytes=MAX_SOURCE_BYTES,
        picture=PictureLimits(min_side=MIN_SIDE, max_long_side=MAX_LONG_SIDE, max_short_side=MAX_SHORT_SIDE),
    )


def _eraser(quality: Quality, rpc_model_id: str, description: str) -> ModelCard:
    return ModelCard(
        name=f"erase-{quality}",
        function=Function.ERASE,
        quality=quality,
        rpc_model_id=rpc_model_id,
        description=description,
        containers=tuple(sorted(ERASE_CONTAINERS)),
        max_source_bytes=MAX_SOURCE_BYTES,
        picture=None,
    )
