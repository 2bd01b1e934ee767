"""The models that a caller can ask for, with what each takes: ``GET /v1/models``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.job import Quality
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

    ``quality`` is what ``erase.quality`` says to ask for it; ``picture`` is None where any size is taken.
    """

    name: str
    function: Function
    quality: Quality | None
    rpc_model_id: str | None
    description: str
    containers: tuple[str, ...]
    max_source_bytes: Annotated[int, Field(gt=0)]
    picture: PictureLimits | None


class Catalogue(Strict):
    """All models."""

    models: tuple[ModelCard, ...]


def catalogue() -> Catalogue:
    """Return what there is to ask for."""
    return Catalogue(
        models=(
            _eraser(Quality.NORMAL, "", "Fills from true pixels of other frames of the shot"),
            _eraser(Quality.PREMIUM, "algo-video-detext-new", "Looks further and follows the motion more closely"),
            ModelCard(
                name="double",
                function=Function.UPSCALE,
                quality=None,
                rpc_model_id=None,
                description="Doubles width and height; the job's result names the method under upscaler",
                containers=tuple(sorted(UPSCALE_CONTAINERS)),
                max_source_bytes=MAX_SOURCE_BYTES,
                picture=PictureLimits(min_side=MIN_SIDE, max_long_side=MAX_LONG_SIDE, max_short_side=MAX_SHORT_SIDE),
            ),
        )
    )


def _eraser(quality: Quality, rpc_model_id: str, description: str) -> ModelCard:
    return ModelCard(
        name=f"captions-{quality}",
        function=Function.ERASE,
        quality=quality,
        rpc_model_id=rpc_model_id,
        description=description,
        containers=tuple(sorted(ERASE_CONTAINERS)),
        max_source_bytes=MAX_SOURCE_BYTES,
        picture=None,
    )
