"""How much of its network's speed the upscale stage keeps: the whole stage beside the network alone in a bare loop.

    python -m bench.stage_speed [--models NAME ...] [--sizes WxH ...] [--rounds 3] [--clip CLIP]

The stage decodes, doubles, and encodes at the default bitrate a part of a moving clip, as a job does. The bare loop
runs the same network on the same luma and does nothing else. Both take turns, since a machine that others share changes
its mind within seconds; of the turns the fastest counts, which is what the machine does when it is left alone. The
processor's time is said as well: its ratio is what the wall clock's would be with every core busy all the time.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

from domain.job import ObjectRef, Stage, UpscaleSettings
from domain.planning import plan_segments
from domain.work_order import WorkOrder
from gpu_worker.inference.session import Device
from gpu_worker.stages.job import StageJob
from gpu_worker.stages.pipeline import run_stage
from gpu_worker.upscaling.upscaler import Network, open_network, upscaler_names
from gpu_worker.video.frame import Plane
from gpu_worker.video.reader import FrameReader
from gpu_worker.video.source import probe_video
from gpu_worker.workspace import LocalWorkspace

#: Film with grain and much motion: every frame is new, and the encoder has work.
_CLIP = Path("../shared/data/clips/clean/tos_action_A.mp4")
_RATE = 25
_SIZES = ("640x360", "1280x720")
_MODELS = ("fast", "normal")
_FEWEST_FRAMES = 12
_BARE_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Turn:
    """What a number of frames took: wall and processor seconds of this process."""

    frames: int
    wall_seconds: float
    cpu_seconds: float

    @property
    def fps(self) -> float:
        """Frames a second of the wall clock."""
        return self.frames / self.wall_seconds

    @property
    def cpu_per_frame(self) -> float:
        """Processor seconds a frame."""
        return self.cpu_seconds / self.frames


def timed(frames: int, work: Callable[[], object]) -> Turn:
    """Run ``work``, which handles ``frames`` frames, and return what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Turn(frames, time.perf_counter() - wall, time.process_time() - cpu)


def moving_clip(clip: Path, size: tuple[int, int], frames: int, target: Path) -> None:
    """Write ``frames`` frames of a clip at ``size`` (width, height): forth, and back again when it ends."""
    with av.open(str(clip)) as container, av.open(str(target), "w") as out:
        pictures = []
        for picture in container.decode(video=0):
            pictures.append(picture.reformat(width=size[0], height=size[1], format="yuv420p"))
            if len(pictures) == frames:
                break
        stream = out.add_stream("libx264", rate=_RATE, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        order = [*pictures, *pictures[-2:0:-1]]
        for index in range(frames):
            picture = order[index % len(order)]
            picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, _RATE), PictureType.NONE
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))


def bare_loop(network: Network, lumas: Sequence[Plane]) -> Turn:
    """Run the network alone on luma that lies ready."""
    batches = [np.asarray(y[None, None] / 255, dtype=np.float32) for y in lumas]

    def loop() -> None:
        for batch in batches:
            network.run(batch)

    return timed(len(batches), loop)


def upscale_job(source: Path, model: str, device: Device, folder: Path) -> StageJob:
    """Return a job that doubles ``source`` and has only its stage Upscale before it."""
    order = WorkOrder(
        job_id=None,
        source=ObjectRef(bucket="", key=str(source.resolve())),
        source_facts=probe_video(source).to_source_facts(),
        upscale=UpscaleSettings(),
    )
    job = StageJob(LocalWorkspace(folder), order, lambda _: None, device=device, upscaler_name=model)
    run_stage(job, Stage.DETECT, 0)
    plan = plan_segments(job.detection())
    job.workspace.write(job.workspace.keys.plan, plan.model_dump_json().encode())
    return job


