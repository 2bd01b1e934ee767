"""Puts every sample file through the worker and prints a table: what came out, or the one line that said why not.

    python tests/media/formats_table.py [--function upscale|erase] [FOLDER]

``erase`` takes only the MP4 files, as the service does. Exit code 1 where a file ended in anything but a sound video or
a typed error.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "functions"), str(Path(__file__).parent)]

from rendered import audio_bytes, look  # noqa: E402

from gpu_worker.video.reader import FrameReader  # noqa: E402
from gpu_worker.video.source import probe_video  # noqa: E402

_TIMEOUT_SECONDS = 600


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--function", choices=["upscale", "erase"], default="upscale")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "formats")
    options = parser.parse_args()
    sys.stdout.write("| file | outcome | frames | pts | audio | seconds |\n|---|---|---|---|---|---|\n")
    failures = 0
    for path in sorted(options.folder.iterdir()):
        if options.function == "erase" and path.suffix.lower() != ".mp4":
            continue
        row, is_sound = _row(path, options.function)
        failures += not is_sound
        sys.stdout.write(f"| {path.name} | {' | '.join(row)} |\n")
        sys.stdout.flush()
    return 1 if failures else 0


def _row(path: Path, function: str) -> tuple[list[str], bool]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mp4"
        worker = subprocess.run(
            [sys.executable, "-m", "gpu_worker", function, str(path), str(out)],
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'functions'}", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        seconds = f"{time.monotonic() - started:.1f}"
        if worker.returncode == 2 and worker.stderr.count("\n") == 1 and not out.exists():
            return [worker.stderr.strip(), "", "", "", seconds], True
        if worker.returncode != 0:
            return [f"exit {worker.returncode}: {worker.stderr.strip()[-200:]}", "", "", "", seconds], False
        after, audio = look(out), _audio_verdict(path, out)
        facts = probe_video(path)
        times = [float(frame.pts * frame.time_base) for frame in FrameReader(path, facts).frames()]
    shift = times[0] - float(after.seconds[0])
    same_count = len(times) == len(after.seconds)
    drift = max(abs(a - shift - float(b)) for a, b in zip(times, after.seconds, strict=False))
    found = " (nothing found)" if "no caption" in worker.stdout else ""
    row = [
        f"{after.size[0]}x{after.size[1]}{found}",
        f"{len(times)} -> {len(after.seconds)}",
        "equal" if drift < 1e-6 else f"{drift * 1000:.2f} ms off",
        audio,
        seconds,
    ]
    return row, same_count and drift < 1e-6


def _audio_verdict(source: Path, result: Path) -> str:
    before, after = audio_bytes(source), audio_bytes(result)
    if not before:
        return "none"
    if [data for _, data in before] == [data for _, data in after]:
        return "bytes identical"
    return f"{'+'.join(codec for codec, _ in before)} -> {'+'.join(codec for codec, _ in after) or 'dropped'}"


if __name__ == "__main__":
    sys.exit(main())
