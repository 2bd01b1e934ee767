"""What the regions of a request mean for one video: boxes of coded pixels, spans of frames, and pixels that stay."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from domain.detection import Box, CaptionEvent, Shot
from domain.errors import InvalidRequestError
from domain.regions import Region
from domain.renewals import merged
from gpu_worker.fill.windows import CHROMA_BLEED
from gpu_worker.video.masks import decode_mask, encode_mask
from gpu_worker.video.rect import Rect
from gpu_worker.video.source import VideoFacts


def before_mirror(region: Region, facts: VideoFacts) -> Region:
    """Return a displayed region as it lies before a player mirrors the picture."""
    return region.model_copy(update={"x": max(0.0, 1 - region.x - region.width)}) if facts.mirrored else region


def coded_box(region: Region, facts: VideoFacts) -> Box:
    """Return where a displayed region lies in the coded frame."""
    turns = facts.rotation_degrees // 90
    shown_width, shown_height = (facts.height, facts.width) if turns % 2 else (facts.width, facts.height)
    shown = Rect(*before_mirror(region, facts).to_pixels(shown_width, shown_height))
    coded = shown.turned(-turns % 4, shown_width, shown_height)
    return Box(x0=coded.x0, y0=coded.y0, x1=coded.x1, y1=coded.y1)


def active_frames(region: Region, seconds: Sequence[float]) -> list[range]:
    """Return the frames for which a region counts, in order and apart; ``seconds`` rise and say when each is shown."""
    if not region.time_ranges:
        return [range(len(seconds))]
    spans = [
        (bisect_left(seconds, given.start_seconds), bisect_left(seconds, given.end_seconds))
        for given in region.time_ranges
    ]
    return [range(*span) for span in merged((start, end) for start, end in spans if start < end)]


def whole_regions(
    regions: Sequence[Region], shots: Sequence[Shot], facts: VideoFacts, seconds: Sequence[float], end_seconds: float
) -> tuple[CaptionEvent, ...]:
    """Return events that cover all of each region while it counts: one per shot, as no pixel crosses a cut.

    Args:
        regions: displayed.
        shots: of the whole video.
        facts: of the video.
        seconds: when each frame is shown, from the first one; rising.
        end_seconds: when the last frame ends.

    Raises:
        InvalidRequestError: where the regions leave no pixel of a frame, as rounding in a small picture may do.
    """
    times = [*seconds, end_seconds]
    spans = [
        (max(span.start, shot.start_frame), min(span.stop, shot.end_frame), coded_box(region, facts))
        for region in regions
        for span in active_frames(region, seconds)
        for shot in shots
    ]
    for start, _, _ in spans:
        _refuse_whole_frames([box for begin, end, box in spans if begin <= start < end], facts)
    lives = sorted((item for item in spans if item[0] < item[1]), key=lambda item: (item[0], item[2].y0))
    return tuple(
        CaptionEvent(
            index=index,
            start_frame=start,
            end_frame=end,
            start_seconds=times[start],
            end_seconds=times[end],
            box=box,
            mask_png=encode_mask(np.ones((box.height, box.width), dtype=bool)),
        )
        for index, (start, end, box) in enumerate(lives)
    )


def _refuse_whole_frames(boxes: Sequence[Box], facts: VideoFacts) -> None:
    if sum(box.width * box.height for box in boxes) < facts.width * facts.height:
        return
    covered = np.zeros((facts.height, facts.width), dtype=bool)
    for box in boxes:
        covered[box.y0 : box.y1, box.x0 : box.x1] = True
    if covered.all():
        raise InvalidRequestError(
            f"with erase_everything the regions cover all of the {facts.width}x{facts.height} picture;"
            " leave a part to fill them from",
            field="regions",
        )


def without_kept(
    events: Sequence[CaptionEvent], keep: Sequence[Region], facts: VideoFacts, seconds: Sequence[float]
) -> tuple[CaptionEvent, ...]:
    """Take the kept pixels out of the masks, for as long as they are to be kept.

    An event of which a kept region counts for a part of its life is split there; one of which nothing is left goes.

    Args:
        events: captions in any order.
        keep: displayed regions that no stage may touch.
        facts: of the video.
        seconds: when each frame is shown, from the first one; rising.
    """
    kept = [_Kept(_reach(coded_box(region, facts), facts), tuple(active_frames(region, seconds))) for region in keep]
    return in_order(part for event in events for part in _split(event, kept, seconds))


def in_order(events: Iterable[CaptionEvent]) -> tuple[CaptionEvent, ...]:
    """Return events by their begin, from the top down, and numbered so."""
    ordered = sorted(events, key=lambda event: (event.start_frame, event.box.y0))
    return tuple(event.model_copy(update={"index": index}) for index, event in enumerate(ordered))


def kept_boxes(keep: Sequence[Region], facts: VideoFacts) -> tuple[Box, ...]:
    """Return where no mask may begin for regions to be kept at any time: their pixels, with those of their colour."""
    return tuple(_reach(coded_box(region, facts), facts) for region in keep)


@dataclass(frozen=True, slots=True)
class _Kept:
    box: Box
    spans: tuple[range, ...]

    def counts_at(self, frame_index: int) -> bool:
        return any(frame_index in span for span in self.spans)


def _reach(box: Box, facts: VideoFacts) -> Box:
    """Return the pixels whose masking would change a chroma sample of ``box``: the fill widens the mask of colour."""
    return Box(
        x0=max(0, 2 * (box.x0 // 2 - CHROMA_BLEED)),
        y0=max(0, 2 * (box.y0 // 2 - CHROMA_BLEED)),
        x1=min(facts.width, 2 * ((box.x1 + 1) // 2 + CHROMA_BLEED)),
        y1=min(facts.height, 2 * ((box.y1 + 1) // 2 + CHROMA_BLEED)),
    )


def _split(event: CaptionEvent, kept: Sequence[_Kept], seconds: Sequence[float]) -> list[CaptionEvent]:
    near = [item for item in kept if _overlap(item.box, event.box)]
    life = range(event.start_frame, event.end_frame)
    ends = {end for item in near for span in item.spans for end in (span.start, span.stop) if end in life}
    cuts = sorted(ends | {event.start_frame, event.end_frame})
    parts = []
    for start, end in pairwise(cuts):
        part = event
        if (start, end) != (event.start_frame, event.end_frame):
            part = event.model_copy(
                update={
                    "start_frame": start,
                    "end_frame": end,
                    "start_seconds": event.start_seconds if start == event.start_frame else seconds[start],
                    "end_seconds": event.end_seconds if end == event.end_frame else seconds[end],
                }
            )
        left = _clipped(part, [item.box for item in near if item.counts_at(start)])
        if left is not None:
            parts.append(left)
    return parts


def _overlap(first: Box, second: Box) -> bool:
    return first.x0 < second.x1 and second.x0 < first.x1 and first.y0 < second.y1 and second.y0 < first.y1


def _clipped(event: CaptionEvent, boxes: Sequence[Box]) -> CaptionEvent | None:
    """Return the event without the pixels of ``boxes``, its box shrunk to what is left; None where that is nothing.

    A plate of which a part is kept is no rectangle any more: the rest of it is filled.
    """
    if not boxes:
        return event
    origin = event.box
    mask = decode_mask(event).copy()
    plate = event.plate
    if plate is not None and any(_overlap(plate.box, box) for box in boxes):
        inside = plate.box
        mask[inside.y0 - origin.y0 : inside.y1 - origin.y0, inside.x0 - origin.x0 : inside.x1 - origin.x0] = True
        plate = None
    for box in boxes:
        rows = slice(max(0, box.y0 - origin.y0), max(0, box.y1 - origin.y0))
        mask[rows, max(0, box.x0 - origin.x0) : max(0, box.x1 - origin.x0)] = False
    if not mask.any():
        return None
    rows_left, columns_left = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    y0, y1 = int(rows_left[0]), int(rows_left[-1]) + 1
    x0, x1 = int(columns_left[0]), int(columns_left[-1]) + 1
    left = Box(x0=origin.x0 + x0, y0=origin.y0 + y0, x1=origin.x0 + x1, y1=origin.y0 + y1)
    return event.model_copy(update={"box": left, "mask_png": encode_mask(mask[y0:y1, x0:x1]), "plate": plate})
