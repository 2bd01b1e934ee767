"""The second look at a window: each overlay's result is judged, and what fails is filled again in another way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from domain.renewals import LEND_FRAMES
from gpu_worker.fill.chunk import Surroundings
from gpu_worker.fill.held import Held
from gpu_worker.fill.lane import Done, Lane, Method, Pixels, fill_lane, open_lane
from gpu_worker.fill.overlays import Overlay, Subject
from gpu_worker.fill.second_look import OverlayFill, Redone, SecondLook, Shown, Verdict
from gpu_worker.fill.windows import Occlusion, Window
from gpu_worker.video.frame import Frame, Patch, Plane
from gpu_worker.video.masks import Mask
from gpu_worker.video.rect import Rect

#: What has found true pixels for less than this share of an overlay gains nothing from them: its surroundings do.
_HARDLY_REVEALED = 0.5
#: An attempt is kept if it is this much better: what is smoother is not always nearer to the truth.
_CLEARLY_BETTER = 0.8
#: Of an icon that moves, so many places are judged in a chunk, the longest; none of them is filled again.
_JUDGED_PLACES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What a window was filled from: frames before, frames looked at, and what its lane had carried along and held."""

    before: list[Frame]
    frames: list[Frame]
    carried: tuple[int, Surroundings] | None
    held: Held | None


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """One way to fill an overlay's frames: the lane that did it, what it did by position, and the verdict."""

    overlay: Overlay
    lane: Lane
    done: dict[int, Done]
    verdict: Verdict
    redone: Redone


def review(
    lane: Lane,
    chunk: Chunk,
    done: dict[int, Done],
    rules: tuple[tuple[Overlay, ...], SecondLook],
    fills: dict[Subject, OverlayFill],
) -> None:
    """Judge the overlays of one window's chunk, and replace in ``done`` what a second or third attempt does better.

    A larger mask that helped stays with the lane: the rest of the overlay's life is filled with it from the start.

    Args:
        lane: of the window; its window and what it carries along change where an attempt is kept.
        chunk: what it was filled from.
        done: what was done, by position in the chunk's frames.
        rules: all overlays of the video, and how to look at results.
        fills: takes the verdicts.
    """
    overlays, second_look = rules
    for subject, places in _places(lane, chunk, done).items():
        longest = sorted(places, key=lambda place: -len(place[1]))[:_JUDGED_PLACES]
        for overlay, positions in longest:
            verdict = second_look.judge(_shown(overlay, chunk, done, positions, overlays))
            first = _Attempt(overlay, lane, done, verdict, Redone.NONE)
            known = fills.setdefault(subject, OverlayFill())
            # Where all attempts at an earlier part were in vain, more of them would only take time.
            in_vain = known.verdict is not None and not known.verdict.passed
            settled = in_vain or len(places) > _JUDGED_PLACES
            best = first if settled else _best_attempt(first, chunk, positions, rules)
            if best is not first:
                _take_over(lane, done, best)
            known.add_verdict(best.verdict, best.redone)


def _places(lane: Lane, chunk: Chunk, done: dict[int, Done]) -> dict[Subject, list[tuple[Overlay, list[int]]]]:
    """Return each subject's overlays on screen, with the positions in the chunk at which they are."""
    positions_of: dict[int, tuple[Overlay, list[int]]] = {}
    for position in sorted(done):
        for overlay in lane.window.overlays_at(chunk.frames[position].index):
            positions_of.setdefault(overlay.number, (overlay, []))[1].append(position)
    places: dict[Subject, list[tuple[Overlay, list[int]]]] = {}
    for overlay, positions in positions_of.values():
        places.setdefault(overlay.subject, []).append((overlay, positions))
    return places


