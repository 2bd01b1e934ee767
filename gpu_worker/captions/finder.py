"""Caption events of a video, found while its frames stream by: what the detect stage feeds and then flushes."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from domain.detection import Box, CaptionEvent
from domain.regions import CAPTION_BAND, Region
from gpu_worker.captions.band import Band, Picture, Rect
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.mask import caption_mask, median_picture
from gpu_worker.captions.reading import TextReader
from gpu_worker.captions.timeline import Moment, Timeline, TrackedLine
from gpu_worker.inference.session import Device, open_session
from gpu_worker.video.frame import Frame

DETECTION_MODEL = "ppocr-v6-det-small"
RECOGNITION_MODEL = "ppocr-v6-rec-small"

#: A caption that can be read stands this long; what is shorter counts only where other captions stand.
_MIN_SECONDS = 0.6
#: Shorter than this is a flash of the detector.
_MIN_FRAMES = 2
#: Lines of one caption come and go together, give or take this many frames.
_TOGETHER_FRAMES = 2
_SAME_TEXT_RATIO = 0.8
#: The largest type, as a share of the picture's longer side: larger is a poster, or a texture that looks like text.
_MAX_LINE_SHARE = 0.15
#: Below this the reader guesses: the text is not passed on.
_READABLE = 0.5
#: What cannot be read is a caption only if the detector is this sure; other scripts than the reader's reach 0.9.
_SURE_SCORE = 0.75
#: ... and if it is no larger than type is set; glasses and railings are found in any size.
_MAX_UNREAD_SHARE = 0.06


@dataclass(frozen=True, slots=True, eq=False)
class _Caption:
    """One line, or several joined, in coded pixels; ``mask`` is (h, w), 0 or 255, the size of ``rect``."""

    rect: Rect
    mask: NDArray[np.uint8]
    start_frame: int
    end_frame: int
    start_seconds: float
    end_seconds: float
    text: str
    confidence: float
    line_height: int

    @property
    def duration_seconds(self) -> float:
        return self.end_seconds - self.start_seconds


class CaptionFinder:
    """Finds the captions of one video.

    Args:
        width: coded width in pixels.
        height: coded height in pixels.
        rotation_degrees: counter-clockwise turn that a player applies, a multiple of 90.
        regions: where to look, in display space; empty for the bottom quarter.
        frame_rate: average frames per second, for the length of the last frame.
        keep: where lines are left alone, in display space: those that lie mostly inside, while it counts.
        detector: text detector; by default PP-OCR's on the CPU.
        reader: text reader; by default PP-OCR's on the CPU.

    Raises:
        ModelError: when a default network cannot be opened.
    """

    def __init__(
        self,
        width: int,
        height: int,
        rotation_degrees: int,
        regions: tuple[Region, ...],
        frame_rate: float,
        *,
        keep: tuple[Region, ...] = (),
        detector: TextDetector | None = None,
        reader: TextReader | None = None,
        device: Device = Device.CPU,
    ) -> None:
        self._detector = detector or TextDetector(open_session(DETECTION_MODEL, device))
        self._reader = reader or TextReader(open_session(RECOGNITION_MODEL, device))
        self._bands = [Band(region, width, height, rotation_degrees) for region in regions or (CAPTION_BAND,)]
        shown_size = (height, width) if rotation_degrees % 180 else (width, height)
        self._timelines = [
            Timeline(
                self._detector.find_lines,
                partial(_is_wanted, band, [_Kept(region, band, shown_size) for region in keep]),
                partial(self._take, band),
            )
            for band in self._bands
        ]
        self._frame_seconds = 1 / frame_rate if frame_rate > 0 else 0.0
        self._captions: list[_Caption] = []
        self._frame_count = 0
        self._seconds = 0.0

    def process_frame(self, frame: Frame, seconds: float) -> None:
        """Take the next frame, shown ``seconds`` after the first one."""
        for band, timeline in zip(self._bands, self._timelines, strict=True):
            timeline.process(Moment(frame.index, seconds, band.cut(frame)))
        self._frame_count = frame.index + 1
        self._seconds = seconds

    def flush(self) -> tuple[CaptionEvent, ...]:
        """End the video and return its captions, ordered by first frame, then from top to bottom."""
        for timeline in self._timelines:
            timeline.flush(self._frame_count, self._seconds + self._frame_seconds)
        last = self._frame_count
        end_seconds = self._seconds + self._frame_seconds
        captions = [
            replace(item, end_frame=min(item.end_frame, last), end_seconds=min(item.end_seconds, end_seconds))
            for item in self._captions
        ]
        # Flashes go before pieces are joined, or a text that moves on would seem to stand.
        lasting = [item for item in captions if not _is_flash(item, last) or _is_cut_off(item, last)]
        kept = _without_strays(_continued(lasting), last)
        self._captions = []
        joined = sorted(_stacked(kept), key=lambda caption: (caption.start_frame, caption.rect.y0))
        return tuple(_event(index, caption) for index, caption in enumerate(joined))

    def _take(self, band: Band, line: TrackedLine) -> None:
        median = median_picture(line.samples)
        offset = line.sample_rect
        inside = Rect(
            line.rect.x0 - offset.x0, line.rect.y0 - offset.y0, line.rect.x1 - offset.x0, line.rect.y1 - offset.y0
        )
        mask = caption_mask(median, inside, self._detector, band.shorter_side)
        if not mask.any():
            return
        reading = self._reader.read(_cut(median, inside))
        readable = reading.confidence >= _READABLE
        is_small = line.rect.line_height <= _MAX_UNREAD_SHARE * band.longest_side
        if not readable and not (is_small and line.score >= _SURE_SCORE):
            return
        box, coded_mask = band.to_coded(offset, mask)
        self._captions.append(
            _trimmed(
                _Caption(
                    rect=Rect(box.x0, box.y0, box.x1, box.y1),
                    mask=coded_mask,
                    start_frame=line.start_frame,
                    end_frame=line.end_frame,
                    start_seconds=line.start_seconds,
                    end_seconds=line.end_seconds,
                    text=reading.text if readable else "",
                    confidence=reading.confidence if readable else 0.0,
                    line_height=line.rect.line_height,
                )
            )
        )


class _Kept:
    """A region whose lines are left alone, as a band sees it."""

    def __init__(self, region: Region, band: Band, shown_size: tuple[int, int]) -> None:
        self._region = region
        # A band is upright and not scaled: its pixels lie a constant step away from the displayed ones.
        left, top, _, _ = band.region.to_pixels(*shown_size)
        right, down = band.wanted.x0 - left, band.wanted.y0 - top
        x0, y0, x1, y1 = region.to_pixels(*shown_size)
        self._rect = Rect(x0 + right, y0 + down, x1 + right, y1 + down)

    def holds(self, rect: Rect, seconds: float) -> bool:
        """Tell whether most of a line lies inside, while the region counts."""
        return self._region.active_at(seconds) and self._rect.meet(rect).area >= 0.5 * rect.area


def _is_wanted(band: Band, keep: list[_Kept], rect: Rect, seconds: float) -> bool:
    """Tell whether a line has a caption's size and belongs to the region: most of it inside, while that counts."""
    if any(kept.holds(rect, seconds) for kept in keep):
        return False
    if rect.line_height > _MAX_LINE_SHARE * band.longest_side:
        return False
    return band.region.active_at(seconds) and band.wanted.meet(rect).area >= 0.5 * rect.area


