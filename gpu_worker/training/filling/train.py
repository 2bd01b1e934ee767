"""Trains the network that paints what no frame reveals, and writes its ONNX file.

    python -m gpu_worker.training.filling.train --tier small --out build/training

Resumable: a run that is started again with the same arguments goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gpu_worker.fill.filler_interface import INPUTS, OUTPUTS, TRUSTED
from gpu_worker.training.export import export_onnx
from gpu_worker.training.filling.network import FillNetwork
from gpu_worker.training.filling.scenes import FRAMES, SIDE, Scene, make_scene
from gpu_worker.training.learning import Learner, has_bfloat16
from gpu_worker.training.photographs import list_photographs, read_rgb

_CROP = 128
#: A crop with less of the mask than this teaches little.
_LEAST_MASKED = 0.02
_TRIES = 8
#: Photographs whose scenes are only scored on.
_HELD_OUT = 8
#: Weights of the parts of the loss beside the absolute error of luma.
_CHROMA, _GRADIENT, _SPECTRUM, _STEADINESS = 1.0, 1.0, 0.02, 0.5


@dataclass(frozen=True, slots=True)
class Tier:
    """What a tier needs to be trained again: widths as in ``FillNetwork``; scenes are made once, before."""

    widths: tuple[int, int, int, int]
    steps: int
    rate: float
    scenes: int = 1200
    batch: int = 8
    seed: int = 1


TIERS = {
    "small": Tier((32, 64, 96, 128), steps=20_000, rate=8e-4),
    "large": Tier((64, 96, 160, 256), steps=60_000, rate=5e-4, scenes=4000, batch=32),
}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops of scenes, 0-1: luma (N, T, 1, H, W), chroma (N, T, 2, H/2, W/2), mask and confidence (N, 1, H, W).

    ``motion`` (N, 2) is the scenes' step in pixels, right and down.
    """

    clean_luma: Tensor
    clean_chroma: Tensor
    prior_luma: Tensor
    prior_chroma: Tensor
    confidence: Tensor
    mask: Tensor
    motion: Tensor

    @property
    def need(self) -> Tensor:
        """How much of each pixel comes from the network, (N, 1, H, W)."""
        return self.mask * (1 - self.confidence / TRUSTED).clamp(0, 1)


