"""Erases drawn logos with the worker's own stages and compares with the clean clips.

    python -m bench.icons [--quick] [--only NAME] [--premium] [--truth] [--clean] [--out build/bench-icons]

Per case: the clip with its logo untouched, OpenCV's Telea with the true mask, the true box interpolated from its edges,
Normal with the true track (with the network of the catalogue, and without) and with what the worker found. ``--truth``
leaves the finding out, ``--clean`` looks for icons in clips that have none. Writes ``table.md``, ``results.json`` and a
strip of pictures per case. What the columns mean stands in ``bench.scoring`` and ``bench.icon_finding``.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.baselines import from_edges, smoothly, telea
from bench.icon_cases import CASES, IconCase
from bench.icon_clips import IconClip, draw
from bench.icon_finding import IconFinding, finding_of
from bench.scoring import PictureScore, PictureScorer, Speed
from bench.strips import write_strip
from bench.tables import MEASURES, SPATIAL, WITHOUT_NETWORK, digits, made_up_gates, mean, publish, table
from bench.transcode import plain_transcode
from bench.worker import erase_patches, erase_to_video, erase_without_network
from domain.icon import IconMediaType
from domain.job import EraseSettings, IconErasure, IconKind, ObjectRef, Quality
from domain.work_order import LibraryIcon

SETTINGS = EraseSettings(icons=IconErasure())
UNTOUCHED, TELEA, EDGES, TRUE, FOUND = "untouched", "Telea, true mask", "edges, true box", "true track", "automatic"
PREMIUM = "Premium, true track"


@dataclass(frozen=True, slots=True)
class IconResult:
    """What one case came to; without a search, ``finding`` and ``speed`` are None.

    ``made_up_share`` is the share of the true mask's pixels that the fill with the true track found nowhere.
    """

    case: IconCase
    versions: dict[str, PictureScore]
    finding: IconFinding | None
    made_up_share: float
    speed: Speed | None


def library_of(icons: Path) -> tuple[LibraryIcon, ...]:
    """Return all stations' logos in a folder of icons: one of them is the drawn one."""
    return tuple(
        LibraryIcon(
            icon_id=path.name,
            name=path.stem,
            kind=IconKind.TV,
            picture=ObjectRef(bucket="", key=str(path.resolve())),
            media_type=IconMediaType.PNG,
        )
        for path in sorted((icons / "tv").glob("*.png"))
    )


