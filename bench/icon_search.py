"""Only looks for drawn logos, on many more composites than ``bench.icons`` erases: every clip with every behaviour.

    python -m bench.icon_search [--half look|judge] [--only NAME] [--out build/bench-icon-search]

Logos, places, opacities, compression and parts of the clips are drawn by lot, from one seed for each half: rules are
made by what one half shows, and judged by the other. Clips are drawn once and kept. ``--real`` lists what is found in
clips that come without drawn logos instead: clean ones have none, captioned ones hardly any.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from bench.icon_cases import CASES, CORNERS, IconCase, Logo
from bench.icon_clips import draw
from bench.icon_finding import Match, match_of
from bench.icons import library_of
from bench.tables import table
from domain.detection import IconBehaviour, IconTrack
from domain.icon import IconMediaType
from domain.job import IconKind
from gpu_worker.icons.finder import IconFinder
from gpu_worker.icons.library import LibraryEntry, library_entry, platform_marks
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video

#: How what is behind moves: of every clean clip, a span of frames in which it does so, and which of the bench's kinds.
BACKGROUNDS = (
    ("moving", "drone_beach_pan.mp4", 0, 1900),
    ("moving", "lofoten_person.mp4", 0, 100),
    ("moving", "cups_hands_fast.mp4", 0, 300),
    ("moving", "juggle_park.mp4", 0, 240),
    ("moving", "dark_indoor_dog.mp4", 0, 145),
    ("moving", "bbb_anim_open.webm", 40, 280),
    ("cuts", "tos_action_A.mp4", 0, 285),
    ("cuts", "bbb_anim_open.webm", 230, 600),
    ("cuts", "nasa_dark_480x270.mp4", 60, 380),
    ("static", "static_bottles_conveyor.mp4", 0, 1100),
    ("static", "static_traffic_day.mp4", 0, 570),
    ("static", "static_person_walkin.mp4", 0, 150),
    ("static", "flower_timelapse.mp4", 0, 150),
    ("static", "chaplin_bw.mp4", 40, 240),
)
_SEEDS = {"look": 11, "judge": 12}
_MOST_FRAMES = 180
_WIDTH = 640


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What became of one composite: how its tracks fit, what they do, and how many frames a second were looked at."""

    name: str
    case: IconCase
    match: Match
    behaviours: tuple[str, ...]
    frames_per_second: float


def cases_of(half: str, logos: list[str]) -> Iterator[tuple[str, IconCase]]:
    """Yield names and cases of one half: every background with every behaviour."""
    lot = Random(_SEEDS[half])  # noqa: S311 - the same lot each time
    for kind, file, first, end in BACKGROUNDS:
        for behaviour in IconBehaviour:
            frames = min(_MOST_FRAMES, end - first)
            start = lot.randrange(first, end - frames + 1)
            logo = Logo(
                lot.choice(logos),
                lot.choice((1.0, 1.0, 0.6, 0.3)),
                behaviour,
                lot.choice(CORNERS),
                lot.choice((0.08, 0.1, 0.12, 0.14)),
            )
            case = IconCase(kind, file, start, frames, logo, lot.choice((18, 20, 23, 28)))
            yield f"{half}-{case.name}", case


def found_in(path: Path, library: tuple[LibraryEntry, ...]) -> tuple[tuple[IconTrack, ...], float]:
    """Return the icons of a video, and how many of its frames were looked at in a second."""
    facts = probe_video(path)
    reader = FrameReader(path, facts)
    begin, first_pts, count = time.monotonic(), None, 0
    finder = IconFinder(facts, tuple(IconKind), lambda: FrameReader(path, facts).frames(), library=library)
    for frame in reader.frames():
        first_pts = frame.pts if first_pts is None else first_pts
        finder.process_frame(frame, float((frame.pts - first_pts) * facts.time_base))
        count += 1
    return finder.flush(), count / (time.monotonic() - begin)