class Batches:
    """Draws crops of scenes around what is masked, mirrored at random; the same ``rng`` gives the same batches."""

    def __init__(self, scenes: Sequence[Scene], size: int, rng: np.random.Generator, device: torch.device) -> None:
        self._scenes = scenes
        self._size = size
        self._rng = rng
        self._device = device

    def draw(self) -> Batch:
        """Return one batch."""
        crops = [
            self._crop(self._scenes[int(number)]) for number in self._rng.integers(len(self._scenes), size=self._size)
        ]
        luma, chroma, prior, prior_chroma, confidence, mask, motion = (
            torch.from_numpy(np.stack(column).astype(np.float32)).to(self._device)
            for column in zip(*crops, strict=True)
        )
        return Batch(luma / 255, chroma / 255, prior / 255, prior_chroma / 255, confidence / 255, mask, motion)

    def _crop(self, scene: Scene) -> tuple[NDArray[Any], ...]:
        for _ in range(_TRIES):
            top, left = (int(value) * 2 for value in self._rng.integers((SIDE - _CROP) // 2 + 1, size=2))
            rows, columns = slice(top, top + _CROP), slice(left, left + _CROP)
            if scene.mask[rows, columns].mean() >= _LEAST_MASKED:
                break
        half = slice(top // 2, (top + _CROP) // 2), slice(left // 2, (left + _CROP) // 2)
        flips = [axis for axis in (-2, -1) if self._rng.integers(2)]
        signs = [-1.0 if -1 in flips else 1.0, -1.0 if -2 in flips else 1.0]

        def cut(plane: NDArray[Any], where: tuple[slice, slice]) -> NDArray[Any]:
            return np.flip(plane[..., where[0], where[1]], tuple(flips))

        full = rows, columns
        return (
            cut(scene.clean[0], full)[:, None],
            np.stack([cut(plane, half) for plane in scene.clean[1:]], axis=1),
            cut(scene.prior[0], full)[:, None],
            np.stack([cut(plane, half) for plane in scene.prior[1:]], axis=1),
            cut(scene.confidence, full)[None],
            cut(scene.mask, full)[None],
            np.array(scene.step) * signs,
        )


def filled_frames(network: FillNetwork, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Return luma and chroma of each frame as production blends them, every frame given the one before."""
    need = batch.need
    chroma_need = functional.max_pool2d(need, 2)
    done: list[tuple[Tensor, Tensor]] = []
    for number in range(FRAMES):
        luma, chroma = batch.prior_luma[:, number], batch.prior_chroma[:, number]
        if done:
            before_luma, known = _moved(done[-1][0], batch.motion)
            before_chroma, _ = _moved(done[-1][1], batch.motion / 2)
            before_chroma = before_chroma * known[..., ::2, ::2]
        else:
            before_luma, before_chroma, known = torch.zeros_like(luma), torch.zeros_like(chroma), torch.zeros_like(luma)
        painted_luma, painted_chroma = network(
            luma, chroma, batch.confidence, batch.mask, before_luma, before_chroma, known
        )
        done.append((luma + need * (painted_luma - luma), chroma + chroma_need * (painted_chroma - chroma)))
    return done


def _moved(plane: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Return what was seen before at each pixel plus the motion (N, 2), 0 outside; and 1 where that was inside."""
    height, width = plane.shape[-2:]
    columns = torch.arange(width, device=plane.device)[None, None, :] + motion[:, 0, None, None]
    rows = torch.arange(height, device=plane.device)[None, :, None] + motion[:, 1, None, None]
    x = (2 * columns / (width - 1) - 1).expand(-1, height, -1)
    y = (2 * rows / (height - 1) - 1).expand(-1, -1, width)
    known = ((x.abs() <= 1) & (y.abs() <= 1)).to(plane.dtype)[:, None]
    grid = torch.stack((x, y), dim=-1)
    return functional.grid_sample(plane, grid, padding_mode="border", align_corners=True) * known, known


def loss_of(batch: Batch, frames: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the loss: absolute error, edges, spectrum, and that what is painted moves as the truth does."""
    need = batch.need
    chroma_need = functional.max_pool2d(need, 2)
    total = need.new_zeros(())
    for number, (luma, chroma) in enumerate(frames):
        error = (luma - batch.clean_luma[:, number]) * need
        colour = (chroma - batch.clean_chroma[:, number]) * chroma_need
        masked = need.sum() + 1
        total = total + error.abs().sum() / masked + _CHROMA * colour.abs().sum() / (2 * chroma_need.sum() + 1)
        edges = error.diff(dim=-1).abs().sum() + error.diff(dim=-2).abs().sum()
        total = total + _GRADIENT * edges / (2 * masked)
        spectrum = torch.fft.rfft2(luma * need).abs() - torch.fft.rfft2(batch.clean_luma[:, number] * need).abs()
        total = total + _SPECTRUM * spectrum.abs().mean()
        if number:
            # The error itself is to stand still: what is wrong and flickers shows most.
            before = (frames[number - 1][0] - batch.clean_luma[:, number - 1]) * need
            moved, known = _moved(before, batch.motion)
            total = total + _STEADINESS * ((error - moved) * known * need).abs().sum() / masked
    return total / len(frames)


def scores(network: FillNetwork, scenes: Sequence[Scene], device: torch.device) -> dict[str, float]:
    """Return luma PSNR in dB under never-revealed masks: of the spatial fill, of the network, and how both flicker."""
    squares = {"spatial": 0.0, "network": 0.0}
    changes = {"spatial": 0.0, "network": 0.0}
    masked = 0.0
    network.eval()
    for scene in scenes:
        batch = _whole(scene, device)
        with torch.inference_mode():
            frames = filled_frames(network, batch)
        need = batch.mask * (batch.confidence == 0)
        for name, lumas in (("spatial", list(batch.prior_luma.unbind(1))), ("network", [luma for luma, _ in frames])):
            errors = [(luma - batch.clean_luma[:, n]) * 255 * need for n, luma in enumerate(lumas)]
            squares[name] += float(sum(error.square().sum() for error in errors[1:]))
            changes[name] += float(
                sum(((b - _moved(a, batch.motion)[0]) * need).abs().sum() for a, b in pairwise(errors))
            )
        masked += float(need.sum()) * (FRAMES - 1)
    network.train()
    result = {name: 10 * np.log10(255**2 / (value / masked)) for name, value in squares.items()}
    return result | {f"{name}_flicker": value / masked for name, value in changes.items()}


def _whole(scene: Scene, device: torch.device) -> Batch:
    def of(planes: NDArray[Any]) -> Tensor:
        return torch.from_numpy(planes.astype(np.float32)).to(device)

    return Batch(
        of(scene.clean[0])[None, :, None] / 255,
        of(np.stack(scene.clean[1:], axis=1))[None] / 255,
        of(scene.prior[0])[None, :, None] / 255,
        of(np.stack(scene.prior[1:], axis=1))[None] / 255,
        of(scene.confidence)[None, None] / 255,
        of(scene.mask)[None, None],
        torch.tensor([scene.step], dtype=torch.float32, device=device),
    )


def make_scenes(pictures: Sequence[NDArray[np.uint8]], count: int, rng: np.random.Generator) -> list[Scene]:
    """Return scenes, pictures taking turns."""
    return [make_scene(pictures[number % len(pictures)], rng) for number in range(count)]


def main() -> None:
    """Train as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", choices=TIERS, required=True)
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/MANIFEST.csv"))
    parser.add_argument("--out", type=Path, default=Path("build/training"))
    parser.add_argument("--steps", type=int, help="other than the tier's")
    parser.add_argument("--scenes", type=int, help="other than the tier's")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop, resumably, after this long")
    parser.add_argument("--every", type=int, default=1000, help="steps from checkpoint to checkpoint")
    options = parser.parse_args()
    tier = TIERS[options.tier]
    tier = replace(tier, steps=options.steps or tier.steps, scenes=options.scenes or tier.scenes)
    folder = options.out / f"fill-{options.tier}"
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(tier.seed)
    learner = Learner(lambda: FillNetwork(tier.widths), tier.rate, tier.steps, device)
    checkpoint = folder / "checkpoint.pt"
    learner.resume(checkpoint)
    pictures = [read_rgb(photograph) for photograph in list_photographs(options.manifest)]
    large = [picture for picture in pictures if min(picture.shape[:2]) >= SIDE + 16]
    shown, held_out = large[_HELD_OUT:], large[:_HELD_OUT]
    scenes = make_scenes(shown, tier.scenes, np.random.default_rng(tier.seed))
    tests = make_scenes(held_out, 3 * _HELD_OUT, np.random.default_rng(0))
    print(json.dumps({"pictures": len(shown), **asdict(tier)}), flush=True)
    # A run that goes on must not see the batches that it began with.
    batches = Batches(scenes, tier.batch, np.random.default_rng([tier.seed, learner.step]), device)

    def next_loss() -> Tensor:
        batch = batches.draw()
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            frames = filled_frames(learner.network, batch)
        return loss_of(batch, [(luma.float(), chroma.float()) for luma, chroma in frames])

    learner.run(
        next_loss,
        lambda: scores(learner.average, tests, device),
        checkpoint,
        every=options.every,
        minutes=options.minutes,
    )
    example = {
        name: torch.rand(1, 2 if name.endswith("chroma") else 1, *((16, 24) if name.endswith("chroma") else (32, 48)))
        for name in INPUTS
    }
    export_onnx(learner.average.cpu(), example, OUTPUTS, folder / f"fill-{options.tier}.onnx")


if __name__ == "__main__":
    main()
