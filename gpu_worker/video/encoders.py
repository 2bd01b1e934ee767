"""Which H.264 encoder there is, and how it is told what quality or bitrate is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from gpu_worker.video.capabilities import encodes
from gpu_worker.video.hdr import HdrMetadata

EncoderName = Literal["libx264", "h264_nvenc"]
#: How much work libx264 spends, in its own words.
Preset = Literal["superfast", "veryfast", "faster", "medium"]
#: Visually lossless. At this rate factor ``veryfast`` gave files no larger than ``medium``, at 2.4 times its speed.
_CONSTANT_QUALITY = 18
#: Peaks up to one and a half times the asked rate, over one second of it: the average still meets what was asked.
_PEAK_RATIO = 1.5
_BUFFER_SECONDS = 1.0
#: How far libx264 lets the sum stray on the way, as a share of the rate. Its own 1.0 came out 17 % off after two
#: seconds of noise, this at most 2 %, and pictures of changing difficulty came out no worse.
_RATE_TOLERANCE = 0.1
#: ``superfast`` follows no pixels into the next pictures, though that costs it next to nothing and spares up to a third
#: of the bits. Its B-frames and its smallest blocks take a third of its time, and pictures that were just enlarged come
#: out as well without them, at 2 and at 10 Mbps.
_SUPERFAST_CHANGES = {"mbtree": "1", "rc-lookahead": "10", "partitions": "i8x8", "bf": "0"}


@dataclass(frozen=True, slots=True)
class RateTarget:
    """What the encoder aims at: an average bitrate, or with None a constant, visually lossless quality.

    ``preset`` is what libx264 may spend on it; NVENC takes its own way.
    """

    bitrate_mbps: int | None = None
    preset: Preset = "veryfast"

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


def encoder_options(encoder: EncoderName, target: RateTarget, hdr: HdrMetadata | None = None) -> dict[str, str]:
    """Return the private options of ``encoder`` for ``target``; only libx264, which alone has ten bits, is told HDR."""
    rate = target.bits_per_second
    if encoder == "h264_nvenc":
        if rate is None:
            return {"preset": "p5", "rc": "vbr", "cq": str(_CONSTANT_QUALITY), "b": "0"}
        return {"preset": "p5", "rc": "vbr", **_rate_options(rate)}
    options = {"preset": target.preset, **(_SUPERFAST_CHANGES if target.preset == "superfast" else {})}
    params = () if hdr is None else hdr.x264_params()
    if rate is None:
        options["crf"] = str(_CONSTANT_QUALITY)
    else:
        options |= _rate_options(rate)
        params = (f"ratetol={_RATE_TOLERANCE}", *params)
    return options | ({"x264-params": ":".join(params)} if params else {})


def _rate_options(bits_per_second: int) -> dict[str, str]:
    peak = round(bits_per_second * _PEAK_RATIO)
    return {"b": str(bits_per_second), "maxrate": str(peak), "bufsize": str(round(peak * _BUFFER_SECONDS))}