def _best_attempt(
    first: _Attempt, chunk: Chunk, positions: list[int], rules: tuple[tuple[Overlay, ...], SecondLook]
) -> _Attempt:
    overlays, second_look = rules
    best = first
    for redone in (Redone.LARGER_MASK, Redone.OTHER_METHOD):
        if best.verdict.passed:
            break
        overlay, method = best.overlay, best.lane.method
        if redone is Redone.LARGER_MASK:
            # A mask that an earlier part of its life has enlarged has no more room in its window.
            larger = second_look.enlarge(overlay, best.verdict.missed) if overlay in overlays else None
            if larger is None:
                continue
            overlay = larger
        else:
            method = _other_method(method, best)
        window = best.lane.window.with_overlay(overlay)
        if redone is Redone.LARGER_MASK and overlay.veil is not None:
            window.fill_veil_of(overlay)
        again = open_lane(window, method, best.lane.pool, best.lane.learned)
        again.carried, again.held = chunk.carried, chunk.held
        again.judged_veils |= best.lane.judged_veils
        done = fill_lane(again, chunk.before, chunk.frames, positions)
        verdict = second_look.judge(_shown(overlay, chunk, done, positions, overlays))
        if verdict.severity < _CLEARLY_BETTER * best.verdict.severity:
            best = _Attempt(overlay, again, done, verdict, redone)
    return best


def _other_method(method: Method, attempt: _Attempt) -> Method:
    """Return what is tried where a method and a larger mask failed: other motion, or none where it revealed little."""
    if method is Method.NORMAL:
        return Method.PREMIUM
    counted = [done.pixels_of.get(attempt.overlay.subject, Pixels()) for done in attempt.done.values()]
    pixels = sum(counted, Pixels())
    return Method.BESIDE if pixels.revealed < _HARDLY_REVEALED * pixels.masked else Method.NORMAL


def _shown(
    overlay: Overlay, chunk: Chunk, done: dict[int, Done], positions: list[int], overlays: tuple[Overlay, ...]
) -> Shown:
    frames = [chunk.frames[position] for position in positions]
    first, last = frames[0].index, frames[-1].index
    others = tuple(
        other
        for other in overlays
        if other.number != overlay.number and other.start_frame <= last and first < other.end_frame
    )
    near = [*chunk.before, *chunk.frames]
    neighbours = [
        frame
        for frame in near
        if first - LEND_FRAMES <= frame.index <= last + LEND_FRAMES
        and not overlay.is_on(frame.index)
        and not any(other.is_on(frame.index) and _overlap(other, overlay) for other in overlays)
    ]
    return Shown(overlay, frames, [done[position].patch for position in positions], neighbours, others)


def _overlap(first: Overlay, second: Overlay) -> bool:
    return Rect.of_box(first.box).meet(Rect.of_box(second.box)).area > 0


def _take_over(lane: Lane, done: dict[int, Done], attempt: _Attempt) -> None:
    """Put the attempt's pixels of its overlay into ``done``; those of others stay as they were."""
    window = attempt.lane.window
    own = window.mask_of(attempt.overlay) | window.veil_of(attempt.overlay)
    masks = _in_box(window, Occlusion(own))
    for position, new in attempt.done.items():
        old = done[position]
        patch = _merged(old.patch, new.patch, masks)
        done[position] = replace(
            new, patch=patch, outside_difference=max(old.outside_difference, new.outside_difference)
        )
    if attempt.lane.carried is not None and lane.carried is not None and attempt.lane.carried[0] == lane.carried[0]:
        lane.carried, lane.held = attempt.lane.carried, attempt.lane.held
    lane.window = window
    # Motion that was estimated beside a smaller mask has seen what it left.
    lane.views.clear()
    lane.motions.clear()


def _in_box(window: Window, occlusion: Occlusion) -> tuple[Mask, Mask]:
    """Return the masks of luma and of chroma as they lie in the window's patches."""
    x, y = window.box.x0 - window.surroundings.x0, window.box.y0 - window.surroundings.y0
    width, height = window.box.width, window.box.height
    luma = occlusion.mask[y : y + height, x : x + width]
    chroma = occlusion.chroma_mask[y // 2 : (y + height + 1) // 2, x // 2 : (x + width + 1) // 2]
    return luma, chroma


def _merged(old: Patch, new: Patch, masks: tuple[Mask, Mask]) -> Patch:
    luma, chroma = masks

    def mixed(mask: Mask, ours: Plane, theirs: Plane) -> Plane:
        return np.where(mask, ours, theirs)

    return Patch(old.box, mixed(luma, new.y, old.y), mixed(chroma, new.u, old.u), mixed(chroma, new.v, old.v))
