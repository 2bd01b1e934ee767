"""Trains one tier and writes its ONNX file.

    python -m gpu_worker.training.doubling.train --tier fast --out build/training [--degrade --begin-with CHECKPOINT]

Resumable: a run that is started again with the same arguments goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gpu_worker.training.doubling.benchmark import Luma, mean_psnr
from gpu_worker.training.doubling.network import Architecture, Doubler, FusedDoubler
from gpu_worker.training.doubling.pairs import Batches, make_pairs
from gpu_worker.training.export import export_onnx
from gpu_worker.training.learning import Learner, has_bfloat16
from gpu_worker.training.photographs import list_photographs


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


_PREMIUM = Tier(Architecture(1, 64, 20), steps=12_000, rate=8e-4, degraded_steps=2_000, degraded_rate=3e-4)

#: The first three are what two CPU cores learn in 15, 30 and 60 minutes; the last is premium where there is a GPU.
TIERS = {
    "fast": Tier(Architecture(1, 32, 8), steps=24_000, rate=1.5e-3, degraded_steps=6_000, degraded_rate=6e-4),
    "normal": Tier(Architecture(1, 48, 12), steps=16_000, rate=1.2e-3, degraded_steps=4_000, degraded_rate=5e-4),
    "premium": _PREMIUM,
    "premium-gpu": replace(_PREMIUM, steps=100_000, degraded_steps=30_000, batch=64, side=64),
}


def loss_of(learner: Learner[Doubler], batches: Batches) -> Tensor:
    """Return the mean absolute error of the network on the next batch."""
    device = learner.device
    small, large = (torch.from_numpy(array).to(device) for array in batches.draw())
    with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
        doubled = learner.network(small.to(memory_format=torch.channels_last))
    return functional.l1_loss(doubled, large)


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
    torch.manual_seed(tier.seed)
    learner = Learner(lambda: Doubler(tier.architecture), tier.rate, tier.steps, device)
    checkpoint = folder / "checkpoint.pt"
    if not learner.resume(checkpoint) and options.begin_with is not None:
        learner.begin_with(options.begin_with)
    # A run that goes on must not see the batches that it began with.
    rng = np.random.default_rng([tier.seed, learner.step])
    photographs = list_photographs(options.manifest)
    pairs = make_pairs(photographs, degrade=options.degrade, rng=np.random.default_rng(tier.seed))
    print(json.dumps({"photographs": len(photographs), "pairs": len(pairs), **asdict(tier)}), flush=True)
    batches = Batches(pairs, tier.side, tier.batch, rng)
    learner.run(
        lambda: loss_of(learner, batches),
        lambda: {each.name: score_set(learner.average.fused(), each) for each in options.benchmarks},
        checkpoint,
        every=options.every,
        minutes=options.minutes,
    )
    trained = learner.average.cpu().fused()
    side = 12 * tier.architecture.unshuffle
    export_onnx(trained, {"luma": torch.rand(1, 1, side, side + 8)}, ("doubled",), folder / f"upscale-{name}.onnx")


if __name__ == "__main__":
    main()
