"""Lanczos keeps flat ground flat, puts every sample where it belongs, and is found by its name."""

from __future__ import annotations

import numpy as np
import pytest

from domain.errors import InvalidRequestError
from gpu_worker.upscaling.upscaler import AUTOMATIC, open_upscaler, upscaler_names


def _planes(height: int, width: int, value: int, dtype: type) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    half = ((height + 1) // 2, (width + 1) // 2)
    return np.full((height, width), value, dtype), np.full(half, value, dtype), np.full(half, value, dtype)


@pytest.mark.parametrize("name", sorted(set(upscaler_names()) - {AUTOMATIC}))
@pytest.mark.parametrize("sample", [(np.uint8, 8, 235), (np.uint16, 10, 940)], ids=["8 bits", "10 bits"])
@pytest.mark.parametrize("size", [(16, 24), (15, 23)])
def test_every_upscaler_doubles_each_plane_and_keeps_its_type(name, sample, size) -> None:
    (dtype, bit_depth, white), (height, width) = sample, size
    upscaler = open_upscaler(name)
    y, u, v = upscaler.upscale(_planes(height, width, white, dtype), bit_depth)
    assert upscaler.name == name
    assert y.shape == (upscaler.scale * height, upscaler.scale * width)
    assert u.shape == v.shape == (height, width)
    assert y.dtype == u.dtype == dtype
    # At the picture's edge a network sees nothing beyond: at most one 8-bit level comes of it.
    assert np.abs(y.astype(int) - white).max() <= 1 << (bit_depth - 8)
    assert (u == white).all()


def test_ringing_does_not_wrap_around() -> None:
    edge = _planes(16, 16, 0, np.uint16)
    for plane in edge:
        plane[:, plane.shape[1] // 2 :] = 1023
    y, _, _ = open_upscaler("lanczos").upscale(edge, 10)
    assert y.max() == 1023
    assert y[:, :8].max() < 200


def test_a_slope_stays_where_it_was() -> None:
    ramp = np.tile(np.arange(40, 200, 4, dtype=np.uint8), (20, 1))
    planes = (ramp, ramp[:10, ::2].copy(), ramp[:10, ::2].copy())
    y, u, _ = open_upscaler("lanczos").upscale(planes, 8)
    # A new luma column k lies at (k - 0.5) / 2 of the old ones; the slope is 4 a column.
    expected = 40 + 4 * (np.arange(80) - 0.5) / 2
    assert np.abs(y[10].astype(float) - expected)[8:-8].max() <= 1
    # New chroma lies on every even new luma column, as old chroma lay on every even old one.
    assert np.abs(u[5].astype(float) - y[10, ::2])[6:-6].max() <= 1


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequestError, match="lanczos"):
        open_upscaler("magic")
