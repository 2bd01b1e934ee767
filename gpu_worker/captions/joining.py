"""What the lines of a video come to as captions: pieces joined, strays dropped, lines of one caption stacked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import CaptionEvent, Plate
from gpu_worker.video.masks import encode_mask
from gpu_worker.video.rect import Rect

#: A caption that can be read stands this long; what is shorter counts only where other captions stand.
_MIN_SECONDS = 0.6
#: Shorter than this is a flash of the detector.
_MIN_FRAMES = 2
#: Lines of one caption come and go together, give or take this many frames.
_TOGETHER_FRAMES = 2
_SAME_TEXT_RATIO = 0.8
#: Lines are centred, or set from one margin, to within this share of their length.
_ALIGNED_SHARE = 0.25
#: Lines of one style differ in height by no more than their letters do.
_SAME_SIZE_SHARE = 0.25
#: Two lines stand on one plate if what was found of it for each agrees so far: share of the area, and opacity.
_SAME_PLATE_SHARE = 0.8
_SAME_PLATE_OPACITY = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Caption:
    """One line, or several joined, in coded pixels; ``mask`` is (h, w), 0 or 255, the size of ``rect``.

    ``letters`` is where the text stands in the picture as displayed. ``is_laid_over`` tells whether it came or went
    while the picture around it went on. The mask ends ``reach`` pixels from the letters; ``glow`` is how far a glow was
    seen to reach, 0 where none was.
    """

    rect: Rect
    letters: Rect
    mask: NDArray[np.uint8]
    start_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    text: str
    confidence: float
    line_height: int
    is_laid_over: bool
    reach: int
    glow: int
    plate: Plate | None = None

    @property
    def duration_seconds(self) -> float:
        """Time on screen."""
        return self.end_seconds - self.start_seconds


def trimmed(caption: Caption) -> Caption:
    """Shrink a caption's rectangle to its mask."""
    rows, columns = np.nonzero(caption.mask)
    y0, y1 = int(rows.min()), int(rows.max()) + 1
    x0, x1 = int(columns.min()), int(columns.max()) + 1
    rect = Rect(caption.rect.x0 + x0, caption.rect.y0 + y0, caption.rect.x0 + x1, caption.rect.y0 + y1)
    return replace(caption, rect=rect, mask=caption.mask[y0:y1, x0:x1])


def _filled(caption: Caption, rect: Rect) -> Caption:
    return covering(caption, rect, np.full((rect.height, rect.width), 255, np.uint8))


def covering(caption: Caption, rect: Rect, mask: NDArray[np.uint8]) -> Caption:
    """Return the caption with a mask at ``rect`` added to its own."""
    whole = caption.rect.join(rect)
    both = np.zeros((whole.height, whole.width), np.uint8)
    for part, covered in ((caption.rect, caption.mask), (rect, mask)):
        both[part.shifted(-whole.x0, -whole.y0).slices] |= covered
    return replace(caption, rect=whole, mask=both)


def _merged(first: Caption, second: Caption, text: str) -> Caption:
    return replace(
        covering(first, second.rect, second.mask),
        letters=first.letters.join(second.letters),
        is_laid_over=first.is_laid_over or second.is_laid_over,
        plate=_common_plate(first, second),
        start_frame=min(first.start_frame, second.start_frame),
        end_frame=max(first.end_frame, second.end_frame),
        start_seconds=min(first.start_seconds, second.start_seconds),
        end_seconds=max(first.end_seconds, second.end_seconds),
        text=text,
        confidence=min(first.confidence, second.confidence)
        if first.text and second.text
        else max(first.confidence, second.confidence),
    )


def joined(
    lines: list[Caption],
    frame_count: int,
    bounds: Rect,
    choose: Callable[[list[Caption]], list[Caption]] | None = None,
) -> list[Caption]:
    """Return the captions that the found lines come to, in any order.

    Args:
        lines: as they were found, in a video of ``frame_count`` frames.
        frame_count: of the video.
        bounds: the coded frame.
        choose: picks the lines that are captions.
    """
    # Flashes go before pieces are joined, or a text that moves on would seem to stand.
    lasting = [item for item in lines if not _is_flash(item, frame_count) or _is_cut_off(item, frame_count)]
    whole = _continued(lasting)
    kept = _without_strays(choose(whole) if choose else whole, frame_count)
    return _each_plate_once(_stacked([_with_glow_of(line, kept, bounds) for line in kept]))


