"""Which H.264 encoder there is, and how it is told what quality or bitrate is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from gpu_worker.video.capabilities import encodes

EncoderName = Literal["libx264", "h264_nvenc"]
#: Visually lossless. At this rate factor ``veryfast`` gave files no larger than ``medium``, at 2.4 times its speed.
_CONSTANT_QUALITY = 18
#: Peaks up to one and a half times the asked rate, over one second of it: the average still meets what was asked.
_PEAK_RATIO = 1.5
_BUFFER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RateTarget:
    """What the encoder aims at: an average bitrate, or with None a constant, visually lossless quality."""

    bitrate_mbps: int | None = None

    @property
    def bits_per_second(self) -> int | None:
        """Return the average rate asked for."""
        return None if self.bitrate_mbps is None else self.bitrate_mbps * 1_000_000


def choose_encoder(bit_depth: int, *, interlaced: bool) -> EncoderName:
    """Return NVENC where it is really there and can do the job, else libx264."""
    # NVENC has neither 10-bit H.264 nor, since Turing, interlaced H.264.
    if bit_depth == 8 and not interlaced and nvenc_works():
        return "h264_nvenc"
    return "libx264"


@cache
def nvenc_works() -> bool:
    """Tell, once per process, whether NVENC encodes a picture; some GPUs have no encoder at all."""
    return encodes("h264_nvenc")


def encoder_options(encoder: EncoderName, target: RateTarget) -> dict[str, str]:
    """Return the private options of ``encoder`` for ``target``."""
    rate = target.bits_per_second
    if encoder == "h264_nvenc":
        if rate is None:
            return {"preset": "p5", "rc": "vbr", "cq": str(_CONSTANT_QUALITY), "b": "0"}
        return {"preset": "p5", "rc": "vbr", **_rate_options(rate)}
    if rate is None:
        return {"preset": "veryfast", "crf": str(_CONSTANT_QUALITY)}
    return {"preset": "veryfast", **_rate_options(rate)}


def _rate_options(bits_per_second: int) -> dict[str, str]:
    peak = round(bits_per_second * _PEAK_RATIO)
    return {"b": str(bits_per_second), "maxrate": str(peak), "bufsize": str(round(peak * _BUFFER_SECONDS))}