@contextmanager
def gpu_load(device: Device) -> Iterator[list[float]]:
    """Collect, while the block runs, how busy the GPU was in each fifth of a second, 0-1; nothing without one."""
    samples: list[float] = []
    if not device.is_gpu:
        yield samples
        return
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=200"]
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as monitor:
        try:
            yield samples
        finally:
            monitor.terminate()
            seen, _ = monitor.communicate()
            samples += [int(line) / 100 for line in seen.split()]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a network's bare loop and its stage took in turns.

    ``bare`` has one turn more than ``stage``: before the first, and after each.
    """

    bare: tuple[Turn, ...]
    stage: tuple[Turn, ...]
    gpu_busy: float | None = None

    @property
    def ratio(self) -> float:
        """Return the fastest stage's speed as a share of the fastest bare loop's."""
        return max(turn.fps for turn in self.stage) / max(turn.fps for turn in self.bare)

    @property
    def ratios_in_turn(self) -> tuple[float, ...]:
        """Return the speed of each turn of the stage as a share of that of the loops before and after it."""
        beside = zip(self.stage, pairwise(self.bare), strict=True)
        return tuple(2 * own.fps / (before.fps + after.fps) for own, (before, after) in beside)

    @property
    def processor_ratio(self) -> float:
        """Return the share of the stage's processor time that the network alone takes."""
        return min(turn.cpu_per_frame for turn in self.bare) / min(turn.cpu_per_frame for turn in self.stage)

    def row(self, model: str, size: str) -> str:
        """Return a line of the table."""
        bare, stage = (max(turn.fps for turn in turns) for turns in (self.bare, self.stage))
        each = " ".join(f"{ratio:.2f}" for ratio in self.ratios_in_turn)
        busy = "" if self.gpu_busy is None else f"{self.gpu_busy:.0%}"
        return (
            f"| {model} | {size} | {bare:.2f} | {stage:.2f} | {self.ratio:.3f} | {each} |"
            f" {self.processor_ratio:.3f} | {busy} |"
        )


@dataclass(frozen=True, slots=True)
class Bench:
    """How to measure: a clip to make sources of, the device, and how many turns of about how many seconds."""

    clip: Path
    device: Device
    rounds: int
    turn_seconds: float

    def compare(self, model: str, size: tuple[int, int]) -> Comparison:
        """Let a network's bare loop and its stage take turns on pictures of ``size`` (width, height)."""
        network = open_network(model, self.device)
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "source.mp4"
            moving_clip(self.clip, size, _BARE_FRAMES, source)
            lumas = [frame.y.copy() for frame in FrameReader(source, probe_video(source)).frames()]
            bare_loop(network, lumas)  # the first runs also make the network's plan
            frames = max(_FEWEST_FRAMES, round(bare_loop(network, lumas).fps * self.turn_seconds))
            moving_clip(self.clip, size, frames, source)
            bare, stage, busy = [bare_loop(network, lumas)], [], []
            for turn in range(self.rounds):
                job = upscale_job(source, model, self.device, Path(name) / str(turn))
                with gpu_load(self.device) as load:
                    stage.append(timed(frames, partial(run_stage, job, Stage.UPSCALE, 0)))
                busy += load
                bare.append(bare_loop(network, lumas))
        return Comparison(tuple(bare), tuple(stage), sum(busy) / len(busy) if busy else None)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=[name for name in _MODELS if name in upscaler_names()])
    parser.add_argument("--sizes", nargs="+", default=_SIZES, metavar="WxH")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one turn of the stage")
    parser.add_argument("--clip", type=Path, default=_CLIP)
    parser.add_argument("--device", choices=[device.value for device in Device], default=Device.CPU.value)
    options = parser.parse_args()
    if not options.clip.is_file():
        parser.error(f"there is no clip {options.clip}; give one with --clip")
    bench = Bench(options.clip, Device(options.device), options.rounds, options.seconds)
    print("| network | input | bare fps | stage fps | ratio | of each turn | ratio of processor time | GPU busy |")
    print("|---|---|---|---|---|---|---|---|")
    for model in options.models:
        for size in options.sizes:
            width, height = (int(side) for side in size.split("x"))
            print(bench.compare(model, (width, height)).row(Path(model).name, size), flush=True)


if __name__ == "__main__":
    main()
