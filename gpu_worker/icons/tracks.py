"""One icon as it comes out: where and when a followed mark was proved to stand, its looks, and what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from domain.detection import IconBehaviour, IconPlace, Mark
from gpu_worker.icons.appearance import Appearance, measure
from gpu_worker.icons.following import PRESENT_GAIN, Follower, Spot
from gpu_worker.icons.known import known_appearance
from gpu_worker.icons.library import LibraryEntry
from gpu_worker.icons.pieces import Piece, full_rect, near_mask
from gpu_worker.icons.presence import Stay, stays_of
from gpu_worker.icons.recognition import named
from gpu_worker.icons.sample import gradients_of
from gpu_worker.icons.shapes import filled_in
from gpu_worker.icons.switched import above_off, is_abrupt, is_steady, switched_appearance
from gpu_worker.icons.template import Template
from gpu_worker.video.halo import codec_halo
from gpu_worker.video.masks import encode_mask, encode_matte
from gpu_worker.video.rect import Rect

#: What is laid over is the same in every piece, to the pixel: agreement of its edges, and how far they may move, where
#: what is around it agrees no more than this. Where that agrees more, they may move less.
_MIN_AGREEMENT = 0.66
_MAX_SHIFT_PIXELS, _RESTLESS_AROUND = 0.28, 0.25
#: From here on, what is around hardly changes: edges must agree more as well.
_CALM_AROUND, _CALM_AGREEMENT, _CALM_SHIFT_PIXELS = 0.5, 0.9, 0.12
#: Pieces without which nothing is proved.
_MIN_PIECES = 3
#: Pieces of all places that are measured together at most, or about.
_MOST_PIECES = 48
#: An icon is seen for so many seconds altogether, or for most of a shorter video.
_MIN_SECONDS, _MIN_VIDEO_SHARE = 1.5, 0.5
#: Places that lie on each other and yet are so many.
_MIN_CHASE = 3
#: A look is another one's, elsewhere, if it lies within so many pixels of where it is expected, is this much alike, and
#: is of the same colour to so many levels.
_ALIGNED_PIXELS = 4
_ALIKE = 0.6
_SAME_COLOUR_LEVELS = 20.0


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The places of one icon, the marks that stand there, and the figures by which it is judged.

    ``agreement`` is how far its edges agree from frame to frame, 0-1; ``entry`` is the library's that it looks like.
    """

    marks: tuple[Mark, ...]
    places: tuple[IconPlace, ...]
    behaviour: IconBehaviour
    agreement: float
    entry: LibraryEntry | None

    @property
    def main_place(self) -> Rect:
        """Return where the icon stands for most frames."""
        return self.rect_of(max(self.places, key=lambda place: place.end_frame - place.start_frame))

    def rect_of(self, place: IconPlace) -> Rect:
        """Return the rectangle that the icon takes at a place."""
        mark = self.marks[place.mark]
        return Rect(place.x, place.y, place.x + mark.width, place.y + mark.height)


