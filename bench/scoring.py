"""Scores every version of one captioned clip against the clean one, and the finding against what was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from bench import metrics
from bench.captioned_clips import CaptionedClip, Mask
from bench.cases import Case
from bench.residual import Residual, ResidualText
from domain.detection import Box, Detection
from gpu_worker.video.frame import Frame
from gpu_worker.video.masks import decode_mask


@dataclass(frozen=True, slots=True)
class PictureScore:
    """One version of a clip against the clean one.

    PSNR in dB over all frames in which something was drawn: of luma and of chroma inside the true mask, of luma in the
    ring around it and outside of both; of luma inside the mask where the place is free at another time of the shot and
    where it never is; where the fill found it in other frames or worked it out, and where it was made up. SSIM of luma
    inside and in the ring. ``flicker`` and ``ghost`` as in ``bench.metrics``; ``made_up_flicker`` of what was made up
    alone. None: no such pixel.
    """

    psnr: float | None
    chroma_psnr: float | None
    ssim: float | None
    ring_psnr: float | None
    ring_ssim: float | None
    outside_psnr: float | None
    free_elsewhere_psnr: float | None
    never_free_psnr: float | None
    shown_psnr: float | None
    made_up_psnr: float | None
    made_up_flicker: float | None
    flicker: float
    ghost: float


@dataclass(frozen=True, slots=True)
class VersionScore(PictureScore):
    """One version of a captioned clip, with the text that a detector still sees in it."""

    residual: Residual


@dataclass(frozen=True, slots=True)
class FindingScore:
    """What was found against what was drawn.

    ``end_errors`` in frames per drawn caption, None where it was missed; ``false_events`` overlap no drawn caption in
    place and time; ``damaged`` of ``caption_free`` frames are not the source's, bit for bit, before any encoder;
    ``changed_outside`` luma pixels outside every mask found are not: a mask that the second look widened.
    """

    recall: float
    precision: float
    size: float
    end_errors: tuple[int | None, ...]
    false_events: int
    damaged: int
    caption_free: int
    changed_outside: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Frames a second: of a plain decode and encode of the same clip, of the whole erase job, and of two stages."""

    transcode: float
    job: float
    detect: float
    erase: float


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one case came to. ``is_core``: it is one of those that earlier figures were measured on.

    ``made_up_share`` is the share of the true mask's pixels that the fill of Normal found nowhere.
    """

    case: Case
    is_core: bool
    versions: dict[str, VersionScore]
    finding: FindingScore
    coverage: float
    made_up_share: float
    speed: Speed


class PictureScorer:
    """Scores versions of one clip.

    Args:
        clean: the frames without what was drawn.
        drawn: the same with it, encoded and decoded.
        masks: what it covers in each frame, (H, W).
        cuts: frames that start a shot.
        made_up: what the fill found nowhere in each frame, (H, W).
    """

    def __init__(
        self,
        clean: Sequence[Frame],
        drawn: Sequence[Frame],
        masks: Sequence[Mask],
        cuts: Sequence[int],
        made_up: Sequence[Mask],
    ) -> None:
        self._clean, self._drawn, self._masks, self._cuts = clean, drawn, masks, cuts
        self._made_up = [mask & made for mask, made in zip(masks, made_up, strict=True)]
        self._half = [metrics.halved(mask) for mask in masks]
        self._rings = [metrics.ring(mask) for mask in masks]
        touched = [mask | around for mask, around in zip(masks, self._rings, strict=True)]
        self._rows = _rows_of(np.logical_or.reduce(touched))

    def score(self, frames: Sequence[Frame]) -> PictureScore:
        """Score one version: the clip's frames in order."""
        clean, masks, rings = self._clean, self._masks, self._rings
        y, true_y = [frame.y for frame in frames], [frame.y for frame in clean]
        chroma = [plane for frame in frames for plane in (frame.u, frame.v)]
        true_chroma = [plane for frame in clean for plane in (frame.u, frame.v)]
        rows = self._rows
        covered = [index for index, mask in enumerate(masks) if mask.any()]
        likeness = [metrics.ssim_map(y[index][rows], true_y[index][rows]) for index in covered]
        free = metrics.uncovered_elsewhere(masks, self._cuts)
        ghosts = [metrics.ghost(y[index], true_y[index], self._drawn[index].y, masks[index]) for index in covered]
        outside = [~(mask | around) if mask.any() else mask for mask, around in zip(masks, rings, strict=True)]
        return PictureScore(
            psnr=metrics.psnr(y, true_y, masks),
            chroma_psnr=metrics.psnr(chroma, true_chroma, [half for half in self._half for _ in range(2)]),
            ssim=metrics.mean_over(likeness, [masks[index][rows] for index in covered]),
            ring_psnr=metrics.psnr(y, true_y, rings),
            ring_ssim=metrics.mean_over(likeness, [rings[index][rows] for index in covered]),
            outside_psnr=metrics.psnr(y, true_y, outside),
            free_elsewhere_psnr=metrics.psnr(y, true_y, free),
            shown_psnr=metrics.psnr(y, true_y, [m & ~made for m, made in zip(masks, self._made_up, strict=True)]),
            made_up_psnr=metrics.psnr(y, true_y, self._made_up),
            made_up_flicker=(
                metrics.flicker(y, true_y, self._made_up, self._cuts) if any(m.any() for m in self._made_up) else None
            ),
            never_free_psnr=metrics.psnr(y, true_y, [m & ~f for m, f in zip(masks, free, strict=True)]),
            flicker=metrics.flicker(y, true_y, masks, self._cuts),
            ghost=float(np.mean(ghosts)),
        )


