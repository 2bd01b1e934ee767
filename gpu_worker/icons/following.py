"""The second look at a video: where each mark stands in every frame, and pieces of frames that show it in full."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass, field

from gpu_worker.icons.pieces import Piece, Pieces, cut_piece
from gpu_worker.icons.sample import Scale, SmallPicture
from gpu_worker.icons.template import Template
from gpu_worker.video.frame import Frame
from gpu_worker.video.rect import Rect

#: Gain at which a mark is there, of 1 for as strong as it was found.
PRESENT_GAIN = 0.5
#: A mark is at a new place if the picture is this much like it there, and it is about as strong.
_NEW_PLACE_LIKENESS = 0.72
_NEW_PLACE_GAINS = (0.4, 2.5)
#: A mark jumps between a few places; what is found at more is a texture.
_MAX_PLACES = 8
#: Pixels in small around a place in which the mark may also lie: places are found to the pixel.
_SAME_PLACE = 2
#: By how much a mark's gain changes when it is switched, and after how many switches no more are kept.
_SWITCHED_BY = 0.7
_MAX_SWITCHES = 8


@dataclass(slots=True)
class Spot:
    """One place of a mark: ``rect`` in small pixels, its gain in each frame from ``first_frame``, and pieces.

    ``presences`` are the gains, or how like it the frames are where that is high. ``switches`` are pairs of pieces
    between which a mark that is switched came or went.
    """

    rect: Rect
    first_frame: int
    pieces: Pieces
    gains: array[float] = field(default_factory=lambda: array("f"))
    presences: array[float] = field(default_factory=lambda: array("f"))
    switches: list[tuple[Piece, Piece]] = field(default_factory=list)
    _recent: list[tuple[float, Piece]] = field(default_factory=list)

    def note_switch(self, piece: Piece, reach: int) -> None:
        """Take a piece of every frame, and keep pairs of those, up to ``reach`` frames apart, that show a switch."""
        gain = self.gains[-1]
        for earlier, other in reversed(self._recent):
            if abs(gain - earlier) >= _SWITCHED_BY and len(self.switches) < _MAX_SWITCHES:
                self.switches.append((other, piece))
                self._recent.clear()
                break
        self._recent.append((gain, piece))
        del self._recent[:-reach]


@dataclass(slots=True)
class Follower:
    """Follows one mark through the frames of a video, which are given in order.

    Args:
        template: what the mark looks like in small.
        rects: where it was found, in small pixels.
        scale: of the video.
        step: frames from one sample to the next: new places are looked for in samples, pieces taken twice as often.
        is_switched: whether it is known by how it comes and goes.
    """

    template: Template
    rects: tuple[Rect, ...]
    scale: Scale
    step: int
    is_switched: bool = False
    spots: list[Spot] = field(default_factory=list)
    frames: int = 0
    _recent: deque[tuple[int, SmallPicture]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._recent = deque(maxlen=self.step)
        for rect in self.rects:
            self._open_spot(_inside(rect, *self.scale.small), 0)

    def process_frame(self, frame: Frame, picture: SmallPicture) -> None:
        """Take the next frame, and itself in small."""
        self.frames = frame.index + 1
        self._recent.append((frame.index, picture))
        seen = [self._look(spot, picture) for spot in self.spots]
        if self.is_switched:
            for spot in self.spots:
                spot.note_switch(cut_piece(frame, spot.rect, self.scale), self.step)
        if frame.index % self.step == 0 and not any(gain >= PRESENT_GAIN for gain in seen):
            self._look_elsewhere()
        if frame.index % max(1, self.step // 2):
            return
        for spot in self.spots:
            if spot.presences[-1] >= PRESENT_GAIN:
                spot.pieces.add(cut_piece(frame, spot.rect, self.scale))

    def _open_spot(self, rect: Rect, first_frame: int) -> Spot:
        spot = Spot(rect, first_frame, Pieces())
        self.spots.append(spot)
        return spot

    def _look(self, spot: Spot, picture: SmallPicture) -> float:
        gradients = picture.gradients_in(spot.rect)
        gain = self.template.gain_in(gradients)
        spot.gains.append(gain)
        spot.presences.append(self.template.presence_in(gradients, gain))
        return spot.presences[-1]

    def _look_elsewhere(self) -> None:
        """Look for the mark in the whole picture; a new place is looked at in the frames since the last sample, too."""
        if len(self.spots) >= _MAX_PLACES:
            return
        _, picture = self._recent[-1]
        place = self.template.best_place(picture.luma_gradients, _NEW_PLACE_LIKENESS)
        if place is None:
            return
        width, height = self.template.size
        rect = Rect(place[0], place[1], place[0] + width, place[1] + height)
        least, most = _NEW_PLACE_GAINS
        gradients = picture.gradients_in(rect)
        presence = self.template.presence_in(gradients, self.template.gain_in(gradients))
        is_known = any(
            abs(spot.rect.x0 - rect.x0) <= _SAME_PLACE and abs(spot.rect.y0 - rect.y0) <= _SAME_PLACE
            for spot in self.spots
        )
        if is_known or not least <= presence <= most:
            return
        spot = self._open_spot(rect, self._recent[0][0])
        for _, earlier in self._recent:
            self._look(spot, earlier)


def _inside(rect: Rect, width: int, height: int) -> Rect:
    """Return a rectangle moved into the picture: a find that shows a part of a mark may place it across the edge."""
    right = min(max(rect.x0, 0), max(0, width - rect.width)) - rect.x0
    return rect.shifted(right, min(max(rect.y0, 0), max(0, height - rect.height)) - rect.y0)
