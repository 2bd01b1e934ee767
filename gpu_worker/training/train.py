"""Trains one tier and writes its ONNX file.

    python -m gpu_worker.training.train --tier fast --out build/training [--degrade --begin-with CHECKPOINT]

Resumable: a run that is started again with the same arguments goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from gpu_worker.training.benchmark import Luma, mean_psnr
from gpu_worker.training.export import export_onnx
from gpu_worker.training.networks import Architecture, Doubler, FusedDoubler
from gpu_worker.training.pairs import Batches, make_pairs
from gpu_worker.training.photographs import list_photographs

_WARM_UP_STEPS = 200
_AVERAGING = 0.999
_MAX_GRADIENT = 1.0


@dataclass(frozen=True, slots=True)
class Tier:
    """What a tier needs to be trained again. ``side`` is that of a small crop; the rate falls along a half cosine.

    First come ``steps`` on clean pairs, at ``rate`` in the beginning; from there ``degraded_steps`` on degraded ones.
    """

    architecture: Architecture
    steps: int
    rate: float
    degraded_steps: int
    degraded_rate: float
    batch: int = 16
    side: int = 48
    seed: int = 1


_PREMIUM = Tier(Architecture(1, 64, 20), steps=12_000, rate=8e-4, degraded_steps=3_000, degraded_rate=3e-4)

#: The first three are what two CPU cores learn in 15, 30 and 60 minutes; the last is premium where there is a GPU.
TIERS = {
    "fast": Tier(Architecture(1, 32, 8), steps=24_000, rate=1.5e-3, degraded_steps=6_000, degraded_rate=6e-4),
    "normal": Tier(Architecture(1, 48, 12), steps=16_000, rate=1.2e-3, degraded_steps=4_000, degraded_rate=5e-4),
    "premium": _PREMIUM,
    "premium-gpu": replace(_PREMIUM, steps=100_000, degraded_steps=30_000, batch=64, side=64),
}


class Trainer:
    """The state of one run: network, its running average, optimiser, step."""

    def __init__(self, tier: Tier, device: torch.device) -> None:
        torch.manual_seed(tier.seed)
        self.tier = tier
        self.device = device
        self.network = Doubler(tier.architecture).to(device, memory_format=torch.channels_last)
        self.average = Doubler(tier.architecture).to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.Adam(self.network.parameters(), tier.rate, betas=(0.9, 0.99))
        self.step = 0

    def learn(self, small: Tensor, large: Tensor) -> Tensor:
        """Take one step; return the mean absolute error before it."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        # With channels last, two cores that know bfloat16 took 26 ms for a step that had taken 72.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=_has_bfloat16(self.device)):
            doubled = self.network(small.to(memory_format=torch.channels_last))
        loss = functional.l1_loss(doubled, large)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(self.network.parameters(), _MAX_GRADIENT)
        self.optimiser.step()
        self.step += 1
        keep = min(_AVERAGING, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)
        return loss.detach()

    def _rate(self) -> float:
        done = self.step / self.tier.steps
        warm = min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        return float(self.tier.rate * warm * 0.5 * (1 + np.cos(np.pi * min(1.0, done))) + 1e-7)

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece."""
        unfinished = path.with_suffix(".part")
        state = {"network": self.network.state_dict(), "average": self.average.state_dict(), "step": self.step}
        torch.save(state | {"optimiser": self.optimiser.state_dict()}, unfinished)
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.begin_with(path)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])

    def begin_with(self, path: Path) -> None:
        """Start from another run's averaged weights."""
        weights = torch.load(path, map_location=self.device, weights_only=True)["average"]
        self.network.load_state_dict(weights)
        self.average.load_state_dict(weights)


def _has_bfloat16(device: torch.device) -> bool:
    """Tell whether the device computes in bfloat16 rather than imitates it."""
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def train(trainer: Trainer, batches: Batches, options: argparse.Namespace, folder: Path) -> None:
    """Run to the last step, or until the time given is over; leave checkpoints and a log."""
    begun, losses = time.monotonic(), []
    while trainer.step < trainer.tier.steps and time.monotonic() - begun < options.minutes * 60:
        small, large = (torch.from_numpy(array).to(trainer.device) for array in batches.draw())
        losses.append(float(trainer.learn(small, large)))
        if trainer.step % options.every == 0 or trainer.step == trainer.tier.steps:
            trainer.save(folder / "checkpoint.pt")
            scores = {each.name: score_set(trainer.average.fused(), each) for each in options.benchmarks}
            line = {"step": trainer.step, "seconds": round(time.monotonic() - begun), "loss": np.mean(losses), **scores}
            print(json.dumps(line, default=float), flush=True)
            with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line, default=float) + "\n")
            losses.clear()
    trainer.save(folder / "checkpoint.pt")


def score_set(network: FusedDoubler, folder: Path) -> float:
    """Return a network's mean over a folder."""
    device = next(network.parameters()).device
    side = network.architecture.unshuffle

    def double(small: Luma) -> Luma:
        height, width = small.shape
        padded = np.pad(small / 255, ((0, -height % side), (0, -width % side)), mode="edge")
        with torch.inference_mode():
            picture = torch.from_numpy(padded.astype(np.float32))[None, None].to(device)
            doubled = network(picture)[0, 0].cpu().numpy()
        return np.asarray(doubled[: 2 * height, : 2 * width] * 255.0, dtype=np.float64)

    return mean_psnr(double, folder)


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", choices=TIERS, required=True)
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/MANIFEST.csv"))
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    parser.add_argument(
        "--degrade", action="store_true", help="for shipped weights; without it, for the benchmark table"
    )
    parser.add_argument("--begin-with", type=Path, help="checkpoint of another run of the same tier")
    parser.add_argument("--steps", type=int, help="other than the tier's")
    parser.add_argument("--rate", type=float, help="other than the tier's")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop, resumably, after this long")
    parser.add_argument("--every", type=int, default=2000, help="steps from checkpoint to checkpoint")
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="folders of pictures to score on")
    options = parser.parse_args()
    tier = TIERS[options.tier]
    steps, rate = (tier.degraded_steps, tier.degraded_rate) if options.degrade else (tier.steps, tier.rate)
    tier = replace(tier, steps=options.steps or steps, rate=options.rate or rate)
    name = options.tier if options.degrade else f"{options.tier}-clean"
    folder = options.out / name
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trainer = Trainer(tier, device)
    if (folder / "checkpoint.pt").exists():
        trainer.load(folder / "checkpoint.pt")
    elif options.begin_with is not None:
        trainer.begin_with(options.begin_with)
    # A run that goes on must not see the batches that it began with.
    rng = np.random.default_rng([tier.seed, trainer.step])
    photographs = list_photographs(options.manifest)
    pairs = make_pairs(photographs, degrade=options.degrade, rng=np.random.default_rng(tier.seed))
    print(json.dumps({"photographs": len(photographs), "pairs": len(pairs), **asdict(tier)}), flush=True)
    train(trainer, Batches(pairs, tier.side, tier.batch, rng), options, folder)
    export_onnx(trainer.average.cpu(), folder / f"upscale-{name}.onnx")


if __name__ == "__main__":
    main()
