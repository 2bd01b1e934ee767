"""Speed and memory of the worker beside a plain decode + x264 transcode of the same clip in the same run.

    python -m bench.throughput [--clip CLIP | --icons] [--seconds 20]... [--out build/throughput]

Without a clip, one is made at 720p and one at 1080p that has captions on screen half the time, and is erased; with
``--icons``, two are made at 720p that have a station's logo in a corner all the time, opaque and translucent, while the
picture behind it moves, cuts and stands still. A given one is looped to each asked length, erased and enlarged. All
goes through ``python -m gpu_worker`` as a child process; peak memory is its own and that of all that it starts.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from time import process_time

import av
import cv2
import numpy as np

from bench.captioned_clips import encode, frames_of, overlay_of, with_overlay
from bench.cases import RATE, STYLES, can_draw
from bench.child import Cost, run
from bench.icon_cases import Logo
from bench.icon_clips import corner_overlay
from bench.transcode import plain_transcode
from gpu_worker.video.frame import Frame

#: A static camera with traffic: 720p, and 23 s long.
_CLEAN_CLIP = Path("../shared/data/clips/clean/static_traffic_day.mp4")
_SIZES = ((1280, 720), (1920, 1080))
#: What a logo stands over: an animation with cuts, fast hands before a camera that stands still, grass; all 720p.
_CLIPS_BEHIND_LOGOS = ("bbb_anim_open.webm", "cups_hands_fast.mp4", "juggle_park.mp4")
_LOGO_FILE = Path("../shared/data/icons/tv/italy__fox-plus-it.png")
_LOGOS = (Logo(_LOGO_FILE.name), Logo(_LOGO_FILE.name, opacity=0.6))
#: Captions and pauses of this length in turn: on screen half the time.
_CAPTION_FRAMES = 2 * RATE


def half_captioned(size: tuple[int, int], seconds: float, target: Path) -> None:
    """Write the clean clip at ``size`` (width, height) with captions on screen half of ``seconds``."""
    overlays = [overlay_of(*size, style) for style in STYLES if can_draw(style)]

    def frames() -> Iterator[Frame]:
        for frame in frames_of(_CLEAN_CLIP, 0, round(seconds * RATE), size[0]):
            full = _enlarged(frame, size)
            period, position = divmod(frame.index, 2 * _CAPTION_FRAMES)
            is_on = position >= _CAPTION_FRAMES
            yield with_overlay(full, overlays[period % len(overlays)], 1.0)[0] if is_on else full

    encode(frames(), size, target)


def with_logo(logo: Logo, seconds: float, target: Path) -> None:
    """Write the clips behind logos at 720p one after the other, up to ``seconds``, with a logo in a corner."""
    size = _SIZES[0]
    overlay = corner_overlay(logo, _LOGO_FILE.parent, size)

    def frames() -> Iterator[Frame]:
        wanted = round(seconds * RATE)
        clips = chain.from_iterable(
            frames_of(_CLEAN_CLIP.parent / name, 0, wanted, size[0]) for name in _CLIPS_BEHIND_LOGOS
        )
        for index, frame in enumerate(islice(clips, wanted)):
            yield replace(with_overlay(frame, overlay, logo.opacity)[0], index=index)

    encode(frames(), size, target)


def _enlarged(frame: Frame, size: tuple[int, int]) -> Frame:
    if (frame.width, frame.height) == size:
        return frame
    half = (size[0] // 2, size[1] // 2)
    y, u, v = (
        np.asarray(cv2.resize(plane, wanted, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
        for plane, wanted in ((frame.y, size), (frame.u, half), (frame.v, half))
    )
    return replace(frame, y=y, u=u, v=v)


def loop(clip: Path, seconds: float, target: Path) -> None:
    """Write ``clip``'s video packets to ``target`` again and again up to ``seconds``."""
    with av.open(str(target), "w") as out:
        stream = None
        offset = 0
        while True:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                end = 0
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None or packet.time_base is None:
                        continue
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    tick = packet.time_base
                    out.mux(packet)
                offset += end
                if float(offset * tick) >= seconds:
                    return


