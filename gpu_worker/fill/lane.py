"""One window of the picture as it is filled: what is remembered from chunk to chunk, and how a chunk is done."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import lru_cache, partial

import cv2
import numpy as np

from domain.detection import Box
from domain.renewals import LEND_FRAMES
from gpu_worker.fill.chunk import Filled, Surroundings, fill_chunk
from gpu_worker.fill.grain import with_grain
from gpu_worker.fill.held import Held, Inventor, hold_run
from gpu_worker.fill.learned import LearnedFill
from gpu_worker.fill.motion import MotionEstimator, PairMotion, View
from gpu_worker.fill.overlays import Subject, Veil
from gpu_worker.fill.structure import continued
from gpu_worker.fill.veil import Planes, Shade, leaves_no_edge, seen_through
from gpu_worker.fill.windows import Occlusion, Window, shrunk
from gpu_worker.video.frame import Frame, Patch
from gpu_worker.video.masks import Mask
from gpu_worker.video.rect import Rect

#: Frames by which it is decided what is done about a veil.
_JUDGED_FRAMES = 4


class Method(Enum):
    """How a window is filled: what frames reveal, in one pass or two, or only what lies beside."""

    NORMAL = auto()
    PREMIUM = auto()
    BESIDE = auto()


@dataclass(frozen=True, slots=True)
class Pixels:
    """How many luma pixels were filled, and how many of these other frames revealed.

    ``painted`` are those that a network made up. ``seen_through`` were worked out from what came through a veil; they
    are not among the masked.
    """

    masked: int = 0
    revealed: int = 0
    seen_through: int = 0
    painted: int = 0

    def __add__(self, other: Pixels) -> Pixels:
        return Pixels(
            self.masked + other.masked,
            self.revealed + other.revealed,
            self.seen_through + other.seen_through,
            self.painted + other.painted,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """One frame of one window without its overlays.

    ``pixels_of`` counts all of them together, and those of each subject.
    ``outside_difference`` is the largest change, in levels, of a sample that no mask covers: 0, or something is wrong.
    ``made_up`` is what nothing showed of the patch's luma.
    """

    patch: Patch
    made_up: Mask
    pixels: Pixels
    pixels_of: dict[Subject, Pixels]
    outside_difference: int


@dataclass(slots=True, eq=False)
class Lane:
    """One window and what it remembers from chunk to chunk: bounded by a chunk's length."""

    window: Window
    method: Method
    pool: Executor
    estimator: MotionEstimator | None
    second_estimator: MotionEstimator | None
    #: Has its part in what is held; in Premium, it repaints what cannot be held as well.
    learned: LearnedFill | None = None
    views: dict[int, View] = field(default_factory=dict)
    motions: dict[int, PairMotion] = field(default_factory=dict)
    #: The last frame filled, which lends the pixels that were revealed before it.
    carried: tuple[int, Surroundings] | None = None
    #: What no frame revealed, as it was made up last.
    held: Held | None = None
    #: Overlays, by number, of whose veils it is known whether they are looked through.
    judged_veils: set[int] = field(default_factory=set)

    def forget_before(self, frame_index: int) -> None:
        """Let go of what only earlier frames need."""
        self.views = {index: view for index, view in self.views.items() if index >= frame_index - 1}
        self.motions = {index: motion for index, motion in self.motions.items() if index >= frame_index}


def open_lane(window: Window, method: Method, pool: Executor, learned: LearnedFill | None = None) -> Lane:
    """Return a lane that remembers nothing yet, and shares its work among the threads of ``pool``."""
    premium = method is Method.PREMIUM
    return Lane(
        window=window,
        method=method,
        pool=pool,
        estimator=None if method is Method.BESIDE else MotionEstimator(thorough=premium),
        second_estimator=MotionEstimator(thorough=True, holes_are_seen=True) if premium else None,
        learned=learned,
    )


def fill_lane(lane: Lane, before: list[Frame], window: list[Frame], positions: Iterable[int]) -> dict[int, Done]:
    """Fill one window on those ``positions`` of the frames looked at that have an overlay; results are by position."""
    done: dict[int, Done] = {}
    _judge_veils(lane, [*before, *window])
    active = [position for position in positions if lane.window.is_active(window[position].index)]
    for run in _runs(active):
        cut_frames, first = _with_lenders(lane, before, window, run)
        filled = _fill_run(lane, cut_frames, first, run)
        for position, result in zip(range(run.start, run.stop), filled, strict=True):
            frame, around = window[position], lane.window.surroundings
            done[position] = _done(lane.window, frame, with_grain(result, (around.x0, around.y0), frame.index))
        last = window[run.stop - 1]
        lane.carried = (last.index, _lender(filled[-1]))
        lane.forget_before(last.index + 1)
    return done


