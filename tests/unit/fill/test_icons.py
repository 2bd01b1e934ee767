"""Logos erased from drawn clips: what shines through is worked out, what nothing shows is made up once and held."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from domain.detection import IconBehaviour
from domain.job import Quality
from gpu_worker.fill.eraser import EraseReport, erase
from gpu_worker.fill.overlays import SubjectKind, overlays_of
from gpu_worker.fill.veil import Shade, seen_through
from gpu_worker.fill.windows import Occlusion
from gpu_worker.video.masks import decode_mark_mask
from gpu_worker.video.patches import apply_patches
from tests.unit.captions.drawn import moving
from tests.unit.fill import drawn_icons
from tests.unit.fill.drawn_icons import track, with_logo
from tests.unit.fill.test_eraser import shots

SIZE = (320, 180)
AT = (20, 16)


def place_mask(x=AT[0], y=AT[1], strength=1.0):
    mask = np.zeros(SIZE[::-1], dtype=bool)
    inside = decode_mark_mask(drawn_icons.mark(strength, with_matte=False))
    mask[y : y + drawn_icons.HEIGHT, x : x + drawn_icons.WIDTH] = inside
    return mask


def erased(frames, icon, quality=Quality.NORMAL, report=None):
    walls = shots(0, end=len(frames))
    pairs = erase(frames, overlays_of((), (icon,)), walls, quality, report=report)
    return [apply_patches(*pair) for pair in pairs]


def psnr(frames, clean, mask):
    errors = [np.square(a.y[mask].astype(float) - b.y[mask]).mean() for a, b in zip(frames, clean, strict=True)]
    return 10 * np.log10(255**2 / max(1e-3, np.mean(errors)))


def telea(frames, mask):
    return [replace(f, y=cv2.inpaint(f.y, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)) for f in frames]


@pytest.mark.parametrize("bit_depth", [8, 10])
@pytest.mark.parametrize("strength", [0.3, 0.6])
def test_each_pixel_is_told_by_its_own_opacity(strength, bit_depth):
    clean = moving(1, 0, *SIZE)[0]
    if bit_depth == 10:
        y, u, v = (plane.astype(np.uint16) << 2 for plane in (clean.y, clean.u, clean.v))
        clean = replace(clean, y=y, u=u, v=v, bit_depth=10)
    seen = with_logo(clean, *AT, strength)
    (overlay,) = overlays_of((), (track((0, 1, *AT), strength=strength, with_matte=True),))
    shade = Shade.of([(overlay.veil, overlay.box)], *clean.y.shape)
    hidden = Occlusion(place_mask(strength=strength))
    (y, u, v), shine = seen_through((seen.y, seen.u, seen.v), shade, hidden, bit_depth)
    for told, truth, before in ((y, clean.y, seen.y), (u, clean.u, seen.u), (v, clean.v, seen.v)):
        changed = before != truth
        wrong = np.abs(before.astype(int) - truth)[changed].mean()
        assert np.abs(told.astype(int) - truth)[changed].mean() < 0.25 * wrong
    beside = ~hidden.mask
    assert np.array_equal(y[beside], seen.y[beside])
    assert np.isfinite(shine.luma[hidden.mask]).all()
    assert np.isinf(shine.luma[beside]).all()


def test_the_less_comes_through_the_less_is_known():
    clean = moving(1, 0, *SIZE)[0]
    doubts = []
    for strength in (0.2, 0.5, 0.8):
        seen = with_logo(clean, *AT, strength)
        (overlay,) = overlays_of((), (track((0, 1, *AT), strength=strength, with_matte=True),))
        shade = Shade.of([(overlay.veil, overlay.box)], *clean.y.shape)
        hidden = Occlusion(place_mask(strength=strength))
        _, shine = seen_through((seen.y, seen.u, seen.v), shade, hidden, 8)
        doubts.append(float(np.median(shine.luma[hidden.mask])))
    assert doubts[0] < doubts[1] < doubts[2]


def test_nothing_is_told_of_what_is_opaque_or_lies_behind_two_veils():
    solid = overlays_of((), (track((0, 1, *AT), strength=1.0, with_matte=True),))[0]
    thin = overlays_of((), (track((0, 1, *AT), strength=0.3, with_matte=True),))[0]
    height, width = SIZE[::-1]
    known = Shade.of([(solid.veil, solid.box)], height, width).y.known
    assert not known[AT[1] + 24, AT[0] + 24]
    assert known[AT[1] + 24, AT[0] + 36]
    both = Shade.of([(thin.veil, thin.box), (thin.veil, thin.box)], height, width)
    assert not both.y.known.any()
    assert not both.u.known.any()


@pytest.mark.parametrize("step", [0.0, 1.5], ids=["still", "pan"])
@pytest.mark.parametrize("quality", list(Quality))
def test_a_translucent_logo_that_never_goes_is_seen_through(step, quality):
    clean = moving(16, step, *SIZE)
    marked = [with_logo(frame, *AT, 0.5) for frame in clean]
    report = EraseReport()
    done = erased(marked, track((0, 16, *AT), strength=0.5, with_matte=True), quality, report)
    mask = place_mask(strength=0.5)
    assert psnr(done, clean, mask) > psnr(telea(marked, mask), clean, mask) + 5
    assert psnr(done, clean, mask) > 36
    fill = report.of(SubjectKind.ICON)[0]
    assert fill.pixels.seen_through + fill.pixels.masked == 16 * int(mask.sum())
    assert fill.pixels.seen_through > fill.pixels.masked
    assert report.outside_difference == 0


def test_a_mark_that_jumps_over_a_still_scene_comes_off_whole():
    places = ((0, 12, *AT), (12, 24, 220, 16), (24, 36, 220, 110), (36, 48, *AT))
    clean = moving(48, 0.0, *SIZE)
    marked = [with_logo(frame, *places[frame.index // 12][2:], 1.0) for frame in clean]
    done = erased(marked, track(*places, behaviour=IconBehaviour.JUMPING))
    for start, end, x, y in places:
        assert psnr(done[start:end], clean[start:end], place_mask(x, y)) > 45


def test_a_mark_that_drifts_shows_what_it_leaves():
    places = tuple((index, index + 1, 20 + 2 * index, 16) for index in range(40))
    clean = moving(40, 0.0, *SIZE)
    marked = [with_logo(frame, *places[frame.index][2:], 1.0) for frame in clean]
    report = EraseReport()
    done = erased(marked, track(*places, behaviour=IconBehaviour.MOVING), report=report)
    masks = [place_mask(x, y) for _, _, x, y in places]
    ours, painted = (
        np.mean([psnr([video[i]], [clean[i]], masks[i]) for i in range(40)])
        for video in (done, [telea([marked[i]], masks[i])[0] for i in range(40)])
    )
    assert ours > painted + 5
    assert report.of(SubjectKind.ICON)[0].frames == 40


@pytest.fixture(scope="module")
def hidden_for_good():
    """A still scene with the codec's noise, light that goes down, and a logo that never goes."""
    chance = np.random.default_rng(3)
    scene = moving(1, 0.0, *SIZE)[0]
    clean = []
    for index in range(60):
        light = scene.y.astype(float) - 0.5 * max(0, index - 20)
        noisy = np.clip(light + chance.normal(0, 0.6, scene.y.shape), 0, 255).astype(np.uint8)
        clean.append(replace(scene, index=index, pts=index, y=noisy))
    marked = [with_logo(frame, *AT, 1.0) for frame in clean]
    return clean, marked, erased(marked, track((0, 60, *AT)))