def _continued(captions: list[Caption]) -> list[Caption]:
    """Join the pieces of a caption that a hard cut behind it has split."""
    whole: list[Caption] = []
    for caption in sorted(captions, key=lambda item: item.start_frame):
        for position, earlier in enumerate(whole):
            gap = caption.start_frame - earlier.end_frame
            overlap = earlier.letters.meet(caption.letters).area / min(earlier.letters.area, caption.letters.area)
            if gap <= _TOGETHER_FRAMES and overlap > 0.7 and same_text(earlier.text, caption.text):
                longer = max(earlier, caption, key=lambda item: item.confidence)
                whole[position] = _merged(earlier, caption, longer.text)
                break
        else:
            whole.append(caption)
    return whole


def _common_plate(first: Caption, second: Caption) -> Plate | None:
    """Return the plate of two captions that are one; where only one of them shows it, the other stands on it too."""
    plates = [caption.plate for caption in (first, second) if caption.plate is not None]
    if not plates:
        return None
    larger = max(plates, key=lambda plate: plate.box.width * plate.box.height)
    starts, ends = ([getattr(plate, name) for plate in plates] for name in ("start_frame", "end_frame"))
    if min(first.end_frame, second.end_frame) > max(first.start_frame, second.start_frame) + _TOGETHER_FRAMES:
        return larger.model_copy(update={"start_frame": max(starts), "end_frame": min(ends)})
    earlier, later = sorted((first, second), key=lambda caption: caption.start_frame)
    return larger.model_copy(
        update={
            "start_frame": earlier.start_frame if earlier.plate is None else earlier.plate.start_frame,
            "end_frame": later.end_frame if later.plate is None else later.plate.end_frame,
        }
    )


def _same_plate(first: Plate, second: Plate) -> bool:
    """Tell whether what was found for two lines is one plate: for one of them it may end where the other is written."""
    a, b = Rect.of_box(first.box), Rect.of_box(second.box)
    return (
        a.meet(b).area >= _SAME_PLATE_SHARE * min(a.area, b.area)
        and abs(first.opacity - second.opacity) <= _SAME_PLATE_OPACITY
    )


def _each_plate_once(captions: list[Caption]) -> list[Caption]:
    """Leave a plate that several captions stand on with the one that stands longest, and fill where plates overlap."""
    done: list[Caption] = []
    for caption in sorted(captions, key=lambda item: item.start_frame - item.end_frame):
        left = caption
        for longer in done:
            if longer.plate is not None:
                left = _beside(left, longer.plate)
        done.append(left)
    return done


def _beside(caption: Caption, plate: Plate) -> Caption:
    """Return the caption so that no pixel is worked out for its plate and for another one's."""
    own = caption.plate
    if own is None or own.end_frame <= plate.start_frame or plate.end_frame <= own.start_frame:
        return caption
    common = Rect.of_box(own.box).meet(Rect.of_box(plate.box))
    if common.area == 0:
        return caption
    if not _same_plate(own, plate):
        return _filled(caption, common)
    if plate.start_frame <= own.start_frame and own.end_frame <= plate.end_frame:
        return replace(caption, plate=None)
    return replace(_filled(caption, Rect.of_box(own.box)), plate=None)


def same_text(first: str, second: str) -> bool:
    """Tell whether two readings are of one text, give or take a letter."""
    return bool(first) and SequenceMatcher(None, first, second).ratio() >= _SAME_TEXT_RATIO


def _with_glow_of(line: Caption, others: list[Caption], bounds: Rect) -> Caption:
    """Return a line with the glow that others set like it were seen to have: captions of a video share their style."""
    reach = max((other.glow for other in others if other.glow and _is_set_like(line, other)), default=0)
    if line.plate is not None or reach <= line.reach:
        return line
    wider = reach - line.reach
    mask = cv2.copyMakeBorder(line.mask, wider, wider, wider, wider, cv2.BORDER_CONSTANT, value=0)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * wider + 1, 2 * wider + 1))
    grown = Rect(line.rect.x0 - wider, line.rect.y0 - wider, line.rect.x1 + wider, line.rect.y1 + wider)
    rect = grown.meet(bounds)
    wide = np.asarray(cv2.dilate(mask, kernel), dtype=np.uint8)[rect.shifted(-grown.x0, -grown.y0).slices]
    return replace(line, rect=rect, mask=wide, reach=reach)