def _judge_veils(lane: Lane, frames: list[Frame]) -> None:
    """Decide for each veil that comes into sight whether it is looked through or filled: what leaves its edge is."""
    window = lane.window
    overlays = {overlay.number: overlay for frame in frames for overlay in window.overlays_at(frame.index)}
    for overlay in overlays.values():
        veil = overlay.veil
        if veil is None or overlay.number in lane.judged_veils:
            continue
        hidden = Occlusion(window.mask_of(overlay))
        if not (window.veil_of(overlay) & ~hidden.mask).any():
            # What shines through is no more than a candidate there.
            continue
        shown = [frame for frame in frames if veil.start_frame <= frame.index < veil.end_frame]
        if not shown:
            continue
        lane.judged_veils.add(overlay.number)
        box = window.within(veil.box)
        pictures = []
        for frame in shown[:: max(1, len(shown) // _JUDGED_FRAMES)]:
            planes = _cut((frame.y, frame.u, frame.v), window.surroundings)
            shade = Shade.of([(veil, box)], *planes[0].shape)
            pictures.append((planes, seen_through(planes, shade, hidden, frame.bit_depth)[0]))
        if not leaves_no_edge(pictures, box, hidden, shown[0].bit_depth):
            window.fill_veil_of(overlay)


def _done(window: Window, frame: Frame, filled: Filled) -> Done:
    occlusion = filled.surroundings.occlusion
    behind = np.zeros(occlusion.mask.shape, dtype=bool)
    pixels_of: dict[Subject, Pixels] = {}
    for overlay in window.overlays_at(frame.index):
        veil = window.veil_of(overlay) if window.is_clear(overlay, frame.index) else np.zeros_like(behind)
        behind |= veil
        pixels = _counted(window.filled_of(overlay, frame.index), veil & ~occlusion.mask, filled)
        pixels_of[overlay.subject] = pixels_of.get(overlay.subject, Pixels()) + pixels
    chroma = ~(occlusion.chroma_mask | shrunk(behind, 2))
    untouched = (~(occlusion.mask | behind), chroma, chroma)
    source = _cut((frame.y, frame.u, frame.v), window.surroundings)
    changes = [
        int(cv2.absdiff(old, new)[same].max(initial=0))
        for old, new, same in zip(source, filled.surroundings.planes, untouched, strict=True)
    ]
    pixels = _counted(occlusion.mask, behind & ~occlusion.mask, filled)
    made_up = (occlusion.mask & ~filled.known)[Rect.of_box(window.within(window.box)).slices]
    return Done(_patch(window, filled.surroundings), made_up, pixels, pixels_of, max(changes))


def _counted(mask: Mask, clear: Mask, filled: Filled) -> Pixels:
    """Count the pixels of a mask, and those of a veil beside it that was looked through."""
    told = 0 if filled.shone_through is None else int((mask & filled.shone_through).sum())
    painted = 0 if filled.painted is None else int((mask & filled.painted & ~filled.known).sum())
    return Pixels(int(mask.sum()) - told, int((mask & filled.revealed).sum()), int(clear.sum()) + told, painted)


def _runs(positions: list[int]) -> list[range]:
    runs: list[range] = []
    for position in positions:
        if runs and runs[-1].stop == position:
            runs[-1] = range(runs[-1].start, position + 1)
        else:
            runs.append(range(position, position + 1))
    return runs


def _with_lenders(
    lane: Lane, before: list[Frame], window: list[Frame], run: range
) -> tuple[list[tuple[int, Surroundings]], int]:
    """Return the frames of a run with those that lend it pixels, and the position of the run's first among them."""
    earlier = (before + window[: run.start])[-LEND_FRAMES:]
    until = run.stop
    while until < len(window) and lane.window.is_active(window[until].index):
        until += 1
    later = window[run.stop : min(len(window), until + LEND_FRAMES)]
    frames = [(frame.index, _surroundings(lane.window, frame)) for frame in earlier]
    if frames and lane.carried is not None and lane.carried[0] == frames[-1][0]:
        # What was filled a moment ago knows the pixels that were revealed long ago; older frames add nothing.
        frames = [lane.carried]
    first = len(frames)
    frames += [(frame.index, _surroundings(lane.window, frame)) for frame in window[run.start : run.stop] + later]
    return frames, first


def _fill_run(lane: Lane, frames: list[tuple[int, Surroundings]], first: int, run: range) -> list[Filled]:
    wanted = range(first, first + len(run))
    pictures = [surroundings for _, surroundings in frames]
    if lane.estimator is None:
        return [next(fill_chunk([pictures[position]], [[]], range(1), lane.pool)) for position in wanted]
    motions = _motions(lane, lane.estimator, frames)
    if lane.second_estimator is None:
        return _hold(lane, fill_chunk(pictures, [motions], wanted, lane.pool), motions, (frames, wanted))
    guides = [
        View.of(result.surroundings.luma8(), result.surroundings.occlusion, lane.second_estimator.step)
        for result in fill_chunk(pictures, [motions], range(len(pictures)), lane.pool)
    ]
    second = list(lane.pool.map(lane.second_estimator.estimate, guides, guides[1:]))
    filled = fill_chunk(pictures, [motions, second], wanted, lane.pool, thorough=True)
    return _hold(lane, filled, second, (frames, wanted))


def _hold(
    lane: Lane, filled: Iterable[Filled], motions: list[PairMotion], run: tuple[list[tuple[int, Surroundings]], range]
) -> list[Filled]:
    """Hold what was made up; ``run`` are the frames of the motions, and the places among them of those filled."""
    frames, wanted = run
    first = wanted.start
    to_previous = [motions[at - 1] if at else None for at in wanted]
    before = frames[first - 1][1] if first else None
    if before is not None and lane.carried is not None and before is lane.carried[1]:
        # Whatever was made up of it is known now.
        before = replace(before, occlusion=Occlusion(np.zeros(before.y.shape, dtype=bool)))
    done, lane.held = hold_run(filled, frames[first][0], to_previous, (lane.held, before), _inventor(lane))
    return done


def _inventor(lane: Lane) -> Inventor:
    if lane.learned is None:
        return Inventor(continued)
    once = partial(continued, paint=lane.learned.repaint_alone)
    return Inventor(once, lane.learned.repaint if lane.method is Method.PREMIUM else None)


def _motions(lane: Lane, estimator: MotionEstimator, frames: list[tuple[int, Surroundings]]) -> list[PairMotion]:
    """Return the motion between each frame and the next; what the lane remembers is not estimated again."""
    new = [number for number in range(1, len(frames)) if frames[number][0] not in lane.motions]
    seen = {index: surroundings for number in new for index, surroundings in frames[number - 1 : number + 1]}
    unseen = [index for index in seen if index not in lane.views]
    lane.views.update(zip(unseen, lane.pool.map(lambda index: seen[index].view(estimator.step), unseen), strict=True))
    pairs = [(lane.views[frames[number - 1][0]], lane.views[frames[number][0]]) for number in new]
    estimated = lane.pool.map(lambda pair: estimator.estimate(*pair), pairs)
    lane.motions.update(zip((frames[number][0] for number in new), estimated, strict=True))
    return [lane.motions[index] for index, _ in frames[1:]]


def _lender(filled: Filled) -> Surroundings:
    """Return a filled frame as a source: covered only where its pixels were made up."""
    done = filled.surroundings
    return Surroundings(done.y, done.u, done.v, done.bit_depth, Occlusion(~filled.known))


def _cut(planes: Planes, box: Box) -> Planes:
    luma = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    chroma = (slice(box.y0 // 2, (box.y1 + 1) // 2), slice(box.x0 // 2, (box.x1 + 1) // 2))
    y, u, v = planes
    return y[luma].copy(), u[chroma].copy(), v[chroma].copy()


def _surroundings(window: Window, frame: Frame) -> Surroundings:
    planes = _cut((frame.y, frame.u, frame.v), window.surroundings)
    occlusion = window.occlusion(frame.index)
    shine = None
    if veils := window.veils_at(frame.index):
        planes, shine = seen_through(planes, _shade_of(window, veils), occlusion, frame.bit_depth)
    return Surroundings(*planes, frame.bit_depth, occlusion, shine)


@lru_cache(maxsize=4)
def _shade_of(window: Window, veils: tuple[Veil, ...]) -> Shade:
    """Return the shade of a window: a mark that stays has the same one in every frame."""
    around = window.surroundings
    return Shade.of([(veil, window.within(veil.box)) for veil in veils], around.height, around.width)


def _patch(window: Window, filled: Surroundings) -> Patch:
    around, box = window.surroundings, window.box
    inner = Box(x0=box.x0 - around.x0, y0=box.y0 - around.y0, x1=box.x1 - around.x0, y1=box.y1 - around.y0)
    return Patch(box, *_cut(filled.planes, inner))
