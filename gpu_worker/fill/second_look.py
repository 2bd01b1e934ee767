"""What a fill is told when its result is looked at again: who judges, what may be changed, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.detection import Box, CaptionEvent
from gpu_worker.video.frame import Frame, Patch


class Redone(StrEnum):
    """Which attempt at a caption was kept."""

    NONE = "none"
    LARGER_MASK = "larger-mask"
    OTHER_METHOD = "other-method"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the second look at one caption found.

    ``severity`` is the worst figure as a multiple of what is let pass: above 1 the caption is filled again.
    ``missed`` are boxes of the frame in which letters stand that the mask does not cover.
    """

    residual_text: float
    ghost_levels: float
    seam: float
    flicker: float
    severity: float
    missed: tuple[Box, ...] = ()

    @property
    def passed(self) -> bool:
        """Tell whether every figure is within its gate."""
        return self.severity <= 1

    def worst(self, other: Verdict) -> Verdict:
        """Return the larger of each figure: a caption is as good as its worst part."""
        return Verdict(
            residual_text=max(self.residual_text, other.residual_text),
            ghost_levels=max(self.ghost_levels, other.ghost_levels),
            seam=max(self.seam, other.seam),
            flicker=max(self.flicker, other.flicker),
            severity=max(self.severity, other.severity),
            missed=self.missed + other.missed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One caption, or the part of its life that was filled together.

    ``event`` has the mask that was filled. ``frames`` follow each other within one shot; ``patches`` are theirs.
    ``neighbours`` are frames of the same shot, next to these, on which the caption is not; ``others`` are the captions
    on screen at the same time.
    """

    event: CaptionEvent
    frames: Sequence[Frame]
    patches: Sequence[Patch]
    neighbours: Sequence[Frame] = ()
    others: Sequence[CaptionEvent] = ()


@dataclass(frozen=True, slots=True)
class SecondLook:
    """How results are looked at again.

    ``enlarge`` returns a caption with a larger mask, given what the verdict says was missed; its box has grown by at
    most ``growth`` pixels on each side. It returns None where the mask may not grow.
    """

    judge: Callable[[Shown], Verdict]
    enlarge: Callable[[CaptionEvent, tuple[Box, ...]], CaptionEvent | None]
    growth: int


@dataclass(slots=True)
class CaptionFill:
    """What became of one caption: luma pixels summed over frames, the worst verdict, and the attempt that was kept."""

    frames: int = 0
    pixels_masked: int = 0
    pixels_from_frames: int = 0
    pixels_seen_through: int = 0
    verdict: Verdict | None = field(default=None)
    redone: Redone = Redone.NONE

    def add_verdict(self, verdict: Verdict, redone: Redone) -> None:
        """Take in the verdict on one more part of the caption's life."""
        self.verdict = verdict if self.verdict is None else self.verdict.worst(verdict)
        self.redone = max(self.redone, redone, key=list(Redone).index)
