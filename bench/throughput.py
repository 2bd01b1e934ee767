"""Speed and memory of the worker at 720p, beside a plain decode + x264 transcode of the same clip in the same run.

    python -m bench.throughput CLIP [--seconds 10]... [--out build/throughput]

The clip is looped to each asked length (stream copy, no re-encode), then goes through ``python -m gpu_worker``'s erase
and upscale as a child process, whose peak resident memory is taken from the kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import av

from bench.transcode import plain_transcode


def loop(clip: Path, seconds: float, target: Path) -> int:
    """Write ``clip``'s video packets to ``target`` again and again up to ``seconds``; return the number of frames."""
    frames = 0
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
                    frames += 1
                offset += end
                if float(offset * tick) >= seconds:
                    return frames


def run_child(arguments: Sequence[str]) -> tuple[float, float]:
    """Run ``python -m gpu_worker ...``; return (wall seconds, peak resident memory in MB)."""
    started = time.monotonic()
    command = [sys.executable, "-m", "gpu_worker", *arguments]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"gpu_worker {arguments[0]} ended with {child.returncode}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


def measure(clip: Path, seconds: float, out: Path) -> None:
    """Print one table for the clip looped to ``seconds``."""
    source = out / f"{clip.stem}-{seconds:g}s.mp4"
    frames = loop(clip, seconds, source)
    base_seconds = plain_transcode(source, out / "plain.mp4")
    base_fps = frames / base_seconds
    print(f"\n{source.name}: {frames} frames\n")
    print("| what | fps | x plain transcode | peak MB |\n|---|---|---|---|")
    print(f"| plain decode + x264 veryfast | {base_fps:.1f} | 1.00 | |")
    for function in ("erase", "upscale"):
        report = out / f"{function}-report"
        wall, peak = run_child([function, str(source), str(out / f"{function}.mp4"), "--report", str(report)])
        fps = frames / wall
        print(f"| {function}, whole process | {fps:.1f} | {fps / base_fps:.2f} | {peak:.0f} |")
        for stage in json.loads((report / "report.json").read_text())["stages"]:
            stage_fps = stage["frames_per_second"]
            print(f"| {function}: stage {stage['stage']} | {stage_fps:.1f} | {stage_fps / base_fps:.2f} | |")


def main() -> None:
    """Measure each asked length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=float, action="append")
    parser.add_argument("--out", type=Path, default=Path("build/throughput"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seconds in arguments.seconds or [10.0]:
        measure(arguments.clip, seconds, arguments.out)


if __name__ == "__main__":
    main()
