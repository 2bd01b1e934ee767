"""The erase bench's figures as Markdown: PSNR case by case, every measure by method, what was found, and the gates."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from bench.scoring import CaseResult, PictureScore, VersionScore

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MOVING_LITTLE = ("static", "pan")
#: What the version of Normal is called that uses no network.
WITHOUT_NETWORK = "Normal, no network"
#: What the smooth fill of the true mask is called, which all else that is made up refines.
SPATIAL = "spatial fill, true mask"


class Scored(Protocol):
    """What a case of either bench tells of its versions."""

    @property
    def versions(self) -> Mapping[str, PictureScore]:
        """Scores by version."""
        ...

    @property
    def made_up_share(self) -> float:
        """Share of the true mask's pixels that the fill found nowhere."""
        ...


#: Heading, figure of one version, digits.
MEASURES: tuple[tuple[str, Callable[[PictureScore], float | None], int], ...] = (
    ("PSNR Y", lambda score: score.psnr, 2),
    ("PSNR UV", lambda score: score.chroma_psnr, 2),
    ("SSIM Y", lambda score: score.ssim, 4),
    ("free elsewhere", lambda score: score.free_elsewhere_psnr, 2),
    ("never free", lambda score: score.never_free_psnr, 2),
    ("shown", lambda score: score.shown_psnr, 2),
    ("made up", lambda score: score.made_up_psnr, 2),
    ("flicker there", lambda score: score.made_up_flicker, 2),
    ("ring PSNR", lambda score: score.ring_psnr, 2),
    ("ring SSIM", lambda score: score.ring_ssim, 4),
    ("outside PSNR", lambda score: score.outside_psnr, 2),
    ("flicker", lambda score: score.flicker, 2),
    ("ghost", lambda score: score.ghost, 3),
)


def publish(text: str, results: Iterable[DataclassInstance], folder: Path) -> None:
    """Print a run's tables; leave them in the folder as ``table.md``, and its results as ``results.json``."""
    (folder / "table.md").write_text(text, encoding="utf-8")
    documents = [asdict(result) for result in results]
    (folder / "results.json").write_text(json.dumps(documents, indent=1, ensure_ascii=False), encoding="utf-8")
    print(text)