def test_what_is_held_does_not_boil(hidden_for_good):
    _, marked, done = hidden_for_good
    inner = cv2.erode(place_mask().astype(np.uint8), np.ones((5, 5), np.uint8)) > 0

    def low_change(frames):
        """What changes from frame to frame in patches that an eye can follow; noise is finer."""
        soft = [cv2.GaussianBlur(frame.y.astype(np.float32), (0, 0), 4)[inner] for frame in frames[:20]]
        return np.mean([np.abs(later - earlier).mean() for earlier, later in itertools.pairwise(soft)])

    assert low_change(done) < low_change(telea(marked, place_mask())) / 4


def test_what_is_held_has_the_grain_around_it_anew_in_every_frame():
    chance = np.random.default_rng(4)
    scene = moving(1, 0.0, *SIZE)[0]
    soft = cv2.GaussianBlur(scene.y.astype(np.float32), (0, 0), 6)
    clean = [
        replace(scene, index=i, pts=i, y=np.clip(soft + chance.normal(0, 1.6, soft.shape), 0, 255).astype(np.uint8))
        for i in range(12)
    ]
    done = erased([with_logo(frame, *AT, 1.0) for frame in clean], track((0, 12, *AT)))
    inner = cv2.erode(place_mask().astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    outer = ~(cv2.dilate(place_mask().astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)

    def grain(where):
        changes = [later.y.astype(np.float32) - earlier.y for earlier, later in itertools.pairwise(done)]
        return np.mean([change[where].std() for change in changes])

    assert 0.5 < grain(inner) / grain(outer) < 1.1


def test_what_is_held_follows_the_light(hidden_for_good):
    clean, _, done = hidden_for_good
    mask = place_mask()
    fall = clean[19].y[mask].mean() - clean[59].y[mask].mean()
    assert done[19].y[mask].mean() - done[59].y[mask].mean() == pytest.approx(fall, abs=2)


def test_what_is_held_goes_with_what_was_beside_it():
    """A dark thing stands behind the logo, reaching out of it, and leaves: nothing of it may stay."""
    bright = replace(moving(1, 0.0, *SIZE)[0], y=np.full(SIZE[::-1], 180, np.uint8))
    dark = bright.y.copy()
    dark[:, : AT[0] + 30] = 60
    clean = [replace(bright, index=i, pts=i, y=dark if i < 20 else bright.y) for i in range(40)]
    marked = [with_logo(frame, *AT, 1.0) for frame in clean]
    done = erased(marked, track((0, 40, *AT)))
    mask = place_mask()
    assert np.abs(done[39].y[mask].astype(int) - 180).max() <= 4
