"""What a job would take: seconds of work and their price, from facts of the video and the rates of the stack."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.job import EraseSettings, Quality, UpscaleQuality, UpscaleSettings
from domain.limits import check_upscale_size
from domain.strict import Strict
from domain.usage import Tier, tier_of

_SECONDS_PER_HOUR = 3600
_MAX_SIDE = 16384
_MAX_DURATION_SECONDS = 24 * 3600
_MAX_FRAME_RATE = 240
_UPSCALED = 2

_Rate = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]


class EstimateRates(Strict):
    """How fast one of the stack's machines works, in megapixels of source a second, and what it costs an hour."""

    erase: _Rate
    erase_premium: _Rate
    upscale: _Rate
    upscale_normal: _Rate
    upscale_premium: _Rate
    price_per_hour: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class EstimateRequest(Strict):
    """A video and what is to be done with it; sizes in pixels as displayed."""

    duration_seconds: Annotated[float, Field(strict=True, gt=0, le=_MAX_DURATION_SECONDS, allow_inf_nan=False)]
    width: Annotated[int, Field(strict=True, ge=1, le=_MAX_SIDE)]
    height: Annotated[int, Field(strict=True, ge=1, le=_MAX_SIDE)]
    frame_rate: Annotated[float, Field(strict=True, gt=0, le=_MAX_FRAME_RATE, allow_inf_nan=False)] = 25
    erase: EraseSettings | None = None
    upscale: UpscaleSettings | None = None

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if self.erase is None and self.upscale is None:
            raise ValueError("ask for at least one of erase and upscale")
        return self


class Cost(Strict):
    """An amount of money."""

    amount: float
    currency: str


class Estimate(Strict):
    """What a job would take. ``work_seconds`` are those of one machine; a long video is shared out over several.

    ``billable_seconds`` are the seconds of the output, as usage counts them.
    """

    work_seconds: float
    cost: Cost
    billable_seconds: float
    output_width: int
    output_height: int
    tier: Tier


def estimate(request: EstimateRequest, rates: EstimateRates) -> Estimate:
    """Return what a job would take.

    Raises:
        UnsupportedResolutionError: the job would be refused for the size of its picture.
    """
    work_seconds = 0.0
    megapixels = request.width * request.height * request.frame_rate * request.duration_seconds / 1e6
    if request.erase is not None:
        is_premium = request.erase.quality is Quality.PREMIUM
        work_seconds += megapixels / (rates.erase_premium if is_premium else rates.erase)
    if request.upscale is not None:
        check_upscale_size(request.width, request.height)
        work_seconds += megapixels / _upscale_rate(request.upscale, rates)
    scale = 1 if request.upscale is None else _UPSCALED
    width, height = request.width * scale, request.height * scale
    return Estimate(
        work_seconds=round(work_seconds, 1),
        cost=Cost(amount=round(work_seconds / _SECONDS_PER_HOUR * rates.price_per_hour, 4), currency=rates.currency),
        billable_seconds=request.duration_seconds,
        output_width=width,
        output_height=height,
        tier=tier_of(width, height),
    )


def _upscale_rate(settings: UpscaleSettings, rates: EstimateRates) -> float:
    """Return the rate of a quality; of a network of the operator's own it is not known, so the first one stands in."""
    of_quality = {UpscaleQuality.NORMAL: rates.upscale_normal, UpscaleQuality.PREMIUM: rates.upscale_premium}
    return of_quality.get(settings.quality, rates.upscale)
