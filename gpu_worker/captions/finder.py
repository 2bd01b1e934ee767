"""Caption events of a video, found while its frames stream by: what the detect stage feeds and then flushes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from domain.detection import CaptionEvent, Plate
from domain.regions import CAPTION_BAND, WHOLE_FRAME, Region
from gpu_worker.captions.band import Band, Picture
from gpu_worker.captions.detector import TextDetector
from gpu_worker.captions.joining import Caption, covering, joined, to_event, trimmed
from gpu_worker.captions.mask import line_mask, median_picture
from gpu_worker.captions.plate import (
    MAX_OPACITY,
    FoundPlate,
    find_plate,
    find_plate_by_its_edges,
    plate_border,
    spread_plate,
)
from gpu_worker.captions.reading import TextReader
from gpu_worker.captions.selection import is_laid_over, of_the_caption_bands
from gpu_worker.captions.timeline import Moment, Timeline, TrackedLine
from gpu_worker.inference.session import Device, open_session
from gpu_worker.video.frame import Frame
from gpu_worker.video.halo import codec_halo
from gpu_worker.video.rect import Rect

DETECTION_MODEL = "ppocr-v6-det-small"
RECOGNITION_MODEL = "ppocr-v6-rec-small"

#: The largest type, as a share of the picture's longer side: larger is a poster, or a texture that looks like text.
_MAX_LINE_SHARE = 0.15
#: Below this the reader guesses: the text is not passed on.
_READABLE = 0.5
#: What cannot be read is a caption only if the detector is this sure; other scripts than the reader's reach 0.9.
_SURE_SCORE = 0.75
#: ... and if it came or went in the midst of a shot, or is no larger than type is set: glasses and railings are found
#: in any size.
_MAX_UNREAD_SHARE = 0.06


class CaptionFinder:
    """Finds the captions of one video.

    Args:
        width: coded width in pixels.
        height: coded height in pixels.
        rotation_degrees: counter-clockwise turn that a player applies, a multiple of 90.
        regions: where to look, in display space; empty for the bottom quarter.
        frame_rate: average frames per second, for the length of the last frame.
        keep: where lines are left alone, in display space: those that lie mostly inside, while it counts.
        anywhere: look at the whole picture, whatever ``regions`` say, and tell captions from other text by their ways.
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
        anywhere: bool = False,
        detector: TextDetector | None = None,
        reader: TextReader | None = None,
        device: Device = Device.CPU,
    ) -> None:
        self._detector = detector or TextDetector(open_session(DETECTION_MODEL, device))
        self._reader = reader or TextReader(open_session(RECOGNITION_MODEL, device))
        self._anywhere = anywhere
        self._bounds = Rect(0, 0, width, height)
        wanted = (WHOLE_FRAME,) if anywhere else regions or (CAPTION_BAND,)
        self._bands = [Band(region, width, height, rotation_degrees) for region in wanted]
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
        self._captions: list[Caption] = []
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
        self._captions = []
        choose = of_the_caption_bands if self._anywhere else None
        ordered = sorted(
            joined(captions, last, self._bounds, choose), key=lambda caption: (caption.start_frame, caption.letters.y0)
        )
        return tuple(to_event(index, caption) for index, caption in enumerate(ordered))

    def _take(self, band: Band, line: TrackedLine) -> None:
        median = median_picture(line.samples)
        offset = line.sample_rect
        inside = line.rect.shifted(-offset.x0, -offset.y0)
        mask = line_mask(median, inside, self._detector, band.shorter_side, _changes(line))
        reading = self._reader.read(_cut(median, inside))
        readable = reading.confidence >= _READABLE
        laid_over = is_laid_over(line.crossings, line.rect.shifted(-line.surroundings.x0, -line.surroundings.y0))
        is_small = line.rect.line_height <= _MAX_UNREAD_SHARE * band.longest_side
        if not readable and not ((is_small or laid_over) and line.score >= _SURE_SCORE):
            return
        plate = _plate_under(line, mask.ink)
        if plate is None and not laid_over:
            seen = find_plate_by_its_edges(line.samples, inside, mask.ink)
            plate = None if seen is None else replace(seen, rect=seen.rect.shifted(offset.x0, offset.y0))
        if plate is not None:
            here = replace(plate, rect=plate.rect.shifted(-offset.x0, -offset.y0))
            mask = line_mask(spread_plate(median, here), inside, self._detector, band.shorter_side)
        box, coded_mask = band.to_coded(offset, mask.covered)
        caption = Caption(
            rect=Rect.of_box(box),
            letters=band.to_displayed(line.rect),
            mask=coded_mask,
            start_frame=line.start_frame,
            end_frame=line.end_frame,
            start_seconds=line.start_seconds,
            end_seconds=line.end_seconds,
            text=reading.text if readable else "",
            confidence=reading.confidence if readable else 0.0,
            line_height=line.rect.line_height,
            is_laid_over=laid_over,
            reach=mask.reach,
            glow=mask.glow,
        )
        if plate is not None:
            box, coded_mask = band.to_coded(*plate_border(plate, codec_halo(band.shorter_side), band.bounds))
            caption = covering(caption, Rect.of_box(box), coded_mask)
            if plate.opacity <= MAX_OPACITY:
                caption = replace(caption, plate=_coded_plate(plate, band, line))
        self._captions.append(trimmed(caption))


def _changes(line: TrackedLine) -> list[NDArray[np.int16]]:
    """Return by how much luma is higher with the line than without, where it came and went, the size of its samples."""
    place = line.sample_rect.shifted(-line.surroundings.x0, -line.surroundings.y0)
    return [
        np.asarray(crossing.within.y[place.slices].astype(np.int16) - crossing.without.y[place.slices], dtype=np.int16)
        for crossing in line.crossings
    ]


def _plate_under(line: TrackedLine, ink: NDArray[np.bool_]) -> FoundPlate | None:
    """Return the plate under a line, in the band; ``ink`` is the size of the line's samples."""
    place = line.surroundings
    letters = np.zeros((place.height, place.width), dtype=bool)
    letters[line.sample_rect.shifted(-place.x0, -place.y0).slices] = ink
    plate = find_plate(line.crossings, line.rect.shifted(-place.x0, -place.y0), letters)
    return None if plate is None else replace(plate, rect=plate.rect.shifted(place.x0, place.y0))


def _coded_plate(plate: FoundPlate, band: Band, line: TrackedLine) -> Plate | None:
    """Return a found plate as the detection holds it; None where it never stands in full."""
    if line.full_end_frame <= line.full_start_frame:
        return None
    y, u, v = plate.colour
    return Plate(
        box=band.rect_to_coded(plate.rect),
        start_frame=line.full_start_frame,
        end_frame=line.full_end_frame,
        opacity=plate.opacity,
        y=y,
        u=u,
        v=v,
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
