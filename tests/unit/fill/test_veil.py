"""Translucent plates: what shows through them is worked out, where that leaves no edge."""

import cv2
import numpy as np
import pytest

from domain.detection import Box, CaptionEvent, Plate
from gpu_worker.fill.eraser import EraseReport, erase
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.fill.veil import Shade, leaves_no_edge, seen_through
from gpu_worker.fill.windows import Occlusion
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import encode_mask
from tests.unit.captions.drawn import moving
from tests.unit.fill.test_eraser import shots

OUTER = Box(x0=60, y0=90, x1=200, y1=136)
PLATE_BOX = Box(x0=64, y0=94, x1=196, y1=132)
EDGE = 6


def with_plate(frame, opacity, levels=(20, 120, 140)):
    """Blend a plate over a frame, whatever its bit depth."""
    scale = 1 << (frame.bit_depth - 8)
    planes = []
    for plane, level, step in zip((frame.y, frame.u, frame.v), levels, (1, 2, 2), strict=True):
        done = plane.copy()
        part = slice(PLATE_BOX.y0 // step, PLATE_BOX.y1 // step), slice(PLATE_BOX.x0 // step, PLATE_BOX.x1 // step)
        done[part] = np.rint(plane[part] * (1 - opacity) + level * scale * opacity)
        planes.append(done)
    return Frame(frame.index, frame.pts, frame.time_base, *planes, frame.bit_depth)


def edge_mask():
    """All of the outer box but what lies well inside of the plate, and a bar where letters would be."""
    mask = np.ones((OUTER.height, OUTER.width), dtype=bool)
    mask[EDGE + 4 : -EDGE - 4, EDGE + 4 : -EDGE - 4] = False
    mask[20:26, 40:100] = True
    return mask


def plate(opacity, start, end, levels=(20, 120, 140)):
    y, u, v = levels
    return Plate(box=PLATE_BOX, start_frame=start, end_frame=end, opacity=opacity, y=y, u=u, v=v)


def event_on(plate_found, start, end):
    return CaptionEvent(
        index=0,
        start_frame=start,
        end_frame=end,
        start_seconds=0,
        end_seconds=1,
        box=OUTER,
        mask_png=encode_mask(edge_mask()),
        plate=plate_found,
    )


def shade(opacity, frame):
    """Return the plate over a window that is the whole frame, with what it covers in full."""
    (overlay,) = overlays_of((event_on(plate(opacity, 0, 1), 0, 1),))
    return Shade.of([(overlay.veil, PLATE_BOX)], frame.height, frame.width)


def in_frame(mask, frame):
    whole = np.zeros(frame.y.shape, dtype=bool)
    whole[OUTER.y0 : OUTER.y1, OUTER.x0 : OUTER.x1] = mask
    return whole


@pytest.mark.parametrize("bit_depth", [8, 10])
def test_what_is_behind_comes_back(bit_depth) -> None:
    clean = moving(1, 0)[0]
    if bit_depth == 10:
        planes = [plane.astype(np.uint16) << 2 for plane in (clean.y, clean.u, clean.v)]
        clean = Frame(0, 0, clean.time_base, *planes, 10)
    seen = with_plate(clean, 0.4)
    hidden = Occlusion(in_frame(edge_mask(), clean))
    (y, u, v), _ = seen_through((seen.y, seen.u, seen.v), shade(0.4, clean), hidden, bit_depth)
    part = in_frame(~edge_mask(), clean) & ~hidden.mask
    scale = 1 << (bit_depth - 8)
    assert cv2.absdiff(y, clean.y)[part].max() <= 3 * scale
    chroma = part[::2, ::2] & ~hidden.chroma_mask
    for behind, before in ((u, clean.u), (v, clean.v)):
        assert cv2.absdiff(behind, before)[chroma].max() <= 3 * scale
    np.testing.assert_array_equal(y[~part], seen.y[~part])


def test_a_wrong_opacity_leaves_an_edge() -> None:
    clean = moving(1, 0)[0]
    seen = with_plate(clean, 0.5)
    planes = seen.y, seen.u, seen.v
    hidden = Occlusion(in_frame(edge_mask(), clean))

    def gone(opacity):
        behind, _ = seen_through(planes, shade(opacity, clean), hidden, 8)
        return leaves_no_edge([(planes, behind)], PLATE_BOX, hidden, 8)

    assert gone(0.5)
    assert not gone(0.2)
    assert not gone(0.75)


@pytest.mark.parametrize(("believed", "is_seen_through"), [(0.5, True), (0.2, False)])
def test_a_plate_is_looked_through_or_filled(believed, is_seen_through) -> None:
    clean = moving(30, 1.0)
    frames = [with_plate(frame, 0.5) if 6 <= frame.index < 24 else frame for frame in clean]
    report = EraseReport()
    # It fades for two frames at its start: nothing is known of its opacity there.
    event = event_on(plate(believed, 8, 24), 6, 24)
    patches = {
        frame.index: patch for frame, (*patch,) in erase(frames, overlays_of((event,)), shots(0, end=30), report=report)
    }
    inner = (PLATE_BOX.height) * (PLATE_BOX.width) - int(edge_mask()[4:-4, 4:-4].sum())
    assert report.pixels_seen_through == (16 * inner if is_seen_through else 0)
    assert report.outside_difference == 0
    masked = int(edge_mask().sum())
    assert report.pixels_masked == 18 * masked + inner * (2 if is_seen_through else 18)
    for index in (6, 7, 15):
        (patch,) = patches[index]
        box = patch.box
        truth = clean[index].y[box.y0 : box.y1, box.x0 : box.x1]
        assert np.square(patch.y.astype(float) - truth).mean() < 40