def whereabouts(
    follower: Follower,
    shorter_side: int,
    frame_rate: float,
    library: Sequence[LibraryEntry] = (),
    entry: LibraryEntry | None = None,
) -> Whereabouts | None:
    """Return where a followed mark stands; None where it is not proved to be laid over.

    Args:
        follower: behind the video's last frame.
        shorter_side: of the video, in pixels.
        frame_rate: frames per second.
        library: among which the icon's name may be.
        entry: the one of them by which it was found, if it was.
    """
    looks = _looks(follower, shorter_side, frame_rate)
    if entry is not None:
        looks = [known for look in looks if (known := _known(look, entry, shorter_side)) is not None]
    # Where it was found, the views prove it; anything that stands still looks laid over where it was only searched.
    proved = [look for look in looks if look.appearance is not None and look.spot in follower.rects]
    if not proved:
        return None
    best = max(proved, key=lambda look: look.frames)
    there = {look: rect for look in looks if (rect := _seen_there(best, look, follower.scale.factor)) is not None}
    alike = [look for look, rect in there.items() if look.appearance is None or _is_of_one_colour(best, look, rect)]
    whole = best if entry is not None else _measured_together(best, there, alike, shorter_side)
    marks, places = [whole], []
    for look, rect in there.items():
        number, place = 0, whole.ink_rect.shifted(*_way(best.ink_rect, rect))
        if look not in alike:
            number, place = len(marks), look.ink_rect
            marks.append(look)
        places += [
            IconPlace(start_frame=stay.start, end_frame=stay.end, x=place.x0, y=place.y0, mark=number)
            for stay in look.stays
        ]
    assert best.appearance is not None
    if _chases(places, marks) or _is_glimpse(places, follower.frames, frame_rate):
        return None
    return Whereabouts(
        tuple(_to_mark(mark) for mark in marks),
        tuple(sorted(places, key=lambda place: place.start_frame)),
        _behaviour(list(there), follower.scale.factor),
        best.appearance.agreement,
        entry or _entry_of(whole, library),
    )


def _chases(places: Sequence[IconPlace], marks: Sequence[_Look]) -> bool:
    """Tell whether most places lie on each other, a few pixels off: texture that the scene carries along."""
    rects = {
        Rect(place.x, place.y, place.x + size.width, place.y + size.height)
        for place in places
        for size in [marks[place.mark].ink_rect]
    }
    if len(rects) < _MIN_CHASE:
        return False
    crowded = [rect for rect in rects if any(rect.meet(other).area > 0 for other in rects - {rect})]
    return len(crowded) >= 0.5 * len(rects)


def _is_glimpse(places: Sequence[IconPlace], frames: int, frame_rate: float) -> bool:
    """Tell whether an icon is seen for too short a time, of a video that goes on for longer, to be one."""
    seen = sum(place.end_frame - place.start_frame for place in places)
    return seen < min(_MIN_SECONDS * frame_rate, _MIN_VIDEO_SHARE * frames)


def _known(look: _Look, entry: LibraryEntry, shorter_side: int) -> _Look | None:
    """Return a look with the mask of the entry that is seen there; None where it is not, or not by itself."""
    if look.appearance is None:
        return look
    match = named(look.mean, look.spot_in_pieces, (entry,))
    if match is None:
        return None
    return replace(look, appearance=known_appearance(look.appearance, match, codec_halo(shorter_side)))


