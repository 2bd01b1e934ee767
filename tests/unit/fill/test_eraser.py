"""Captions erased from drawn clips, against the clean frames."""

import base64
import itertools

import cv2
import numpy as np
import pytest

from domain.detection import Box, CaptionEvent, Shot
from domain.job import Quality
from gpu_worker.fill.eraser import EraseReport, erase, plan_windows
from gpu_worker.fill.overlays import overlays_of
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import decode_mask
from tests.unit.captions.drawn import Drawn, moving, with_captions


def event_of(opacities, start, end, index=0):
    """Return an event with the true mask: every drawn pixel and two around it."""
    drawn = np.max(opacities[start:end], axis=0) > 0.02
    mask = cv2.dilate(drawn.astype(np.uint8), np.ones((5, 5), np.uint8))
    rows, columns = np.nonzero(mask)
    box = Box(x0=int(columns.min()), y0=int(rows.min()), x1=int(columns.max()) + 1, y1=int(rows.max()) + 1)
    return event_with(mask[box.y0 : box.y1, box.x0 : box.x1] * 255, box, start, end, index)


def event_with(mask, box, start, end, index=0):
    _, png = cv2.imencode(".png", mask)
    return CaptionEvent(
        index=index,
        start_frame=start,
        end_frame=end,
        start_seconds=start / 25,
        end_seconds=end / 25,
        box=box,
        mask_png=base64.b64encode(png.tobytes()).decode(),
    )


def shots(*starts, end):
    return tuple(
        Shot(start_frame=first, end_frame=last, start_pts=first) for first, last in itertools.pairwise([*starts, end])
    )


