"""Icons of a video: what the detect stage feeds frame by frame and then flushes; the video is looked at twice.

The first look tells which marks there are, from views of the video that differ (``views``, ``overlay``). The second one
follows each of them through every frame (``following``), and measures it to the pixel where it stands (``appearance``).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from domain.detection import IconBehaviour, IconPlace, IconTrack
from domain.job import IconKind
from domain.regions import Region
from gpu_worker.icons.animated import LoopFollower
from gpu_worker.icons.candidates import Candidates
from gpu_worker.icons.drifting import DriftFollower
from gpu_worker.icons.drifts import Drifts
from gpu_worker.icons.following import Follower
from gpu_worker.icons.kind import is_caption_like, judged_kind
from gpu_worker.icons.library import LibraryEntry
from gpu_worker.icons.loops import Loops
from gpu_worker.icons.overlay import marks_in
from gpu_worker.icons.presence import runs
from gpu_worker.icons.recognition import Recognition
from gpu_worker.icons.sample import Scale, SmallPicture, gradients_of, small_planes
from gpu_worker.icons.switches import Switches
from gpu_worker.icons.tracks import Whereabouts, whereabouts
from gpu_worker.icons.views import Views
from gpu_worker.video.frame import Frame
from gpu_worker.video.rect import Rect
from gpu_worker.video.source import VideoFacts

#: Samples a second: a mark that jumps stays for seconds.
_SAMPLES_PER_SECOND = 5


@dataclass(frozen=True, slots=True)
class Area:
    """A region as it lies in the coded frame; it counts while ``region`` does."""

    rect: Rect
    region: Region


class IconFinder:
    """Finds the icons of one video.

    Args:
        facts: of the video.
        kinds: which icons are wanted.
        again: returns the frames of the video once more, from the first one: the second look.
        areas: where to look; empty for anywhere. In them, less proof is needed.
        library: marks that are known by their picture.
    """

    def __init__(
        self,
        facts: VideoFacts,
        kinds: tuple[IconKind, ...],
        again: Callable[[], Iterable[Frame]],
        *,
        areas: tuple[Area, ...] = (),
        library: tuple[LibraryEntry, ...] = (),
    ) -> None:
        self._facts = facts
        self._kinds = kinds
        self._again = again
        self._areas = areas
        self._scale = Scale.of(facts.width, facts.height)
        self._step = max(1, round(float(facts.frame_rate) / _SAMPLES_PER_SECOND))
        width, height = self._scale.small
        self._views = Views(height, width)
        self._switches = Switches()
        self._drifts = Drifts()
        self._loops = Loops(facts.width, facts.height)
        self._candidates = Candidates()
        self._library = tuple(entry for entry in library if entry.kind in kinds)
        self._small_areas = tuple(_shrunk(area.rect, self._scale) for area in areas)
        self._recognition = Recognition((height, width), self._library, self._small_areas)
        self._clock = array("d")

    def process_frame(self, frame: Frame, seconds: float) -> None:
        """Take the next frame, shown ``seconds`` after the first one."""
        self._clock.append(seconds)
        self._loops.process_frame(frame)
        if frame.index % self._step:
            return
        planes = small_planes(frame, self._scale)
        gradients = gradients_of(planes)
        self._drifts.add(frame.index, planes)
        self._recognition.add(gradients)
        self._candidates.add(self._switches.add(gradients))
        for stretch in self._views.add(gradients):
            self._candidates.add(marks_in(stretch, self._small_areas))

    def flush(self) -> tuple[IconTrack, ...]:
        """End the first look, take the second, and return the icons, ordered by first frame."""
        for stretch in self._views.flush():
            self._candidates.add(marks_in(stretch, self._small_areas))
        candidates = self._candidates.chosen(self._recognition.flush())
        turning = [LoopFollower(loop, self._loops.scale) for loop in self._loops.flush()]
        drifting = [DriftFollower(drift, self._scale, self._step) for drift in self._drifts.flush()]
        staying = [
            Follower(
                candidate.template,
                tuple(candidate.rects),
                self._scale,
                self._step,
                is_switched=candidate.is_switched,
            )
            for candidate in candidates
        ]
        if not staying and not turning and not drifting:
            return ()
        self._follow(staying, turning, drifting)
        rate = float(self._facts.frame_rate)
        restless = [loop.whereabouts(self._shorter_side) for loop in turning]
        restless += [drift.whereabouts(self._shorter_side, rate) for drift in drifting]
        tracks = [
            track
            for found in restless
            if found is not None and (track := self._track(found, found.agreement)) is not None
        ]
        wholes = tuple(tracks)
        for candidate, follower in zip(candidates, staying, strict=True):
            found = whereabouts(follower, self._shorter_side, rate, self._library, candidate.entry)
            if found is None and candidate.is_switched and candidate.is_in_views:
                # Over a picture that moves, what differs from frame to frame is not the mark alone.
                follower.is_switched = False
                found = whereabouts(follower, self._shorter_side, rate, self._library)
            track = None if found is None else self._track(found, candidate.confidence)
            # A part of a mark that turns may stay where it is, and one that drifts stays for a while.
            if track is not None and not any(_is_part_of(track, other) for other in wholes):
                tracks.append(track)
        ordered = sorted(tracks, key=lambda track: track.places[0].start_frame)
        return tuple(track.model_copy(update={"index": index}) for index, track in enumerate(ordered))

    def _follow(
        self, staying: Sequence[Follower], turning: Sequence[LoopFollower], drifting: Sequence[DriftFollower]
    ) -> None:
        """Take the second look."""
        for frame in self._again():
            if staying or drifting:
                picture = SmallPicture.of(frame, self._scale)
                for follower in staying:
                    follower.process_frame(frame, picture)
                for drift_follower in drifting:
                    drift_follower.process_frame(frame, picture)
            for loop_follower in turning:
                loop_follower.process_frame(frame)

    @property
    def _shorter_side(self) -> int:
        return min(self._facts.width, self._facts.height)

    def _track(self, found: Whereabouts, confidence: float) -> IconTrack | None:
        facts = self._facts
        turns = facts.rotation_degrees // 90
        shown_place = found.main_place.turned(turns, facts.width, facts.height)
        shown_size = (facts.height, facts.width) if turns % 2 else (facts.width, facts.height)
        if found.entry is not None:
            kind, kind_confidence = found.entry.kind, 1.0
        else:
            if not self._areas and found.behaviour is IconBehaviour.STILL:
                longest = max(place.end_frame - place.start_frame for place in found.places)
                if is_caption_like(shown_place, shown_size, longest / float(facts.frame_rate)):
                    return None
            is_translucent = any(mark.matte is not None for mark in found.marks)
            kind, kind_confidence = judged_kind(found.behaviour, shown_place, shown_size, is_translucent=is_translucent)
        places = self._wanted(found)
        if kind not in self._kinds or not places:
            return None
        return IconTrack(
            index=0,
            kind=kind,
            name=None if found.entry is None else found.entry.name,
            confidence=min(1.0, (confidence + found.agreement) / 2),
            kind_confidence=kind_confidence,
            behaviour=found.behaviour,
            marks=found.marks,
            places=places,
        )

    def _wanted(self, found: Whereabouts) -> tuple[IconPlace, ...]:
        """Return the places of an icon, or the parts of their time, that lie for the most part in a wanted area."""
        if not self._areas:
            return found.places
        wanted = []
        for place in found.places:
            rect = found.rect_of(place)
            near = [area.region for area in self._areas if area.rect.meet(rect).area >= 0.5 * rect.area]
            life = range(place.start_frame, min(place.end_frame, len(self._clock)))
            counts = np.array([any(region.active_at(self._clock[index]) for region in near) for index in life])
            wanted += [
                place.model_copy(update={"start_frame": life.start + start, "end_frame": life.start + end})
                for start, end in runs(counts)
            ]
        return tuple(wanted)


def _shrunk(rect: Rect, scale: Scale) -> Rect:
    """Return where a rectangle of the video lies in small."""
    x0, y0, x1, y1 = (round(value / scale.factor) for value in (rect.x0, rect.y0, rect.x1, rect.y1))
    return Rect(x0, y0, x1, y1).meet(Rect(0, 0, *scale.small))


def _is_part_of(track: IconTrack, whole: IconTrack) -> bool:
    """Tell whether all places of a track lie for the most part in those of another one."""
    rects = _rects_of(whole)
    return all(any(rect.meet(other).area >= 0.5 * rect.area for other in rects) for rect in _rects_of(track))


def _rects_of(track: IconTrack) -> list[Rect]:
    return [
        Rect(place.x, place.y, place.x + mark.width, place.y + mark.height)
        for place in track.places
        for mark in [track.marks[place.mark]]
    ]