def _entry_of(look: _Look, library: Sequence[LibraryEntry]) -> LibraryEntry | None:
    assert look.appearance is not None
    rows, columns = (np.flatnonzero(look.appearance.ink.any(axis=axis)) for axis in (1, 0))
    ink = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    match = named(look.mean, ink, library)
    return None if match is None else match.entry


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A mark at one place: ``rect`` is that of its ``pieces``, ``mean`` (3, h, w) their mean; measured where proved.

    ``near`` (h, w) is where it was found, roughly.
    """

    spot: Rect
    spot_in_pieces: Rect
    stays: tuple[Stay, ...]
    rect: Rect
    mean: NDArray[np.float32]
    appearance: Appearance | None
    pieces: tuple[Piece, ...]
    near: NDArray[np.bool_]

    @property
    def frames(self) -> int:
        return sum(stay.end - stay.start for stay in self.stays)

    @property
    def ink_rect(self) -> Rect:
        """Return where the mask lies in the frame."""
        assert self.appearance is not None
        rows, columns = (np.flatnonzero(self.appearance.mask.any(axis=axis)) for axis in (1, 0))
        inside = Rect(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return inside.shifted(self.rect.x0, self.rect.y0)

    def inside(self, rect: Rect) -> tuple[slice, slice]:
        """Return what cuts a rectangle of the frame out of the pieces."""
        return rect.shifted(-self.rect.x0, -self.rect.y0).slices


def _looks(follower: Follower, shorter_side: int, frame_rate: float) -> list[_Look]:
    presences = [np.asarray(spot.presences, dtype=np.float32) for spot in follower.spots]
    gains = [above_off(np.asarray(spot.gains, dtype=np.float32)) for spot in follower.spots]
    usual, usual_gain = _usual(presences), _usual(gains)
    looks = []
    for spot, presence, gain in zip(follower.spots, presences, gains, strict=True):
        stays = stays_of(presence, spot.first_frame, usual, frame_rate)
        is_proof = not follower.is_switched
        if follower.is_switched:
            switched = stays_of(gain, spot.first_frame, usual_gain, frame_rate)
            if is_steady(gain, spot.first_frame, switched, usual_gain) and is_abrupt(gain, switched, usual_gain):
                stays, is_proof = switched, True
        look = _look(spot, tuple(stays), follower, shorter_side, is_proof=is_proof)
        if look is not None:
            looks.append(look)
    return looks


def _usual(gains: Sequence[NDArray[np.float32]]) -> float:
    """Return the gain of a mark that is there."""
    everywhere = np.concatenate(gains)
    present = everywhere[everywhere >= PRESENT_GAIN]
    return float(np.median(present)) if present.size else 1.0


def _look(
    spot: Spot, stays: tuple[Stay, ...], follower: Follower, shorter_side: int, *, is_proof: bool
) -> _Look | None:
    """Return the mark at a place, None where it is not; measured where that ``is_proof`` that it is laid over."""
    shown = [piece for piece in spot.pieces.kept if any(stay.start <= piece.index < stay.end for stay in stays)]
    if not shown:
        return None
    mean = np.asarray(np.mean([piece.planes for piece in shown], axis=0), dtype=np.float32)
    rect = shown[0].rect
    inside = full_rect(spot.rect, follower.scale).shifted(-rect.x0, -rect.y0)
    near = near_mask(follower.template.edges, spot.rect, rect, follower.scale)
    if not is_proof or len(shown) < _MIN_PIECES:
        return _Look(spot.rect, inside, stays, rect, mean, None, tuple(shown), near)
    appearance = measure(shown, near, shorter_side)
    if appearance is None or not _is_laid_over(appearance, is_calm=follower.is_switched):
        return None
    if follower.is_switched and spot.switches:
        appearance = switched_appearance(appearance, spot.switches, near, codec_halo(shorter_side))
    return _Look(spot.rect, inside, stays, rect, mean, appearance, tuple(shown), near)


def _is_laid_over(appearance: Appearance, *, is_calm: bool) -> bool:
    """Tell whether the edges of a mark are the same in every piece, to the pixel, be what is around it as it may."""
    if is_calm or appearance.around > _CALM_AROUND:
        return appearance.agreement >= _CALM_AGREEMENT and appearance.shift <= _CALM_SHIFT_PIXELS
    most = np.interp(appearance.around, (_RESTLESS_AROUND, _CALM_AROUND), (_MAX_SHIFT_PIXELS, _CALM_SHIFT_PIXELS))
    return appearance.agreement >= _MIN_AGREEMENT and appearance.shift <= float(most)


def _seen_there(best: _Look, look: _Look, factor: float) -> Rect | None:
    """Return where the best look's mask lies at another place, None where something else is seen there."""
    if look is best:
        return best.ink_rect
    box = best.ink_rect
    right, down = (
        round(factor * (there - here))
        for here, there in zip((best.spot.x0, best.spot.y0), (look.spot.x0, look.spot.y0), strict=True)
    )
    expected = box.shifted(right, down)
    around = expected.grow(_ALIGNED_PIXELS, look.rect)
    if around.width < box.width or around.height < box.height:
        return None
    assert best.appearance is not None
    edges = best.appearance.edges[best.inside(box)]
    template = Template.of(gradients_of(list(best.mean[(slice(None), *best.inside(box))])), edges)
    likeness = template.likeness_map(gradients_of(list(look.mean[(slice(None), *look.inside(around))])))
    y, x = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
    there = Rect(
        around.x0 + int(x), around.y0 + int(y), around.x0 + int(x) + box.width, around.y0 + int(y) + box.height
    )
    return there if likeness[y, x] >= _ALIKE else None