def erased(frames, events, walls, quality=Quality.NORMAL, **options):
    """Return the frames with their patches applied, after checking what every patch must keep."""
    overlays = overlays_of(events)
    windows = plan_windows(overlays, frames[0].width, frames[0].height)
    done = []
    for source, (frame, patches) in zip(frames, erase(iter(frames), overlays, walls, quality, **options), strict=True):
        assert frame is source
        active = [event for event in events if event.start_frame <= frame.index < event.end_frame]
        assert {tuple(patch.box) for patch in patches} == {
            tuple(box) for box in windows if any(inside(event.box, box) for event in active)
        }
        y, u, v = frame.y.copy(), frame.u.copy(), frame.v.copy()
        for patch in patches:
            box = patch.box
            half = (slice(box.y0 // 2, (box.y1 + 1) // 2), slice(box.x0 // 2, (box.x1 + 1) // 2))
            assert patch.y.dtype == frame.y.dtype
            y[box.y0 : box.y1, box.x0 : box.x1], u[half], v[half] = patch.y, patch.u, patch.v
        done.append(Frame(frame.index, frame.pts, frame.time_base, y, u, v, frame.bit_depth))
    return done


def inside(inner, outer):
    return inner.x0 >= outer.x0 and inner.y0 >= outer.y0 and inner.x1 <= outer.x1 and inner.y1 <= outer.y1


def mask_in(event, frame):
    mask = np.zeros(frame.y.shape, dtype=bool)
    box = event.box
    mask[box.y0 : box.y1, box.x0 : box.x1] = decode_mask(event)
    return mask


def psnr(frames, clean, event):
    mask = mask_in(event, clean[0])
    span = slice(event.start_frame, event.end_frame)
    errors = [np.square(a.y[mask].astype(float) - b.y[mask]) for a, b in zip(frames[span], clean[span], strict=True)]
    return 10 * np.log10(255**2 / max(1e-3, np.mean(errors)))


def telea(frames, event):
    mask = mask_in(event, frames[0]).astype(np.uint8)
    return [Frame(f.index, f.pts, f.time_base, cv2.inpaint(f.y, mask, 3, cv2.INPAINT_TELEA), f.u, f.v) for f in frames]


@pytest.fixture(scope="module", params=[0.0, 1.5], ids=["still", "pan"])
def captioned(request):
    clean = moving(44, request.param)
    frames, opacities = with_captions(clean, (Drawn("What the caption hid", 6, 38),))
    return request.param, clean, frames, event_of(opacities, 6, 38)


def test_true_pixels_come_back(captioned):
    step, clean, frames, event = captioned
    report = EraseReport()
    done = erased(frames, (event,), shots(0, end=44), report=report)
    assert psnr(done, clean, event) > psnr(telea(frames, event), clean, event) + 3
    assert psnr(done, clean, event) > (45 if step == 0 else 33)
    assert report.frames == 44
    assert report.frames_changed == 32
    assert report.coverage > 0.95
    assert report.pixels_masked == 32 * int(decode_mask(event).sum())


def chroma_reach(mask):
    """Chroma samples that may change: those of the mask, and two more around them, where its colour may have bled."""
    samples = mask.reshape(mask.shape[0] // 2, 2, mask.shape[1] // 2, 2).any(axis=(1, 3))
    return cv2.dilate(samples.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)


def test_pixels_outside_the_mask_are_bit_identical(captioned):
    _, _, frames, event = captioned
    done = erased(frames, (event,), shots(0, end=44))
    mask = mask_in(event, frames[0])
    chroma = chroma_reach(mask)
    for before, after in zip(frames, done, strict=True):
        assert np.array_equal(before.y[~mask], after.y[~mask])
        assert np.array_equal(before.u[~chroma], after.u[~chroma])
        assert np.array_equal(before.v[~chroma], after.v[~chroma])
    assert not np.array_equal(frames[20].u, done[20].u)


def test_colour_that_bled_out_of_the_letters_goes_too(captioned):
    _, clean, frames, event = captioned
    mask = mask_in(event, frames[0])
    samples = mask.reshape(mask.shape[0] // 2, 2, mask.shape[1] // 2, 2).any(axis=(1, 3))
    row_above = np.roll(samples, -1, axis=0) & ~samples
    bled = [
        Frame(f.index, f.pts, f.time_base, f.y, np.where(row_above, 200, f.u).astype(np.uint8), f.v)
        if event.start_frame <= f.index < event.end_frame
        else f
        for f in frames
    ]
    done = erased(bled, (event,), shots(0, end=44))
    for before, after in zip(clean, done, strict=True):
        assert np.abs(after.u[row_above].astype(int) - before.u[row_above]).mean() < 6


def test_premium_looks_twice_and_is_no_worse(captioned):
    step, clean, frames, event = captioned
    normal = psnr(erased(frames, (event,), shots(0, end=44)), clean, event)
    premium = psnr(erased(frames, (event,), shots(0, end=44), Quality.PREMIUM), clean, event)
    assert premium > normal + (0.3 if step else -0.1)


def test_the_result_hardly_depends_on_how_much_is_looked_at_together(captioned):
    _, clean, frames, event = captioned
    whole = erased(frames, (event,), shots(0, end=44))
    pieces = erased(frames, (event,), shots(0, end=44), window_frames=12)
    assert psnr(pieces, clean, event) > psnr(telea(frames, event), clean, event) + 2
    mask = mask_in(event, clean[0])
    jumps = [np.abs(a.y[mask].astype(int) - b.y[mask]).mean() for a, b in zip(whole, pieces, strict=True)]
    assert max(jumps) < 6


def test_no_pixel_crosses_a_cut():
    dark = [Frame(i, i, f.time_base, f.y // 4, f.u, f.v) for i, f in enumerate(moving(20, 1.0, seed=3))]
    light = [
        Frame(i + 20, i + 20, f.time_base, 190 + f.y // 4, f.u, f.v) for i, f in enumerate(moving(20, 1.0, seed=4))
    ]
    frames, opacities = with_captions(dark + light, (Drawn("Over the cut", 4, 36),))
    event = event_of(opacities, 4, 36)
    done = erased(frames, (event,), shots(0, 20, end=40))
    mask = mask_in(event, frames[0])
    assert max(frame.y[mask].max() for frame in done[:20]) < 90
    assert min(frame.y[mask].min() for frame in done[20:]) > 160


def test_what_nothing_reveals_is_filled_from_beside():
    clean = moving(12, 0.0)
    frames, opacities = with_captions(clean, (Drawn("There all the time", 0, 12),))
    event = event_of(opacities, 0, 12)
    report = EraseReport()
    done = erased(frames, (event,), shots(0, end=12), report=report)
    assert report.coverage == 0
    assert report.pixels_from_beside == report.pixels_masked > 0
    assert psnr(done, clean, event) > psnr(telea(frames, event), clean, event) - 0.5


def test_a_video_of_one_frame():
    clean = moving(1, 0.0)
    frames, opacities = with_captions(clean, (Drawn("One", 0, 1),))
    event = event_of(opacities, 0, 1)
    done = erased(frames, (event,), shots(0, end=1))
    assert psnr(done, clean, event) > 20


def test_ten_bit_of_odd_size():
    clean = moving(20, 1.0, width=479, height=271)
    drawn, opacities = with_captions(clean, (Drawn("Deep and odd", 4, 16),))
    event = event_of(opacities, 4, 16)
    deep = [
        Frame(f.index, f.pts, f.time_base, *((p.astype(np.uint16) * 4) for p in (f.y, f.u, f.v)), bit_depth=10)
        for f in drawn
    ]
    done = erased(deep, (event,), shots(0, end=20))
    mask = mask_in(event, clean[0])
    error = np.mean([np.square(done[i].y[mask] / 4.0 - clean[i].y[mask]) for i in range(4, 16)])
    assert error < np.mean([np.square(telea(drawn, event)[i].y[mask] - clean[i].y[mask].astype(float)) for i in (8,)])
    assert max(frame.y.max() for frame in done) <= 1023


def test_a_piece_of_the_video_counts_from_its_own_first_frame():
    clean = moving(40, 1.0)
    frames, opacities = with_captions(clean, (Drawn("A later piece", 24, 36),))
    event = event_of(opacities, 24, 36)
    done = erased(frames[20:], (event,), shots(0, 20, end=40))
    mask = mask_in(event, clean[0])
    assert [frame.index for frame in done] == list(range(20, 40))
    assert np.abs(done[8].y[mask].astype(int) - clean[28].y[mask]).mean() < 5


def test_nothing_to_erase_passes_frames_through():
    frames = moving(5, 1.0)
    assert [(frame.index, patches) for frame, patches in erase(frames, (), shots(0, end=5))] == [
        (index, ()) for index in range(5)
    ]
    assert list(erase([], (), ())) == []


def test_frames_held_are_bounded():
    frames = moving(60, 1.0)
    captioned, opacities = with_captions(frames, (Drawn("A long one", 0, 60),))
    taken = 0

    def counted():
        nonlocal taken
        for frame in captioned:
            taken += 1
            yield frame

    events = (event_of(opacities, 0, 60),)
    for given, _ in enumerate(erase(counted(), overlays_of(events), shots(0, end=60), window_frames=16)):
        assert taken - given <= 17
    assert taken == 60


def test_windows_are_disjoint_even_and_hold_their_captions():
    boxes = [(11, 201, 100, 231), (90, 220, 200, 250), (11, 21, 61, 41), (470, 260, 479, 271)]
    events = tuple(
        event_with(np.full((y1 - y0, x1 - x0), 255, np.uint8), Box(x0=x0, y0=y0, x1=x1, y1=y1), 0, 5, index)
        for index, (x0, y0, x1, y1) in enumerate(boxes)
    )
    windows = plan_windows(overlays_of(events), 479, 271)
    assert [(box.x0, box.y0, box.x1, box.y1) for box in windows] == [
        (6, 16, 66, 46),
        (6, 196, 204, 254),
        (466, 256, 479, 271),
    ]


@pytest.mark.parametrize("png", ["", "not base64!", base64.b64encode(b"not a picture").decode()])
def test_a_mask_that_is_no_picture_is_refused(png):
    event = event_with(np.full((4, 4), 255, np.uint8), Box(x0=0, y0=0, x1=4, y1=4), 0, 1)
    with pytest.raises(ValueError, match="mask of caption 0"):
        decode_mask(event.model_copy(update={"mask_png": png}))
