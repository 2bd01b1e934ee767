"""What the regions of a request mean for the icons of one video: where to look, what all goes, which pixels stay."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from domain.detection import CaptionEvent, IconBehaviour, IconPlace, IconTrack, Mark
from domain.job import IconKind
from domain.regions import Region
from gpu_worker.icons.finder import Area
from gpu_worker.stages.scope import active_frames, coded_box, kept_boxes
from gpu_worker.video.masks import decode_mark_mask, encode_mask
from gpu_worker.video.rect import Rect
from gpu_worker.video.source import VideoFacts


def icon_areas(regions: Sequence[Region], facts: VideoFacts) -> tuple[Area, ...]:
    """Return displayed regions as they lie in the coded frame."""
    return tuple(Area(Rect.of_box(coded_box(region, facts)), region) for region in regions)


def whole_icons(events: Sequence[CaptionEvent], kinds: Sequence[IconKind]) -> tuple[IconTrack, ...]:
    """Return whole regions as icons: one for each box, with a place for each span of frames.

    Nobody looked at them: of their kind it is known only that it is one of those asked for.

    Args:
        events: as ``whole_regions`` gives them.
        kinds: asked for; the first is the one that they are said to be.
    """
    lives: dict[tuple[int, int, int, int], list[CaptionEvent]] = {}
    for event in events:
        lives.setdefault((event.box.x0, event.box.y0, event.box.x1, event.box.y1), []).append(event)
    return tuple(
        IconTrack(
            index=index,
            kind=kinds[0],
            confidence=1.0,
            kind_confidence=0.0,
            behaviour=IconBehaviour.STILL,
            marks=(Mark(width=x1 - x0, height=y1 - y0, mask_png=spans[0].mask_png),),
            places=tuple(
                IconPlace(start_frame=span.start_frame, end_frame=span.end_frame, x=x0, y=y0, mark=0) for span in spans
            ),
        )
        for index, ((x0, y0, x1, y1), spans) in enumerate(lives.items())
    )


def icons_without_kept(
    icons: Sequence[IconTrack], keep: Sequence[Region], facts: VideoFacts, seconds: Sequence[float]
) -> tuple[IconTrack, ...]:
    """Take the kept pixels out of the marks, for as long as they are to be kept.

    A place of which a kept region counts for a part of its time is split there; an icon of which nothing is left goes.

    Args:
        icons: as they were found.
        keep: displayed regions that no stage may touch.
        facts: of the video.
        seconds: when each frame is shown, from the first one; rising.
    """
    kept = [
        (Rect.of_box(box), active_frames(region, seconds))
        for region, box in zip(keep, kept_boxes(keep, facts), strict=True)
    ]
    left = (_clipped(icon, kept) for icon in icons)
    return tuple(
        icon.model_copy(update={"index": index}) for index, icon in enumerate(icon for icon in left if icon is not None)
    )


def _clipped(icon: IconTrack, kept: Sequence[tuple[Rect, list[range]]]) -> IconTrack | None:
    marks: list[Mark] = list(icon.marks)
    places: list[IconPlace] = []
    cut_marks: dict[tuple[int, tuple[Rect, ...]], int | None] = {}
    for place in icon.places:
        mark = icon.marks[place.mark]
        here = Rect(place.x, place.y, place.x + mark.width, place.y + mark.height)
        near = [(rect, spans) for rect, spans in kept if rect.meet(here).area > 0]
        ends = {end for _, spans in near for span in spans for end in (span.start, span.stop)}
        life = range(place.start_frame + 1, place.end_frame)
        for start, end in pairwise([place.start_frame, *sorted(ends.intersection(life)), place.end_frame]):
            counting = tuple(
                rect.meet(here).shifted(-here.x0, -here.y0)
                for rect, spans in near
                if any(start in span for span in spans)
            )
            key = (place.mark, counting)
            if key not in cut_marks:
                cut_marks[key] = _number_without(counting, mark, place.mark, marks)
            number = cut_marks[key]
            if number is not None:
                places.append(place.model_copy(update={"start_frame": start, "end_frame": end, "mark": number}))
    return icon.model_copy(update={"marks": tuple(marks), "places": tuple(places)}) if places else None


def _number_without(rects: tuple[Rect, ...], mark: Mark, number: int, marks: list[Mark]) -> int | None:
    """Return the number of a mark without some of its pixels, added to ``marks``; None where nothing is left of it."""
    if not rects:
        return number
    mask = decode_mark_mask(mark).copy()
    for rect in rects:
        mask[rect.slices] = False
    if not mask.any():
        return None
    marks.append(mark.model_copy(update={"mask_png": encode_mask(mask)}))
    return len(marks) - 1