def _is_set_like(line: Caption, other: Caption) -> bool:
    alike = abs(line.line_height - other.line_height) <= _SAME_SIZE_SHARE * other.line_height
    return alike and stand_alike(line, other)


def _without_strays(captions: list[Caption], frame_count: int) -> list[Caption]:
    """Drop what flashes up where no other caption stands: text that moves with the scene.

    How long a caption at the video's first or last frame stands cannot be told: it stays if it can be read. Of a single
    frame even that says nothing, unless it is all there is.
    """
    steady = [
        caption
        for caption in captions
        if not _is_lone_sign(caption)
        and (
            caption.duration_seconds >= _MIN_SECONDS
            or (_is_cut_off(caption, frame_count) and not _is_flash(caption, frame_count))
        )
    ]
    return steady + [
        caption
        for caption in captions
        if caption not in steady and any(stand_alike(caption, other) and is_aligned(caption, other) for other in steady)
    ]


def _is_lone_sign(caption: Caption) -> bool:
    """Tell whether one letter stands in the scene: anything may look like one."""
    return len(caption.text) == 1 and not caption.is_laid_over


def _is_flash(caption: Caption, frame_count: int) -> bool:
    return caption.end_frame - caption.start_frame < _MIN_FRAMES < frame_count


def _is_cut_off(caption: Caption, frame_count: int) -> bool:
    return len(caption.text) > 1 and (caption.start_frame == 0 or caption.end_frame >= frame_count)


def stand_alike(caption: Caption, other: Caption) -> bool:
    """Tell whether two captions share a place: the same lines of the picture and about the same size of type."""
    shared = min(caption.letters.y1, other.letters.y1) - max(caption.letters.y0, other.letters.y0)
    return shared > 0.6 * caption.letters.height and 0.6 < caption.line_height / other.line_height < 1.6


def is_aligned(caption: Caption, other: Caption) -> bool:
    """Tell whether two captions are centred on one axis, or set from one margin."""
    a, b = caption.letters, other.letters
    tolerance = _ALIGNED_SHARE * max(a.width, b.width)
    return min(abs(a.x0 - b.x0), abs(a.x0 + a.x1 - b.x0 - b.x1) / 2, abs(a.x1 - b.x1)) <= tolerance


def _stacked(captions: list[Caption]) -> list[Caption]:
    """Join lines that come and go together, one above the other, to one caption."""
    blocks: list[Caption] = []
    for caption in sorted(captions, key=lambda item: (item.letters.y0, item.letters.x0)):
        for position, block in enumerate(blocks):
            apart = block.plate and caption.plate and not _same_plate(block.plate, caption.plate)
            if come_and_go_together(caption, block) and not apart:
                text = "\n".join(part for part in (block.text, caption.text) if part)
                blocks[position] = _merged(block, caption, text)
                break
        else:
            blocks.append(caption)
    return blocks


def come_and_go_together(first: Caption, second: Caption) -> bool:
    """Tell whether two texts are lines of one caption: one right above the other, for the same frames."""
    together = (
        abs(second.start_frame - first.start_frame) <= _TOGETHER_FRAMES
        and abs(second.end_frame - first.end_frame) <= _TOGETHER_FRAMES
    )
    gap = max(first.letters.y0 - second.letters.y1, second.letters.y0 - first.letters.y1)
    beside = min(first.letters.x1, second.letters.x1) > max(first.letters.x0, second.letters.x0)
    return together and beside and gap < max(second.line_height, first.line_height)


def to_event(index: int, caption: Caption) -> CaptionEvent:
    """Return a caption as the detection holds it."""
    return CaptionEvent(
        index=index,
        start_frame=caption.start_frame,
        end_frame=caption.end_frame,
        start_seconds=caption.start_seconds,
        end_seconds=caption.end_seconds,
        box=caption.rect.to_box(),
        mask_png=encode_mask(caption.mask > 0),
        plate=caption.plate,
        text=caption.text,
        confidence=caption.confidence,
    )
