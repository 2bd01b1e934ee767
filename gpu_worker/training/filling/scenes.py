"""Short scenes with something drawn over them: what production would hand to the network, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_worker.fill.spatial import fill_smoothly
from gpu_worker.fill.windows import Occlusion
from gpu_worker.training.codec import BytePlane, Planes, through_h264
from gpu_worker.training.filling.marks import draw_marks

FRAMES = 3
#: Side of a scene in pixels.
SIDE = 256
_CRF = (16, 29)
_STILL_SHARE = 0.4
_MAX_STEP = 6.0
#: How often the hole moves over the scene, so that other frames show parts of it; by how many pixels at most, and how
#: far what propagation brings may be off, in pixels.
_REVEALED_SHARE = 0.4
_MAX_SHIFT = 24
_MAX_MISPLACED = 1.0
#: The fill is sure of most of what it found, seldom less than this, 0-255.
_LEAST_CONFIDENCE = 60
#: Photographs made this much smaller or larger: broadcast video is softer than a photograph that was only shrunk.
_LEAST_SCALE, _MOST_SCALE = 0.35, 1.5
_GREY = 128


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """``FRAMES`` neighbouring frames, planes stacked on the first axis, 8 bits.

    ``prior`` is what stands under the mask after propagation and the spatial fill, coded surroundings elsewhere;
    ``confidence`` 0-255 that of the prior; ``step`` how many pixels, right and down, the camera moves from one frame to
    the next: what is at ``x`` now was at ``x + step`` before. ``mask`` (H, W), ``chroma_mask`` (H/2, W/2) are what is
    covered of luma and of chroma.
    """

    clean: tuple[BytePlane, BytePlane, BytePlane]
    prior: tuple[BytePlane, BytePlane, BytePlane]
    confidence: BytePlane
    mask: NDArray[np.bool_]
    chroma_mask: NDArray[np.bool_]
    step: tuple[float, float]


def make_scene(picture: BytePlane, rng: np.random.Generator) -> Scene:
    """Return a scene made from a photograph (H, W, 3), RGB, at least ``SIDE`` each way."""
    step = (0.0, 0.0) if rng.random() < _STILL_SHARE else (_a_step(rng), _a_step(rng))
    clean = _camera_path(picture, step, rng)
    opacity, colour, mask = draw_marks(SIDE, SIDE, rng)
    tint = (int(rng.integers(90, 166)), int(rng.integers(90, 166))) if rng.random() < 0.3 else (_GREY, _GREY)
    marked = [_over(frame, opacity, (colour, *tint)) for frame in clean]
    coded = through_h264(marked, int(rng.integers(*_CRF)), "veryfast")
    revealed = _revealed(mask, rng)
    occlusion = Occlusion(mask)
    off = rng.uniform(-_MAX_MISPLACED, _MAX_MISPLACED, 2)
    priors = [_prior(seen, true, (occlusion, revealed), off) for seen, true in zip(coded, clean, strict=True)]
    confidence = np.where(mask, 0, 255) + np.where(mask & (revealed > 0), revealed, 0)
    return Scene(_stacked(clean), _stacked(priors), confidence.astype(np.uint8), mask, occlusion.chroma_mask, step)


def _a_step(rng: np.random.Generator) -> float:
    # Half pixels: neighbours that lie on one grid would teach the network that moving costs nothing.
    return round(2 * float(rng.uniform(-_MAX_STEP, _MAX_STEP))) / 2


def _camera_path(picture: BytePlane, step: tuple[float, float], rng: np.random.Generator) -> list[Planes]:
    """Return ``FRAMES`` views of ``SIDE`` pixels square, each ``step`` further, at a scale drawn at random."""
    room = SIDE + np.ceil(np.abs(step)) * (FRAMES - 1) + 4
    least = max(_LEAST_SCALE, float(max(room / (picture.shape[1], picture.shape[0]))))
    scale = float(np.exp(rng.uniform(np.log(least), np.log(max(least, _MOST_SCALE)))))
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    if rng.random() < 0.5:
        scaled = scaled[:, ::-1]
    rest = np.array(size) - room
    start = 2 + rng.random(2) * np.maximum(rest, 0)
    # The camera goes against the step: what was at x + step is at x now.
    places = [
        start + np.where(np.array(step) > 0, 0, np.abs(step) * (FRAMES - 1)) + np.array(step) * n for n in range(FRAMES)
    ]
    return [_view(np.asarray(scaled, np.uint8), place) for place in places]


def _view(picture: BytePlane, place: NDArray[np.float64]) -> Planes:
    matrix = np.array([[1, 0, -place[0]], [0, 1, -place[1]]])
    rgb = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    packed = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), np.uint8)
    chroma = packed[SIDE:].reshape(2, SIDE // 2, SIDE // 2)
    return Planes(packed[:SIDE].copy(), chroma[0].copy(), chroma[1].copy())


def _over(frame: Planes, opacity: BytePlane, colours: tuple[BytePlane, int, int]) -> Planes:
    share = np.asarray(opacity / 255, np.float32)
    half = np.asarray(cv2.resize(share, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA), np.float32)

    def mixed(plane: BytePlane, part: NDArray[np.float32], colour: BytePlane | int) -> BytePlane:
        return np.rint(plane * (1 - part) + part * colour).astype(np.uint8)

    return Planes(mixed(frame.y, share, colours[0]), mixed(frame.u, half, colours[1]), mixed(frame.v, half, colours[2]))


def _revealed(mask: NDArray[np.bool_], rng: np.random.Generator) -> BytePlane:
    """Return the confidence (H, W), 0-255, of what other frames showed, where the hole moves over the scene.

    What it covers there all the time, between its places furthest apart, is never seen; the rest was, more or less.
    """
    nothing = np.zeros(mask.shape, np.uint8)
    if rng.random() > _REVEALED_SHARE:
        return nothing
    shift = rng.uniform(-_MAX_SHIFT, _MAX_SHIFT, 2)
    always = mask
    for far in (-1, -0.5, 0.5, 1):
        matrix = np.array([[1, 0, far * shift[0]], [0, 1, far * shift[1]]])
        there = cv2.warpAffine(mask.astype(np.uint8), matrix, (SIDE, SIDE), flags=cv2.INTER_NEAREST)
        always = always & (there > 0)
    cells = rng.uniform(_LEAST_CONFIDENCE, 2 * 255, (5, 5)).astype(np.float32)
    sure = np.clip(cv2.resize(cells, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), 0, 250)
    return np.where(mask & ~always, sure, 0).astype(np.uint8)


def _prior(seen: Planes, true: Planes, hole: tuple[Occlusion, BytePlane], off: NDArray[np.float64]) -> Planes:
    """Return what the fill makes of a frame before the network: other frames' pixels, a little off, and a membrane.

    Args:
        seen: the frame as it was decoded.
        true: as it was before anything was drawn.
        hole: what is covered, and the confidence of what was found there.
        off: pixels, right and down, by which that lies elsewhere.
    """
    occlusion, revealed = hole
    mask, chroma_mask = occlusion.mask, occlusion.chroma_mask
    share = revealed.astype(np.float32) / 255
    half = np.ascontiguousarray(share[::2, ::2])
    planes = []
    for plane, truth, where, part, places in (
        (seen.y, true.y, mask, share, off),
        (seen.u, true.u, chroma_mask, half, off / 2),
        (seen.v, true.v, chroma_mask, half, off / 2),
    ):
        smooth = fill_smoothly(plane.astype(np.float32), where)
        matrix = np.array([[1, 0, places[0]], [0, 1, places[1]]])
        found = cv2.warpAffine(
            truth, matrix, truth.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        both = np.where(where, smooth * (1 - part) + found * part, plane)
        planes.append(np.clip(np.rint(both), 0, 255).astype(np.uint8))
    return Planes(*planes)


def _stacked(frames: Sequence[Planes]) -> tuple[BytePlane, BytePlane, BytePlane]:
    return np.stack([f.y for f in frames]), np.stack([f.u for f in frames]), np.stack([f.v for f in frames])