def run_child(arguments: Sequence[str]) -> Cost:
    """Run ``python -m gpu_worker ...`` to its end."""
    return run([sys.executable, "-m", "gpu_worker", *arguments])


def _plain(source: Path, target: Path) -> Cost:
    started = process_time()
    wall_seconds = plain_transcode(source, target)
    return Cost(wall_seconds, process_time() - started)


def measure(source: Path, functions: Sequence[tuple[str, ...]], out: Path) -> None:
    """Print one table for a video; each of ``functions`` is a command of the worker with its options."""
    frames, rate = _frames_and_rate(source)
    print(f"\n{source.name}: {frames} frames\n")
    print(
        "| what | fps | x plain transcode | processor time x its | x real time | peak MB |\n|---|---|---|---|---|---|"
    )
    for function in functions:
        report = out / f"{function[0]}-report"
        # Before and after: a machine that others share changes its mind within minutes.
        before = _plain(source, out / "plain.mp4")
        job = run_child(
            [function[0], str(source), str(out / f"{function[0]}.mp4"), *function[1:], "--report", str(report)]
        )
        after = _plain(source, out / "plain.mp4")
        base = Cost((before.wall_seconds + after.wall_seconds) / 2, (before.cpu_seconds + after.cpu_seconds) / 2)
        stages: dict[str, float] = {}
        for entry in json.loads((report / "report.json").read_text())["stages"]:
            stages[entry["stage"]] = stages.get(entry["stage"], 0.0) + entry["seconds"]
        name = " ".join(function)
        costs = [
            ("plain decode + x264 veryfast", base.wall_seconds, "1.00", ""),
            (
                f"{name}, whole process",
                job.wall_seconds,
                f"{job.cpu_seconds / base.cpu_seconds:.2f}",
                f"{job.peak_megabytes:.0f}",
            ),
            (f"{name}, all stages", sum(stages.values()), "", ""),
            *((f"{name}: stage {stage}", seconds, "", "") for stage, seconds in stages.items()),
        ]
        for what, seconds, cpu, memory in costs:
            fps, speed = frames / seconds, base.wall_seconds / seconds
            print(f"| {what} | {fps:.1f} | {speed:.2f} | {cpu} | {fps / rate:.1f} | {memory} |", flush=True)


def _frames_and_rate(path: Path) -> tuple[int, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = sum(packet.dts is not None for packet in container.demux(stream))
        return frames, float(stream.average_rate or Fraction(RATE))


def main() -> None:
    """Measure the made clips, or each asked length of a given one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--icons", action="store_true", help="made clips with a logo instead of captions")
    parser.add_argument("--seconds", type=float, action="append")
    parser.add_argument("--quality", choices=["normal", "premium"], default="normal")
    parser.add_argument("--out", type=Path, default=Path("build/throughput"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    erase = ("erase", "--quality", arguments.quality)
    for seconds in arguments.seconds or [20.0]:
        if arguments.clip is not None:
            source = arguments.out / f"{arguments.clip.stem}-{seconds:g}s.mp4"
            loop(arguments.clip, seconds, source)
            measure(source, [erase, ("upscale",)], arguments.out)
            continue
        if not _CLEAN_CLIP.is_file():
            parser.error(f"there is no clean clip {_CLEAN_CLIP}; give one with --clip")
        if arguments.icons:
            for logo in _LOGOS:
                source = arguments.out / f"logo-{round(100 * logo.opacity)}-720p-{seconds:g}s.mp4"
                with_logo(logo, seconds, source)
                measure(source, [(*erase, "--icons")], arguments.out)
            continue
        for size in _SIZES:
            source = arguments.out / f"half-captioned-{size[1]}p-{seconds:g}s.mp4"
            half_captioned(size, seconds, source)
            measure(source, [erase], arguments.out)


if __name__ == "__main__":
    main()