def report(results: Sequence[CaseResult]) -> str:
    """Return all tables of a run; every case has the same versions."""
    methods = list(results[0].versions)
    parts = [
        "## PSNR of luma inside the true mask, dB\n",
        table(["case", *methods], _psnr_rows(results, methods)),
        "\n## Every measure, mean of all cases\n",
        table(["method", *(name for name, _, _ in MEASURES), "residual text"], _measure_rows(results, methods)),
        "\n## Finding and speed, Normal\n",
        "Clips of four seconds pay for the opening of two networks: `make throughput` tells how fast a video goes.\n",
        table(
            [
                *(
                    "case",
                    "recall",
                    "precision",
                    "size",
                    "end errors",
                    "false events",
                    "coverage",
                    "made up",
                    "residual text",
                ),
                *("damaged frames", "changed outside", "transcode fps", "job", "detect", "erase"),
            ],
            [_finding_row(result) for result in results],
        ),
        "\n## Gates\n",
        table(["gate", "asked", "measured"], gates(results)),
        "",
    ]
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that there are, None without any."""
    given = [value for value in values if value is not None]
    return float(np.mean(given)) if given else None


def digits(value: float | None, count: int) -> str:
    """Return a number with ``count`` decimals."""
    return "-" if value is None else f"{value:.{count}f}"


def _psnr_rows(results: Sequence[CaseResult], methods: Sequence[str]) -> list[list[str]]:
    def row(name: str, chosen: Sequence[CaseResult]) -> list[str]:
        means = (mean(result.versions[method].psnr for result in chosen) for method in methods)
        return [name, *(digits(value, 2) for value in means)]

    kinds = dict.fromkeys(result.case.kind for result in results)
    core = [result for result in results if result.is_core]
    return [
        *(row(result.case.name, [result]) for result in results),
        *(row(f"**mean {kind}**", [result for result in results if result.case.kind == kind]) for kind in kinds),
        *([row("**mean of the first ten**", core)] if core else []),
        row("**mean of all**", results),
    ]


def _measure_rows(results: Sequence[CaseResult], methods: Sequence[str]) -> list[list[str]]:
    rows = []
    for method in methods:
        scores = [result.versions[method] for result in results]
        figures = [digits(mean(figure(score) for score in scores), count) for _, figure, count in MEASURES]
        rows.append([method, *figures, _residual(scores)])
    return rows


def _residual(scores: Sequence[VersionScore]) -> str:
    left, judged, scene = (
        sum(getattr(score.residual, name) for score in scores) for name in ("left", "judged", "scene")
    )
    return f"{left} of {judged} ({100 * left / max(1, judged):.1f} %), scene's own {scene}"


def _finding_row(result: CaseResult) -> list[str]:
    finding, speed = result.finding, result.speed
    return [
        result.case.name,
        f"{finding.recall:.3f}",
        f"{finding.precision:.3f}",
        f"{finding.size:.2f}",
        " ".join("missed" if error is None else str(error) for error in finding.end_errors),
        str(finding.false_events),
        f"{result.coverage:.2f}",
        f"{result.made_up_share:.2f}",
        _residual([result.versions["Normal"]]),
        f"{finding.damaged} of {finding.caption_free}",
        str(finding.changed_outside),
        f"{speed.transcode:.0f}",
        *(f"{fps:.0f} ({fps / speed.transcode:.2f}x)" for fps in (speed.job, speed.detect, speed.erase)),
    ]


def gates(results: Sequence[CaseResult]) -> list[list[str]]:
    """Return the figures that the product is held to: what, how much is asked for, how much it is."""

    def gain(method: str, base: str, chosen: Sequence[CaseResult]) -> str:
        gains = (_difference(result.versions[method].psnr, result.versions[base].psnr) for result in chosen)
        return f"{digits(mean(gains), 2)} dB"

    little = [result for result in results if result.case.kind in _MOVING_LITTLE]
    core = [result for result in results if result.is_core]
    errors = [error for result in results for error in result.finding.end_errors]
    exact = sum(error is not None and error <= 1 for error in errors)
    rows = [["Normal over Telea with the true mask, all cases", ">= 2 dB", gain("Normal", "Telea, true mask", results)]]
    if core:
        rows.append(["the same, first ten cases", ">= 2 dB", gain("Normal", "Telea, true mask", core)])
    if little:
        rows.append(["the same, static and panning", ">= 3 dB", gain("Normal", "Telea, true mask", little)])
    rows.append(["Normal over Normal with the true mask", ">= -1 dB", gain("Normal", "Normal, true mask", results)])
    if "Premium" in results[0].versions:
        rows.append(["Premium over Normal", ">= 1 dB", gain("Premium", "Normal", results)])
    rows += made_up_gates(results, "Normal", "Premium")
    rows += [
        ["frames with residual text, Normal", "<= 1 %", _residual([result.versions["Normal"] for result in results])],
        ["events whose ends are within a frame", ">= 95 %", f"{exact} of {len(errors)}"],
        [
            "caption-free frames changed before encoding",
            "0",
            f"{sum(r.finding.damaged for r in results)} of {sum(r.finding.caption_free for r in results)}",
        ],
    ]
    return rows


def made_up_gates(results: Sequence[Scored], method: str, premium: str) -> list[list[str]]:
    """Return what is asked where nothing shows what is covered: of ``method``, which has a network, and of Premium.

    Beside it stand what it replaces, the smooth spatial fill, and the same method without the network.
    """
    share = mean(result.made_up_share for result in results)

    def gain(better: str, base: str, figure: Callable[[PictureScore], float | None]) -> str | None:
        pairs = [(r.versions[better], r.versions[base]) for r in results if {better, base} <= r.versions.keys()]
        gains = mean(_difference(figure(one), figure(other)) for one, other in pairs)
        return f"{digits(gains, 2)} dB" if pairs else None

    def flickers(*methods: str) -> str | None:
        if any(method not in result.versions for result in results for method in methods):
            return None
        return " / ".join(digits(mean(r.versions[each].made_up_flicker for r in results), 2) for each in methods)

    def there(score: PictureScore) -> float | None:
        return score.made_up_psnr

    def shown(score: PictureScore) -> float | None:
        return score.shown_psnr

    rows = (
        (
            f"{method} over the spatial fill: pixels that nothing shows ({100 * (share or 0):.0f} %)",
            ">= 1.5 dB",
            gain(method, SPATIAL, there),
        ),
        ("the same over no network", ">= 1.5 dB", gain(method, WITHOUT_NETWORK, there)),
        ("over no network, pixels that other frames show", ">= -0.1 dB", gain(method, WITHOUT_NETWORK, shown)),
        ("flicker of pixels that nothing shows, with / without", "no more", flickers(method, WITHOUT_NETWORK)),
        (f"{premium} over {method}, pixels that nothing shows", ">= 0 dB", gain(premium, method, there)),
        (f"flicker there, {premium} / {method}", "no more", flickers(premium, method)),
    )
    return [[gate, asked, measured] for gate, asked, measured in rows if measured is not None]


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second
