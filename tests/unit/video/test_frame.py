"""A frame with few of its rows is a frame of the same size."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from gpu_worker.video.frame import Frame, with_rows_alone


@pytest.mark.parametrize(("dtype", "bit_depth"), [(np.uint8, 8), (np.uint16, 10)])
def test_rows_are_kept_and_the_others_are_black(dtype, bit_depth) -> None:
    luma = np.arange(1, 1 + 7 * 5).reshape(7, 5).astype(dtype)
    chroma = np.arange(1, 1 + 4 * 3).reshape(4, 3).astype(dtype)
    frame = Frame(3, 90, Fraction(1, 30), luma, chroma, chroma + 1, bit_depth, interlaced=True)
    alone = with_rows_alone(frame, (range(2), range(4, 7)))
    assert (alone.index, alone.pts, alone.bit_depth, alone.interlaced) == (3, 90, bit_depth, True)
    for kept, whole, black in ((alone.y, luma, [2, 3]), (alone.u, chroma, [1]), (alone.v, chroma + 1, [1])):
        assert kept.dtype == whole.dtype
        rows = np.setdiff1d(np.arange(len(whole)), black)
        assert (kept[rows] == whole[rows]).all()
        assert not kept[black].any()
