"""What a fill is told when its result is looked at again: who judges, what may be changed, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from domain.detection import Box
from gpu_worker.fill.lane import Pixels
from gpu_worker.fill.overlays import Overlay
from gpu_worker.video.frame import Frame, Patch


class Redone(StrEnum):
    """Which attempt at an overlay was kept."""

    NONE = "none"
    LARGER_MASK = "larger-mask"
    OTHER_METHOD = "other-method"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the second look at one overlay found.

    ``residual`` is what was looked for when it was found, and is still there: text of a caption, edges of an icon.
    ``severity`` is the worst figure as a multiple of what is let pass: above 1 the overlay is filled again.
    ``missed`` are boxes of the frame in which letters stand that the mask does not cover.
    """

    residual: float
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
        """Return the larger of each figure: an overlay is as good as its worst part."""
        return Verdict(
            residual=max(self.residual, other.residual),
            ghost_levels=max(self.ghost_levels, other.ghost_levels),
            seam=max(self.seam, other.seam),
            flicker=max(self.flicker, other.flicker),
            severity=max(self.severity, other.severity),
            missed=self.missed + other.missed,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One overlay, or the part of its life that was filled together.

    ``overlay`` has the mask that was filled. ``frames`` follow each other within one shot; ``patches`` are theirs.
    ``neighbours`` are frames of the same shot, next to these, on which the overlay is not; ``others`` are those on
    screen at the same time.
    """

    overlay: Overlay
    frames: Sequence[Frame]
    patches: Sequence[Patch]
    neighbours: Sequence[Frame] = ()
    others: Sequence[Overlay] = ()


@dataclass(frozen=True, slots=True)
class SecondLook:
    """How results are looked at again.

    ``enlarge`` returns an overlay with a larger mask, given what the verdict says was missed; its box has grown by at
    most ``growth`` pixels on each side. It returns None where the mask may not grow.
    """

    judge: Callable[[Shown], Verdict]
    enlarge: Callable[[Overlay, tuple[Box, ...]], Overlay | None]
    growth: int


@dataclass(slots=True)
class OverlayFill:
    """What became of a caption or an icon: pixels summed over frames, the worst verdict, and the attempt kept."""

    frames: int = 0
    pixels: Pixels = field(default_factory=Pixels)
    verdict: Verdict | None = None
    redone: Redone = Redone.NONE

    def add_verdict(self, verdict: Verdict, redone: Redone) -> None:
        """Take in the verdict on one more part of its life."""
        self.verdict = verdict if self.verdict is None else self.verdict.worst(verdict)
        self.redone = max(self.redone, redone, key=list(Redone).index)

    def add(self, other: OverlayFill) -> None:
        """Take in what became of it in another part of its life."""
        self.frames += other.frames
        self.pixels += other.pixels
        if other.verdict is not None:
            self.add_verdict(other.verdict, other.redone)