def search(name: str, case: IconCase, clips: Path, icons: Path, out: Path) -> SearchResult:
    """Look for the logo of one composite, which is drawn unless it is there."""
    folder = out / "clips" / name
    truth = folder / "track.json"
    path = folder / f"{case.name}.mp4"
    if not truth.exists():
        folder.mkdir(parents=True, exist_ok=True)
        clip = draw(case, clips, icons, folder, _WIDTH)
        truth.write_text(clip.track.model_dump_json())
    library = _entries_of(icons) if case.kind == "static" else ()
    tracks, speed = found_in(path, library + platform_marks())
    facts = probe_video(path)
    like = [np.zeros((facts.height, facts.width), dtype=bool)] * case.frames
    match = match_of(IconTrack.model_validate_json(truth.read_text()), like, tracks)
    return SearchResult(name, case, match, tuple(str(track.behaviour) for track in tracks), speed)


def _entries_of(icons: Path) -> tuple[LibraryEntry, ...]:
    return tuple(
        library_entry(icon.name, icon.kind, Path(icon.picture.key).read_bytes())
        for icon in library_of(icons)
        if icon.media_type is IconMediaType.PNG
    )


def report(results: list[SearchResult]) -> str:
    """Return the tables of a run: recall and precision by background, and by behaviour."""
    groups = [(kind, [r for r in results if r.case.kind == kind]) for kind in ("moving", "cuts", "static")]
    groups += [("moving or cuts", [r for r in results if r.case.kind != "static"])]
    for behaviour in IconBehaviour:
        alike = [r for r in results if r.case.logo.behaviour is behaviour]
        groups.append((f"{behaviour}, moving or cuts", [r for r in alike if r.case.kind != "static"]))
        groups.append((f"{behaviour}, static", [r for r in alike if r.case.kind == "static"]))
    return table(
        ["composites", "count", "recall", "precision", "worst frame error"],
        [_group_row(name, chosen) for name, chosen in groups if chosen],
    )


def _group_row(name: str, results: list[SearchResult]) -> list[str]:
    found = sum(r.match.is_found for r in results)
    false = sum(r.match.false_tracks for r in results)
    errors = [r.match.frame_error for r in results if r.match.frame_error is not None]
    return [
        name,
        str(len(results)),
        f"{found / len(results):.2f}",
        f"{found / max(1, found + false):.2f}",
        str(max(errors, default="-")),
    ]


def real(folders: list[Path], only: str) -> str:
    """Return a table of what is found in clips without drawn logos, those whose name has ``only`` in it."""
    rows = []
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.is_file() and only in path.name):
        tracks, speed = found_in(path, platform_marks())
        rows.append([path.name, str(len(tracks)), "; ".join(map(_told, tracks)), f"{speed:.0f}"])
        print(*rows[-1], flush=True)
    return table(["clip", "icons", "which", "frames a second"], rows)


def _told(track: IconTrack) -> str:
    place = track.places[0]
    mark = track.marks[place.mark]
    return (
        f"{track.behaviour} {mark.width}x{mark.height}+{place.x}+{place.y} frames {place.start_frame}-"
        f"{track.places[-1].end_frame} in {len(track.places)} places, {track.confidence:.2f}"
    )


def main() -> None:
    """Run the bench, print its tables and write them down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, default=Path("../shared/data/clips/clean"))
    parser.add_argument("--captioned", type=Path, default=Path("../shared/data/clips/captioned"))
    parser.add_argument("--icons", type=Path, default=Path("../shared/data/icons"))
    parser.add_argument("--half", choices=[*_SEEDS, "bench"], default="look", help="bench: the cases of bench.icons")
    parser.add_argument("--only", default="", help="part of a case's or a clip's name")
    parser.add_argument("--real", action="store_true", help="clips as they are, clean and captioned")
    parser.add_argument("--out", type=Path, default=Path("build/bench-icon-search"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.real:
        text = real([options.clips, options.captioned], options.only)
    else:
        logos = sorted(f"tv/{path.name}" for path in (options.icons / "tv").glob("*.png"))
        named = [(case.name, case) for case in CASES] if options.half == "bench" else cases_of(options.half, logos)
        results = []
        for name, case in named:
            if options.only in name:
                results.append(search(name, case, options.clips, options.icons, options.out))
                match = results[-1].match
                print(
                    f"{'ok  ' if match.is_found else 'MISS'} {match.overlap:.2f} false {match.false_tracks}",
                    f"error {match.frame_error} {results[-1].frames_per_second:.0f} fps",
                    name,
                    Path(case.logo.file).stem,
                    *results[-1].behaviours,
                    flush=True,
                )
        text = report(results)
    (options.out / f"{'real' if options.real else options.half}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
