"""Erases drawn captions with the worker's own stages and compares with the clean clips.

    python -m bench.erase [--quick] [--premium] [--only NAME] [--standing] [--out build/bench-erase]

Per case: the captioned video untouched, OpenCV's Telea with the true mask, the true box interpolated from its edges,
Normal (with the network of the catalogue, and without) and Premium with what the worker found, and Normal with the true
mask. After these come captions that nothing reveals (``bench.standing``); ``--standing`` runs them alone. Writes
``table.md``, ``results.json`` and a strip of pictures per case. What the columns mean stands in ``bench.scoring``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.baselines import from_edges, smoothly, telea
from bench.captioned_clips import CaptionedClip, draw
from bench.cases import CASES, CORE_CASES, RATE, STANDING_CASES, Case
from bench.scoring import CaseResult, Scorer, Speed
from bench.standing import StandingResult, measure_standing, standing_report
from bench.strips import write_strip
from bench.tables import SPATIAL, WITHOUT_NETWORK, digits, publish, report
from bench.transcode import plain_transcode
from bench.worker import erase_patches, erase_to_video, erase_without_network
from domain.detection import CaptionEvent
from domain.job import EraseSettings, Quality
from gpu_worker.video.masks import encode_mask

#: The text detector takes most of a case's time: a quick run asks it less often.
_QUICK_STRIDE = 4


def true_events(clip: CaptionedClip) -> tuple[CaptionEvent, ...]:
    """Return the drawn captions as events with their true masks; a plate is all mask."""
    events = []
    for index, caption in enumerate(clip.captions):
        box = caption.box
        inside = caption.mask[box.y0 : box.y1, box.x0 : box.x1]
        events.append(
            CaptionEvent(
                index=index,
                start_frame=caption.start,
                end_frame=caption.end,
                start_seconds=caption.start / RATE,
                end_seconds=caption.end / RATE,
                box=box,
                mask_png=encode_mask(inside),
            )
        )
    return tuple(events)


def measure(
    clip: CaptionedClip, folder: Path, pictures: Path, *, premium: bool, is_core: bool, stride: int
) -> CaseResult:
    """Erase and score one case in ``folder``; leave a strip of pictures. ``stride`` as in ``Scorer``."""
    count = len(clip.clean)
    job_seconds = erase_to_video(clip.path, folder / "job", EraseSettings())
    transcode_seconds = plain_transcode(clip.path, folder / "plain.mp4")
    normal = erase_patches(clip.path, folder / "normal", EraseSettings(), found_in=folder / "job")
    without = erase_without_network(clip.path, normal.detection, EraseSettings())
    versions = {
        "untouched": clip.captioned,
        "Telea, true mask": telea(clip.captioned, clip.masks()),
        SPATIAL: smoothly(clip.captioned, clip.masks()),
        "edges, true box": from_edges(
            clip.captioned,
            [[c.box for c in clip.captions if c.start <= index < c.end] for index in range(count)],
        ),
        "Normal": normal.frames,
        WITHOUT_NETWORK: without.frames,
    }
    if premium:
        settings = EraseSettings(quality=Quality.PREMIUM)
        found = erase_patches(clip.path, folder / "premium", settings, found_in=folder / "job")
        versions["Premium"] = found.frames
    versions["Normal, true mask"] = erase_patches(
        clip.path, folder / "true", EraseSettings(), truth=true_events(clip)
    ).frames
    moments = [
        ((caption.start + caption.end) // 2, caption.box.model_copy(update={"x0": 0, "x1": clip.clean[0].width}))
        for caption in clip.captions
    ]
    write_strip(moments, {**versions, "clean": clip.clean}, pictures / f"{clip.case.name}.png")
    scorer = Scorer(clip, [shot.start_frame for shot in normal.detection.shots], without.made_up, stride)
    return CaseResult(
        case=clip.case,
        is_core=is_core,
        versions={name: scorer.version(frames) for name, frames in versions.items()},
        finding=scorer.finding(normal.detection, normal.frames),
        coverage=normal.coverage,
        made_up_share=without.share_of(clip.masks()),
        speed=Speed(
            transcode=count / transcode_seconds,
            job=count / job_seconds,
            detect=count / normal.detect.seconds,
            erase=count / sum(record.seconds for record in normal.erase),
        ),
    )


def chosen(only: str, *, quick: bool) -> list[tuple[int, Case]]:
    """Return cases with their numbers, which seed their captions; quick: the first of each kind."""
    numbered = [(number, case) for number, case in enumerate(CASES) if only in case.file]
    if not quick:
        return numbered
    kinds = dict.fromkeys(case.kind for _, case in numbered)
    return [next(item for item in numbered if item[1].kind == kind) for kind in kinds]


def main() -> None:
    """Run the bench, print its tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/clips/clean"))
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--quick", action="store_true", help="one case of each kind")
    parser.add_argument("--premium", action="store_true")
    parser.add_argument("--only", default="", help="part of a clip's name")
    parser.add_argument("--standing", action="store_true", help="only the captions that nothing reveals")
    parser.add_argument("--out", type=Path, default=Path("build/bench-erase"))
    options = parser.parse_args()
    if not options.clips.is_dir():
        parser.error(f"there are no clean clips at {options.clips}")
    options.out.mkdir(parents=True, exist_ok=True)
    results: list[CaseResult] = []
    standing: list[StandingResult] = []
    for number, case in [] if options.standing else chosen(options.only, quick=options.quick):
        with tempfile.TemporaryDirectory(dir=options.out) as name:
            clip = draw(case, options.clips, Path(name), options.width, seed=number)
            is_core, stride = case in CORE_CASES, _QUICK_STRIDE if options.quick else 1
            results.append(
                measure(clip, Path(name), options.out, premium=options.premium, is_core=is_core, stride=stride)
            )
        print(case.name, " ".join(f"{score.psnr:.2f}" for score in results[-1].versions.values()), flush=True)
    for case in STANDING_CASES[:: 2 if options.quick else 1] if options.premium or options.standing else ():
        if options.only in case.file:
            with tempfile.TemporaryDirectory(dir=options.out) as name:
                clip = draw(case, options.clips, Path(name), options.width, seed=0)
                standing.append(measure_standing(clip, true_events(clip), Path(name), options.out))
            print(case.name, " ".join(digits(s.made_up_psnr, 2) for s in standing[-1].versions.values()), flush=True)
    tables = [*([report(results)] if results else []), *([standing_report(standing)] if standing else [])]
    publish("\n".join(tables), [*results, *standing], options.out)


if __name__ == "__main__":
    main()
