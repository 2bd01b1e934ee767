"""Captions that nothing reveals: erased with their true masks, with and without the network, by Normal and Premium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.baselines import smoothly, telea
from bench.captioned_clips import CaptionedClip
from bench.cases import Case
from bench.scoring import PictureScore, PictureScorer
from bench.strips import write_strip
from bench.tables import SPATIAL, WITHOUT_NETWORK, digits, made_up_gates, mean, table
from bench.worker import erase_patches, erase_without_network
from domain.detection import CaptionEvent
from domain.job import EraseSettings, Quality

PREMIUM_WITHOUT = "Premium, no network"
#: Moments of the caption's life that the strip shows.
_MOMENTS = (0.2, 0.5, 0.8)


@dataclass(frozen=True, slots=True)
class StandingResult:
    """What one case came to. ``made_up_share`` is the share of the mask's pixels that Normal found nowhere."""

    case: Case
    versions: dict[str, PictureScore]
    made_up_share: float


def measure_standing(
    clip: CaptionedClip, events: tuple[CaptionEvent, ...], folder: Path, pictures: Path
) -> StandingResult:
    """Erase and score one case in ``folder``; leave a strip of pictures.

    ``events`` are its captions with true masks.
    """
    premium_settings = EraseSettings(quality=Quality.PREMIUM)
    normal = erase_patches(clip.path, folder / "normal", EraseSettings(), truth=events)
    premium = erase_patches(clip.path, folder / "premium", premium_settings, truth=events)
    without = erase_without_network(clip.path, normal.detection, EraseSettings())
    versions = {
        "Telea, true mask": telea(clip.captioned, clip.masks()),
        SPATIAL: smoothly(clip.captioned, clip.masks()),
        WITHOUT_NETWORK: without.frames,
        "Normal": normal.frames,
        PREMIUM_WITHOUT: erase_without_network(clip.path, normal.detection, premium_settings).frames,
        "Premium": premium.frames,
    }
    box = clip.captions[0].box
    moments = [(int(part * len(clip.clean)), box) for part in _MOMENTS]
    write_strip(moments, {**versions, "clean": clip.clean}, pictures / f"{clip.case.name}.png")
    cuts = [shot.start_frame for shot in normal.detection.shots]
    scorer = PictureScorer(clip.clean, clip.captioned, clip.masks(), cuts, without.made_up)
    scores = {name: scorer.score(frames) for name, frames in versions.items()}
    return StandingResult(clip.case, scores, without.share_of(clip.masks()))


def standing_report(results: Sequence[StandingResult]) -> str:
    """Return the tables of the captions that nothing reveals."""
    methods = list(results[0].versions)

    def row(name: str, chosen: Sequence[StandingResult]) -> list[str]:
        figures = (mean(result.versions[method].made_up_psnr for result in chosen) for method in methods)
        share = mean(result.made_up_share for result in chosen)
        return [name, digits(share, 2), *(digits(figure, 2) for figure in figures)]

    rows = [row(result.case.name, [result]) for result in results]
    return "\n".join(
        (
            "\n## Captions that nothing reveals, true masks: PSNR of luma where nothing shows it, dB\n",
            table(["case", "made up", *methods], [*rows, row("**mean**", results)]),
            "\n## Gates there\n",
            table(["gate", "asked", "measured"], made_up_gates(results, "Normal", "Premium")),
            "",
        )
    )