def measure(
    clip: IconClip,
    folder: Path,
    pictures: Path,
    *,
    search: bool,
    library: tuple[LibraryIcon, ...] = (),
    premium: bool = False,
) -> IconResult:
    """Erase and score one case in ``folder``; leave a strip of pictures.

    Over a background that stands still, only a ``library`` can tell what is an icon: elsewhere the search has none.
    """
    true = erase_patches(clip.path, folder / "true", SETTINGS, truth=(clip.track,))
    without = erase_without_network(clip.path, true.detection, SETTINGS)
    versions = {
        UNTOUCHED: clip.marked,
        TELEA: telea(clip.marked, clip.masks()),
        SPATIAL: smoothly(clip.marked, clip.masks()),
        EDGES: from_edges(clip.marked, clip.boxes),
        TRUE: true.frames,
        WITHOUT_NETWORK: without.frames,
    }
    if premium:
        settings = SETTINGS.model_copy(update={"quality": Quality.PREMIUM})
        versions[PREMIUM] = erase_patches(clip.path, folder / "premium", settings, truth=(clip.track,)).frames
    finding, speed = None, None
    if search:
        count = len(clip.clean)
        known = library if clip.case.kind == "static" else ()
        job_seconds = erase_to_video(clip.path, folder / "job", SETTINGS, known)
        transcode_seconds = plain_transcode(clip.path, folder / "plain.mp4")
        found = erase_patches(clip.path, folder / "found", SETTINGS, found_in=folder / "job")
        versions[FOUND] = found.frames
        finding = finding_of(clip, found.detection)
        speed = Speed(
            transcode=count / transcode_seconds,
            job=count / job_seconds,
            detect=count / found.detect.seconds,
            erase=count / sum(record.seconds for record in found.erase),
        )
    shown = [index for index, boxes in enumerate(clip.boxes) if boxes]
    moments = [(shown[len(shown) * part // 6], clip.boxes[shown[len(shown) * part // 6]][0]) for part in (1, 3, 5)]
    write_strip(moments, {**versions, "clean": clip.clean}, pictures / f"{clip.case.name}.png")
    cuts = [shot.start_frame for shot in true.detection.shots]
    scorer = PictureScorer(clip.clean, clip.marked, clip.masks(), cuts, without.made_up)
    scores = {name: scorer.score(frames) for name, frames in versions.items()}
    return IconResult(clip.case, scores, finding, without.share_of(clip.masks()), speed)


def report(results: list[IconResult]) -> str:
    """Return all tables of a run; every case has the same versions."""
    methods = list(results[0].versions)
    kinds = dict.fromkeys(result.case.kind for result in results)
    groups = [(result.case.name, [result]) for result in results]
    groups += [(f"**mean {kind}**", [r for r in results if r.case.kind == kind]) for kind in kinds]
    groups += [("**mean opaque**", [r for r in results if r.case.logo.opacity == 1])]
    groups += [("**mean translucent**", [r for r in results if r.case.logo.opacity < 1])]
    groups += [("**mean of all**", results)]
    psnr = [
        [name, *(digits(mean(r.versions[method].psnr for r in chosen), 2) for method in methods)]
        for name, chosen in groups
        if chosen
    ]
    measures = [
        [method, *(digits(mean(figure(r.versions[method]) for r in results), count) for _, figure, count in MEASURES)]
        for method in methods
    ]
    parts = [
        "## PSNR of luma inside the true mask, dB\n",
        table(["case", *methods], psnr),
        "\n## Every measure, mean of all cases\n",
        table(["method", *(name for name, _, _ in MEASURES)], measures),
        "\n## Finding and speed\n",
        table(
            [
                "case",
                "found",
                "false",
                "mask IoU",
                "recall",
                "precision",
                "frame error",
                "transcode fps",
                "job",
                "erase",
            ],
            [_finding_row(result) for result in results if result.finding is not None],
        ),
        "\n## Gates\n",
        table(["gate", "asked", "measured"], gates(results)),
        "",
    ]
    return "\n".join(parts)


def _finding_row(result: IconResult) -> list[str]:
    finding, speed = result.finding, result.speed
    assert finding is not None
    assert speed is not None
    return [
        result.case.name,
        "yes" if finding.is_found else "no",
        str(finding.false_tracks),
        *(f"{value:.2f}" for value in (finding.overlap, finding.mask.recall, finding.mask.precision)),
        "-" if finding.frame_error is None else str(finding.frame_error),
        f"{speed.transcode:.0f}",
        f"{speed.job:.0f} ({speed.job / speed.transcode:.2f}x)",
        f"{speed.erase:.0f} ({speed.erase / speed.transcode:.2f}x)" if finding.is_found else "-",
    ]


def gates(results: list[IconResult]) -> list[list[str]]:
    """Return the figures that the product is held to: what, how much is asked for, how much it is."""

    def gain(base: str, chosen: list[IconResult]) -> str:
        gains = [
            digits(mean(_difference(r.versions[method].psnr, r.versions[base].psnr) for r in chosen), 2)
            for method in (TRUE, FOUND)
            if method in results[0].versions
        ]
        return " / ".join(gains) + " dB"

    veiled = [result for result in results if result.case.logo.opacity < 1]
    rows = [
        ["over the edges of the true box, true track / automatic", ">= 2 dB", gain(EDGES, results)],
        ["over Telea with the true mask, likewise", ">= 1 dB", gain(TELEA, results)],
        ["the same, translucent logos", ">= 5 dB", gain(TELEA, veiled)],
    ]
    still = [r for r in results if r.case.kind == "static" and r.case.logo.opacity == 1]
    rows.append(["the same, opaque logos over a static background", ">= 2 dB", gain(TELEA, still)])
    if any(r.versions.get(PREMIUM) for r in results):
        premium = mean(_difference(r.versions[PREMIUM].psnr, r.versions[TRUE].psnr) for r in results)
        rows.append(["Premium over Normal, true track", ">= 1.5 dB", f"{digits(premium, 2)} dB"])
    rows += made_up_gates(results, TRUE, PREMIUM)
    for name, kinds, asked in (
        ("moving or cutting", ("moving", "cuts"), ">= 0.95"),
        ("static", ("static",), ">= 0.8 (library)"),
    ):
        findings = [r.finding for r in results if r.case.kind in kinds and r.finding is not None]
        if findings:
            found, false = sum(f.is_found for f in findings), sum(f.false_tracks for f in findings)
            measured = f"{found / len(findings):.2f} at precision {found / max(1, found + false):.2f}"
            rows.append([f"recall of icons, {name} background", asked, measured])
    errors = [r.finding.frame_error for r in results if r.finding is not None and r.finding.frame_error is not None]
    if errors:
        rows.append(["frames by which places are off, worst", "<= 3", str(max(errors))])
    return rows


def _difference(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def false_alarms(clips: Path, folder: Path) -> list[tuple[str, int]]:
    """Return how many icons are found in each clip that has none."""
    found = []
    for clip in sorted(path for path in clips.iterdir() if path.is_file()):
        erased = erase_patches(clip, folder / clip.stem, SETTINGS)
        found.append((clip.name, len(erased.detection.icons)))
    return found


def chosen(only: str, *, quick: bool) -> list[IconCase]:
    """Return the cases whose name has ``only`` in it; quick: every third of them."""
    cases = [case for case in CASES if only in case.name]
    return cases[::3] if quick else cases


def main() -> None:
    """Run the bench, print its tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/clips/clean"))
    parser.add_argument("--icons", type=Path, default=Path("../shared/data/icons"))
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="every third case")
    parser.add_argument("--only", default="", help="part of a case's name")
    parser.add_argument("--premium", action="store_true", help="Premium as well, with the true tracks")
    parser.add_argument("--truth", action="store_true", help="only fill, with the true tracks")
    parser.add_argument("--clean", action="store_true", help="only count what is found in the clean clips")
    parser.add_argument("--out", type=Path, default=Path("build/bench-icons"))
    options = parser.parse_args()
    for folder in (options.clips, options.icons):
        if not folder.is_dir():
            parser.error(f"there is no folder {folder}")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.clean:
        with tempfile.TemporaryDirectory(dir=options.out) as name:
            found = false_alarms(options.clips, Path(name))
        print(table(["clean clip", "icons"], [[clip, str(count)] for clip, count in found]))
        return
    results: list[IconResult] = []
    for case in chosen(options.only, quick=options.quick):
        with tempfile.TemporaryDirectory(dir=options.out) as name:
            clip = draw(case, options.clips, options.icons, Path(name), options.width)
            library = library_of(options.icons)
            search, premium = not options.truth, options.premium
            results.append(measure(clip, Path(name), options.out, search=search, library=library, premium=premium))
        print(case.name, " ".join(f"{score.psnr:.2f}" for score in results[-1].versions.values()), flush=True)
    publish(report(results), results, options.out)


if __name__ == "__main__":
    main()
