"""The second look at a window: each caption's result is judged, and what fails is filled again in another way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from domain.detection import Box, CaptionEvent
from gpu_worker.fill.chunk import Surroundings
from gpu_worker.fill.lane import LEND_FRAMES, Done, Lane, Method, fill_lane, open_lane
from gpu_worker.fill.plate import plate_pixels
from gpu_worker.fill.second_look import CaptionFill, Redone, SecondLook, Shown, Verdict
from gpu_worker.fill.windows import Occlusion, Window
from gpu_worker.video.frame import Frame, Patch, Plane

#: What has found true pixels for less than this share of a caption gains nothing from them: its surroundings do.
_HARDLY_REVEALED = 0.5
#: An attempt is kept if it is this much better: what is smoother is not always nearer to the truth.
_CLEARLY_BETTER = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """What a window was filled from: frames before, frames looked at, and what its lane had carried along."""

    before: list[Frame]
    frames: list[Frame]
    carried: tuple[int, Surroundings] | None


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """One way to fill a caption's frames: the lane that did it, what it did by position, and the verdict."""

    event: CaptionEvent
    lane: Lane
    done: dict[int, Done]
    verdict: Verdict
    redone: Redone


def review(
    lane: Lane,
    chunk: Chunk,
    done: dict[int, Done],
    rules: tuple[tuple[CaptionEvent, ...], SecondLook],
    captions: dict[int, CaptionFill],
) -> None:
    """Judge the captions of one window's chunk, and replace in ``done`` what a second or third attempt does better.

    A larger mask that helped stays with the lane: the rest of the caption's life is filled with it from the start.

    Args:
        lane: of the window; its window and what it carries along change where an attempt is kept.
        chunk: what it was filled from.
        done: what was done, by position in the chunk's frames.
        rules: all captions of the video, and how to look at results.
        captions: takes the verdicts, by the captions' index.
    """
    events, second_look = rules
    seen = {event.index: event for position in done for event in lane.window.events_at(chunk.frames[position].index)}
    for event in seen.values():
        positions = [
            position for position in sorted(done) if event.start_frame <= chunk.frames[position].index < event.end_frame
        ]
        first = _Attempt(
            event,
            lane,
            done,
            second_look.judge(_shown(event, chunk, done, positions, events)),
            Redone.NONE,
        )
        known = captions.setdefault(event.index, CaptionFill())
        # Where all attempts at an earlier part were in vain, more of them would only take time.
        in_vain = known.verdict is not None and not known.verdict.passed
        best = first if in_vain else _best_attempt(first, chunk, positions, rules)
        if best is not first:
            _take_over(lane, done, best)
        known.add_verdict(best.verdict, best.redone)


def _best_attempt(
    first: _Attempt, chunk: Chunk, positions: list[int], rules: tuple[tuple[CaptionEvent, ...], SecondLook]
) -> _Attempt:
    events, second_look = rules
    best = first
    for redone in (Redone.LARGER_MASK, Redone.OTHER_METHOD):
        if best.verdict.passed:
            break
        event, method = best.event, best.lane.method
        if redone is Redone.LARGER_MASK:
            # A mask that an earlier part of the caption has enlarged has no more room in its window.
            larger = second_look.enlarge(event, best.verdict.missed) if event in events else None
            if larger is None:
                continue
            event = larger
        else:
            method = _other_method(method, best)
        window = best.lane.window.with_event(event)
        if redone is Redone.LARGER_MASK and event.plate is not None:
            window.fill_plate_of(event)
        again = open_lane(window, method, best.lane.pool, best.lane.learned)
        again.carried = chunk.carried
        again.judged_plates |= best.lane.judged_plates
        done = fill_lane(again, chunk.before, chunk.frames, positions)
        verdict = second_look.judge(_shown(event, chunk, done, positions, events))
        if verdict.severity < _CLEARLY_BETTER * best.verdict.severity:
            best = _Attempt(event, again, done, verdict, redone)
    return best


def _other_method(method: Method, attempt: _Attempt) -> Method:
    """Return what is tried where a method and a larger mask failed: other motion, or none where it revealed little."""
    if method is Method.NORMAL:
        return Method.PREMIUM
    pixels = [
        done.pixels_of[attempt.event.index] for done in attempt.done.values() if attempt.event.index in done.pixels_of
    ]
    masked, revealed = (sum(counts[number] for counts in pixels) for number in (0, 1))
    return Method.BESIDE if revealed < _HARDLY_REVEALED * masked else Method.NORMAL


def _shown(
    event: CaptionEvent, chunk: Chunk, done: dict[int, Done], positions: list[int], events: tuple[CaptionEvent, ...]
) -> Shown:
    frames = [chunk.frames[position] for position in positions]
    first, last = frames[0].index, frames[-1].index
    others = tuple(
        other
        for other in events
        if other.index != event.index and other.start_frame <= last and first < other.end_frame
    )
    near = [*chunk.before, *chunk.frames]
    neighbours = [
        frame
        for frame in near
        if first - LEND_FRAMES <= frame.index <= last + LEND_FRAMES
        and not event.start_frame <= frame.index < event.end_frame
        and not any(
            other.start_frame <= frame.index < other.end_frame and _overlap(other.box, event.box) for other in events
        )
    ]
    return Shown(event, frames, [done[position].patch for position in positions], neighbours, others)


def _overlap(first: Box, second: Box) -> bool:
    return first.x0 < second.x1 and second.x0 < first.x1 and first.y0 < second.y1 and second.y0 < first.y1


def _take_over(lane: Lane, done: dict[int, Done], attempt: _Attempt) -> None:
    """Put the attempt's pixels of its caption into ``done``; those of other captions stay as they were."""
    window = attempt.lane.window
    own = window.mask_of(attempt.event)
    if attempt.event.plate is not None:
        own = own | plate_pixels(own.shape, window.within(attempt.event.plate.box))
    masks = _in_box(window, Occlusion(own))
    for position, new in attempt.done.items():
        old = done[position]
        patch = _merged(old.patch, new.patch, masks)
        done[position] = replace(
            new, patch=patch, outside_difference=max(old.outside_difference, new.outside_difference)
        )
    if attempt.lane.carried is not None and lane.carried is not None and attempt.lane.carried[0] == lane.carried[0]:
        lane.carried = attempt.lane.carried
    lane.window = window
    # Motion that was estimated beside a smaller mask has seen what it left.
    lane.views.clear()
    lane.motions.clear()


def _in_box(window: Window, occlusion: Occlusion) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the masks of luma and of chroma as they lie in the window's patches."""
    x, y = window.box.x0 - window.surroundings.x0, window.box.y0 - window.surroundings.y0
    width, height = window.box.width, window.box.height
    luma = occlusion.mask[y : y + height, x : x + width]
    chroma = occlusion.chroma_mask[y // 2 : (y + height + 1) // 2, x // 2 : (x + width + 1) // 2]
    return luma, chroma


def _merged(old: Patch, new: Patch, masks: tuple[NDArray[np.bool_], NDArray[np.bool_]]) -> Patch:
    luma, chroma = masks

    def mixed(mask: NDArray[np.bool_], ours: Plane, theirs: Plane) -> Plane:
        return np.where(mask, ours, theirs)

    return Patch(old.box, mixed(luma, new.y, old.y), mixed(chroma, new.u, old.u), mixed(chroma, new.v, old.v))