def _cut(picture: Picture, rect: Rect) -> Picture:
    even = Rect(rect.x0 // 2 * 2, rect.y0 // 2 * 2, rect.x1, rect.y1)
    return picture.crop(even)


def _trimmed(caption: _Caption) -> _Caption:
    """Shrink a caption's rectangle to its mask."""
    rows, columns = np.nonzero(caption.mask)
    y0, y1 = int(rows.min()), int(rows.max()) + 1
    x0, x1 = int(columns.min()), int(columns.max()) + 1
    rect = Rect(caption.rect.x0 + x0, caption.rect.y0 + y0, caption.rect.x0 + x1, caption.rect.y0 + y1)
    return replace(caption, rect=rect, mask=caption.mask[y0:y1, x0:x1])


def _merged(first: _Caption, second: _Caption, text: str) -> _Caption:
    rect = first.rect.join(second.rect)
    mask = np.zeros((rect.height, rect.width), np.uint8)
    for part in (first, second):
        y, x = part.rect.y0 - rect.y0, part.rect.x0 - rect.x0
        mask[y : y + part.rect.height, x : x + part.rect.width] |= part.mask
    return replace(
        first,
        rect=rect,
        mask=mask,
        start_frame=min(first.start_frame, second.start_frame),
        end_frame=max(first.end_frame, second.end_frame),
        start_seconds=min(first.start_seconds, second.start_seconds),
        end_seconds=max(first.end_seconds, second.end_seconds),
        text=text,
        confidence=min(first.confidence, second.confidence)
        if first.text and second.text
        else max(first.confidence, second.confidence),
    )


def _continued(captions: list[_Caption]) -> list[_Caption]:
    """Join the pieces of a caption that a hard cut behind it has split."""
    whole: list[_Caption] = []
    for caption in sorted(captions, key=lambda item: item.start_frame):
        for position, earlier in enumerate(whole):
            gap = caption.start_frame - earlier.end_frame
            overlap = earlier.rect.meet(caption.rect).area / min(earlier.rect.area, caption.rect.area)
            if abs(gap) <= _TOGETHER_FRAMES and overlap > 0.7 and _same_text(earlier.text, caption.text):
                longer = max(earlier, caption, key=lambda item: item.confidence)
                whole[position] = _merged(earlier, caption, longer.text)
                break
        else:
            whole.append(caption)
    return whole


def _same_text(first: str, second: str) -> bool:
    return bool(first) and SequenceMatcher(None, first, second).ratio() >= _SAME_TEXT_RATIO


def _without_strays(captions: list[_Caption], frame_count: int) -> list[_Caption]:
    """Drop what flashes up where no other caption stands: text that moves with the scene.

    How long a caption at the video's first or last frame stands cannot be told: it stays if it can be read. Of a single
    frame even that says nothing, unless it is all there is.
    """
    steady = [
        caption
        for caption in captions
        if caption.duration_seconds >= _MIN_SECONDS
        or (_is_cut_off(caption, frame_count) and not _is_flash(caption, frame_count))
    ]
    return steady + [
        caption
        for caption in captions
        if caption not in steady and any(_stands_like(caption, other) for other in steady)
    ]


def _is_flash(caption: _Caption, frame_count: int) -> bool:
    return caption.end_frame - caption.start_frame < _MIN_FRAMES < frame_count


def _is_cut_off(caption: _Caption, frame_count: int) -> bool:
    return bool(caption.text) and (caption.start_frame == 0 or caption.end_frame >= frame_count)


def _stands_like(caption: _Caption, other: _Caption) -> bool:
    """Tell whether two captions share a place: the same lines of the picture and about the same size of type."""
    shared = min(caption.rect.y1, other.rect.y1) - max(caption.rect.y0, other.rect.y0)
    return shared > 0.6 * caption.rect.height and 0.6 < caption.line_height / other.line_height < 1.6


def _stacked(captions: list[_Caption]) -> list[_Caption]:
    """Join lines that come and go together, one above the other, to one caption."""
    blocks: list[_Caption] = []
    for caption in sorted(captions, key=lambda item: (item.rect.y0, item.rect.x0)):
        for position, block in enumerate(blocks):
            together = (
                abs(block.start_frame - caption.start_frame) <= _TOGETHER_FRAMES
                and abs(block.end_frame - caption.end_frame) <= _TOGETHER_FRAMES
            )
            gap = max(caption.rect.y0 - block.rect.y1, block.rect.y0 - caption.rect.y1)
            beside = min(caption.rect.x1, block.rect.x1) > max(caption.rect.x0, block.rect.x0)
            if together and beside and gap < max(block.line_height, caption.line_height):
                text = "\n".join(part for part in (block.text, caption.text) if part)
                blocks[position] = _merged(block, caption, text)
                break
        else:
            blocks.append(caption)
    return blocks


def _event(index: int, caption: _Caption) -> CaptionEvent:
    _, png = cv2.imencode(".png", caption.mask)
    rect = caption.rect
    return CaptionEvent(
        index=index,
        start_frame=caption.start_frame,
        end_frame=caption.end_frame,
        start_seconds=caption.start_seconds,
        end_seconds=caption.end_seconds,
        box=Box(x0=rect.x0, y0=rect.y0, x1=rect.x1, y1=rect.y1),
        mask_png=base64.b64encode(png.tobytes()).decode("ascii"),
        text=caption.text,
        confidence=caption.confidence,
    )
