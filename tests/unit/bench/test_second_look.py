"""The spoilt masks and the table of the second look's bench."""

import numpy as np

from bench.second_look import row, smaller, with_missed_letter
from domain.detection import Box, CaptionEvent
from gpu_worker.fill.second_look import Verdict
from gpu_worker.video.masks import decode_mask, encode_mask


def _event(mask):
    height, width = mask.shape
    return CaptionEvent(
        index=0,
        start_frame=0,
        end_frame=5,
        start_seconds=0,
        end_seconds=0.2,
        box=Box(x0=10, y0=20, x1=10 + width, y1=20 + height),
        mask_png=encode_mask(mask),
    )


def test_a_smaller_mask_has_lost_its_rim_at_the_boxs_edge_too():
    left = decode_mask(smaller(_event(np.ones((20, 60), dtype=bool)), 3))
    expected = np.zeros((20, 60), dtype=bool)
    expected[3:-3, 3:-3] = True
    assert np.array_equal(left, expected)


def test_a_missed_letter_is_a_twelfth_of_the_line():
    left = decode_mask(with_missed_letter(_event(np.ones((20, 120), dtype=bool))))
    assert not left[:, 40:50].any()
    assert left.sum() == 20 * 110


def test_a_row_counts_what_failed_and_gives_median_and_worst():
    found = [Verdict(0.0, 1.0, 1.1, 1.0, 0.5), Verdict(0.0, 3.0, 1.3, 1.2, 0.8), Verdict(0.25, 9.0, 1.2, 1.4, 20.0)]
    assert row("spoilt", found) == "| spoilt | 1 of 3 | 0 / 0.25 | 3 / 9 | 1.2 / 1.3 | 1.2 / 1.4 |"
