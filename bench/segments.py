"""A long clip through the service with one worker and with two: the same video, and how much sooner.

    python -m bench.segments [--minutes 10] [--width 512] [--quality premium] [--upscale] [--out build/bench-segments]

The clip is made of shots of clean clips, in turn and over again, with a caption in each, as dialogue has them. Both
runs cut it into the same pieces, and each worker has one core, as if it were a machine; what differs is how many work
at a time: what a second machine brings. Every decoded picture and its time are compared. Widths are best those of which
9/16 are a multiple of 16, as at 512: at other heights the libx264 of PyAV 18 (core 165) reads memory that it has not
written, and its macroblock tree makes two slightly different videos of the same pictures.

Finding captions and joining the pieces are one machine's work however many there are: how much of the whole that is, is
told beside the result.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import av
import cv2
import numpy as np

from bench.captioned_clips import encode, frames_of, overlay_of, with_overlay
from bench.cases import RATE, STYLES, can_draw
from domain.job import Quality
from gpu_worker.video.frame import Frame
from local.client import ApiClient
from local.one_job import Wishes, take_through
from local.service import Service, ServiceOptions

_CLIPS = Path("../shared/data/clips/clean")
_SHOT_SECONDS = 10


@dataclass(frozen=True)
class Run:
    """One run: how many pieces at a time, seconds from submission to result, and what came out.

    ``piece_seconds`` are those of all stages on pieces together, by the worker's own clock.
    """

    workers: int
    seconds: float
    piece_seconds: float
    segments: int
    frames: int
    pictures_sha256: str


def draw_long_clip(minutes: float, width: int, target: Path) -> None:
    """Write a clip of many shots, each captioned from its second second on."""
    size = (width, width * 9 // 16 // 2 * 2)
    overlays = [overlay_of(*size, style) for style in STYLES if can_draw(style)]
    clips = itertools.cycle(sorted(_CLIPS.glob("*.mp4")))

    def frames() -> Iterator[Frame]:
        written = 0
        for shot in range(round(minutes * 60 / _SHOT_SECONDS)):
            # Clips shorter than a shot are played over and over, which is a cut of its own each time.
            clip = next(clips)
            once = functools.partial(frames_of, clip, 0, _SHOT_SECONDS * RATE, width)
            again = itertools.chain.from_iterable(once() for _ in itertools.count())
            for position, frame in enumerate(itertools.islice(again, _SHOT_SECONDS * RATE)):
                sized = replace(_sized(frame, size), index=written, pts=written)
                overlay = overlays[shot % len(overlays)]
                yield with_overlay(sized, overlay, 1.0)[0] if position >= RATE else sized
                written += 1

    encode(frames(), size, target)


def _sized(frame: Frame, size: tuple[int, int]) -> Frame:
    half = (size[0] // 2, size[1] // 2)
    y, u, v = (
        np.asarray(cv2.resize(plane, wanted, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for plane, wanted in ((frame.y, size), (frame.u, half), (frame.v, half))
    )
    return replace(frame, y=y, u=u, v=v)


def run(clip: Path, workers: int, out: Path, *, quality: str, upscale: bool) -> Run:
    """Take the clip through a service of its own."""
    locks = out / "cores"
    locks.mkdir(parents=True, exist_ok=True)
    worker = (sys.executable, "-m", "bench.one_core", str(locks.resolve()))
    wishes = Wishes(clip, out / "result", erase={"quality": quality}, upscale={} if upscale else None)
    with Service(ServiceOptions(out / "service", batch_slots=workers, worker_entry_point=worker)) as service:
        started = perf_counter()
        take_through(ApiClient(service.api_url, service.access_key), wishes)
        seconds = perf_counter() - started
    report = json.loads((wishes.out / "report.json").read_text(encoding="utf-8"))
    on_pieces = [part for part in report["stages"] if part["stage"] in {"erase", "upscale"}]
    segments = len({part["segment"] for part in on_pieces})
    frames, digest = _pictures(wishes.out / "video.mp4")
    return Run(workers, seconds, sum(part["seconds"] for part in on_pieces), segments, frames, digest)


def _apart(clip: Path, workers: int, out: Path, *, quality: str, upscale: bool) -> Run:
    """Run in a process of its own: the local AWS keeps what it holds as long as its process lives."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, clip, workers, out, quality=quality, upscale=upscale).result()


def _pictures(video: Path) -> tuple[int, str]:
    """Return how many pictures a video has, and the digest of them and their times."""
    digest, count = hashlib.sha256(), 0
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            digest.update(str(Fraction(frame.pts) * frame.time_base).encode())
            digest.update(frame.to_ndarray().tobytes())
            count += 1
    return count, digest.hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Make the clip, run it with one worker and with two, compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.segments", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--quality", choices=[quality.value for quality in Quality], default=Quality.PREMIUM.value)
    parser.add_argument("--upscale", action="store_true", help="double the size as well (slow on a CPU)")
    parser.add_argument("--out", type=Path, default=Path("build/bench-segments"))
    options = parser.parse_args(arguments)
    if not _CLIPS.is_dir():
        print(f"there is no {_CLIPS}: the clips are not part of the repository", file=sys.stderr)
        return 2
    options.out.mkdir(parents=True, exist_ok=True)
    clip = options.out / f"dialogue-{options.minutes:g}min-{options.width}.mp4"
    if not clip.exists():
        part = clip.with_suffix(".part.mp4")
        draw_long_clip(options.minutes, options.width, part)
        part.rename(clip)
    wanted = {"quality": options.quality, "upscale": options.upscale}
    one, two = (_apart(clip, workers, options.out / f"workers-{workers}", **wanted) for workers in (1, 2))
    (options.out / "runs.json").write_text(json.dumps([asdict(one), asdict(two)], indent=2), encoding="utf-8")
    is_same = (one.frames, one.pictures_sha256) == (two.frames, two.pictures_sha256)
    print(f"{clip.name}, erase in quality {options.quality}{', then doubled' if options.upscale else ''};")
    print("one worker on one core, then two workers on a core each: what a second machine brings")
    for each in (one, two):
        print(f"{each.workers} at a time: {each.seconds:7.1f} s, {each.segments} segments, {each.frames} frames")
    around = 1 - one.piece_seconds / one.seconds
    print(f"with one worker {around:.0%} of the time goes into finding, joining and starting: the rest is shared out")
    print(
        f"{one.seconds / two.seconds:.2f} times as fast; the pictures are {'the same' if is_same else 'NOT the same'}"
    )
    return 0 if is_same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