class Scorer:
    """Scores versions of one clip: see ``PictureScorer``; every ``stride``-th captioned frame is searched for text."""

    def __init__(self, clip: CaptionedClip, cuts: Sequence[int], made_up: Sequence[Mask], stride: int) -> None:
        self._clip = clip
        self._masks = clip.masks()
        self._pictures = PictureScorer(clip.clean, clip.captioned, self._masks, cuts, made_up)
        self._residual = ResidualText(clip.clean, clip.captioned, self._masks, cuts, stride)

    def version(self, frames: Sequence[Frame]) -> VersionScore:
        """Score one version: the clip's frames in order."""
        return VersionScore(**asdict(self._pictures.score(frames)), residual=self._residual.count(frames))

    def finding(self, detection: Detection, frames: Sequence[Frame]) -> FindingScore:
        """Score what was found, and what it did to ``frames`` where no caption was."""
        clip = self._clip
        found = found_masks(detection, clip.clean)
        quality = metrics.mask_quality(found, clip.opacity, self._masks)
        true = [metrics.Life(caption.start, caption.end, _corners(caption.box)) for caption in clip.captions]
        lives = [metrics.Life(event.start_frame, event.end_frame, _corners(event.box)) for event in detection.captions]
        free = [index for index, mask in enumerate(self._masks) if not mask.any()]
        return FindingScore(
            recall=quality.recall,
            precision=quality.precision,
            size=quality.size,
            end_errors=tuple(metrics.end_errors(true, lives)),
            false_events=sum(not any(metrics.meet(life, caption) for caption in true) for life in lives),
            damaged=sum(not _is_same(frames[index], clip.captioned[index]) for index in free),
            caption_free=len(free),
            changed_outside=sum(
                int(((frame.y != source.y) & ~mask).sum())
                for frame, source, mask in zip(frames, clip.captioned, found, strict=True)
            ),
        )


def found_masks(detection: Detection, frames: Sequence[Frame]) -> list[Mask]:
    """Return each frame's mask (H, W) as the events have it: what is filled, and plates that are worked out."""
    masks = [np.zeros(frame.y.shape, dtype=bool) for frame in frames]
    for event in detection.captions:
        parts = [(event.box, decode_mask(event))]
        if event.plate is not None:
            parts.append((event.plate.box, np.ones((event.plate.box.height, event.plate.box.width), dtype=bool)))
        for box, pixels in parts:
            for index in range(event.start_frame, event.end_frame):
                masks[index][box.y0 : box.y1, box.x0 : box.x1] |= pixels
    return masks


def _rows_of(mask: Mask) -> slice:
    """Return the rows of a mask, and those beside them that a pixel's structure is judged by."""
    rows = np.flatnonzero(mask.any(axis=1))
    return slice(max(0, int(rows[0]) - metrics.SSIM_REACH), int(rows[-1]) + 1 + metrics.SSIM_REACH)


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.x0, box.y0, box.x1, box.y1


def _is_same(first: Frame, second: Frame) -> bool:
    pairs = ((first.y, second.y), (first.u, second.u), (first.v, second.v))
    return all(np.array_equal(one, other) for one, other in pairs)