def _way(here: Rect, there: Rect) -> tuple[int, int]:
    return there.x0 - here.x0, there.y0 - here.y0


def _measured_together(best: _Look, there: Mapping[_Look, Rect], alike: Sequence[_Look], shorter_side: int) -> _Look:
    """Return the best look as measured in the pieces of all places where it is proved; as it was where that fails.

    Behind a mark that jumps there is another scene at each place, even where none of them moves.

    Args:
        best: the look that is seen for longest.
        there: where its mask lies at each place.
        alike: the looks that are the same mark.
        shorter_side: of the video, in pixels.
    """
    proved = [look for look in alike if look.appearance is not None]
    if len(proved) < 2:
        return best
    common = best.rect
    ways = {look: _way(best.ink_rect, rect) for look, rect in there.items()}
    for look, (right, down) in ways.items():
        common = common.meet(look.rect.shifted(-right, -down))
    common = Rect(common.x0 + common.x0 % 2, common.y0 + common.y0 % 2, common.x1, common.y1)
    if common.meet(best.ink_rect) != best.ink_rect:
        return best
    every = -(-sum(len(look.pieces) for look in proved) // _MOST_PIECES)
    pieces = [
        Piece(piece.index, common, piece.planes[(slice(None), *look.inside(common.shifted(*ways[look])))])
        for look in proved
        for piece in look.pieces[::every]
    ]
    appearance = measure(pieces, best.near[best.inside(common)], shorter_side)
    if appearance is None or not _is_laid_over(appearance, is_calm=False):
        return best
    return replace(best, rect=common, mean=appearance.mean, appearance=appearance)


def _is_of_one_colour(best: _Look, look: _Look, there: Rect) -> bool:
    """Tell whether a mark has the best look's colour at another place.

    It differs by no more than what is around does, as that shines through where the mark is translucent.
    """
    assert best.appearance is not None
    right, down = _way(best.ink_rect, there)
    window = best.rect.meet(look.rect.shifted(-right, -down))
    here = best.inside(window)
    apart = best.mean[(slice(None), *here)] - look.mean[(slice(None), *look.inside(window.shifted(right, down)))]
    mask, ink = best.appearance.mask[here], best.appearance.ink[here]
    beyond = [np.maximum(np.abs(plane) - np.abs(filled_in(plane, mask)), 0)[ink].mean() for plane in apart]
    return float(max(beyond)) <= _SAME_COLOUR_LEVELS


def _to_mark(look: _Look) -> Mark:
    appearance = look.appearance
    assert appearance is not None
    inside = look.inside(look.ink_rect)
    matte = None
    if appearance.opacity is not None and appearance.colour is not None:
        colour = np.ascontiguousarray(appearance.colour[(slice(None), *inside)].transpose(1, 2, 0))
        matte = encode_matte(appearance.opacity[inside], colour)
    box = look.ink_rect
    return Mark(width=box.width, height=box.height, mask_png=encode_mask(appearance.mask[inside]), matte=matte)


def _behaviour(looks: Sequence[_Look], factor: float) -> IconBehaviour:
    apart = any(
        abs(look.spot.x0 - looks[0].spot.x0) > _ALIGNED_PIXELS / factor
        or abs(look.spot.y0 - looks[0].spot.y0) > _ALIGNED_PIXELS / factor
        for look in looks
    )
    if apart:
        return IconBehaviour.JUMPING
    return IconBehaviour.BLINKING if any(len(look.stays) > 1 for look in looks) else IconBehaviour.STILL
