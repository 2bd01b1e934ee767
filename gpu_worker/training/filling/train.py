"""Trains the network that paints what no frame reveals, and writes its ONNX file.

    python -m gpu_worker.training.filling.train --tier small --out build/training [--finish --begin-with FILE]

``--finish`` goes on from weights of an earlier run, with errors squared more, since few large ones show most.
Resumable: a run that is started again with the same arguments goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
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
from gpu_worker.fill.windows import CHROMA_BLEED
from gpu_worker.training.export import export_onnx
from gpu_worker.training.filling.network import FillNetwork
from gpu_worker.training.filling.scenes import FRAMES, SIDE, Scene, make_scene
from gpu_worker.training.learning import Learner, has_bfloat16
from gpu_worker.training.photographs import list_clips, list_photographs, read_rgb, read_stills

#: Sides of crops, one drawn for each batch: large holes need more around them. Batches hold as many pixels each.
_CROPS = (128, 192)
#: A crop with less of the mask than this teaches little, one with more shows too little of what is around.
_LEAST_MASKED, _MOST_MASKED = 0.03, 0.5
_TRIES = 8
#: Photographs and clips whose scenes are only scored on: the first of those, and these of the others.
_HELD_OUT = 8
_HELD_OUT_CLIPS = frozenset({"asl_again", "max_basketball"})
#: Frames of each clip that scenes are made from.
_STILLS = 4
#: Weights of the parts of the loss beside the absolute error of luma.
_CHROMA, _GRADIENT, _STEADINESS = 0.3, 0.3, 0.5
#: Errors well below this are not seen.
_UNSEEN = 1.5 / 255


@dataclass(frozen=True, slots=True)
class Tier:
    """What a tier needs to be trained again: widths as in ``FillNetwork``; scenes are made once, before.

    The first ``single_share`` of the steps fill single frames, which takes a third of the time; then neighbouring ones,
    each given the one before.
    """

    widths: tuple[int, int, int, int]
    steps: int
    rate: float
    scenes: int = 3000
    batch: int = 16
    single_share: float = 0.85
    seed: int = 1
    square: float = 1.0
    spectrum: float = 0.1

    def finishing(self) -> Tier:
        """Return the run that goes on from this one's weights: other scenes, a lower rate, large errors count more."""
        return replace(self, rate=self.rate / 2, single_share=0.95, seed=self.seed + 1, square=3.0, spectrum=0.03)


#: What a CPU core learns in two hours, and what takes a GPU.
TIERS = {
    "small": Tier((32, 64, 96, 128), steps=12_000, rate=1e-3),
    "large": Tier((64, 96, 160, 256), steps=100_000, rate=6e-4, scenes=8000, batch=32),
}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops of scenes, 0-1: luma (N, T, 1, H, W), chroma (N, T, 2, H/2, W/2), mask and confidence (N, 1, H, W).

    ``chroma_mask`` is (N, 1, H/2, W/2). ``motion`` (N, 2) is the scenes' step in pixels, right and down.
    """

    clean_luma: Tensor
    clean_chroma: Tensor
    prior_luma: Tensor
    prior_chroma: Tensor
    confidence: Tensor
    mask: Tensor
    chroma_mask: Tensor
    motion: Tensor

    @property
    def need(self) -> Tensor:
        """How much of each pixel comes from the network, (N, 1, H, W)."""
        return self.mask * (1 - self.confidence / TRUSTED).clamp(0, 1)

    @property
    def chroma_need(self) -> Tensor:
        """The same of each chroma sample, (N, 1, H/2, W/2): colour that bled out of the mask is as unknown."""
        side, reach = 4 * CHROMA_BLEED + 1, 2 * CHROMA_BLEED
        rows = functional.max_pool2d(self.need, (side, 1), (2, 1), (reach, 0))
        return functional.max_pool2d(rows, (1, side), (1, 2), (0, reach)) * self.chroma_mask


class Batches:
    """Draws crops of scenes around what is masked, mirrored at random; the same ``rng`` gives the same batches.

    ``size`` is the number of the smallest crops in a batch.
    """

    def __init__(self, scenes: Sequence[Scene], size: int, rng: np.random.Generator, device: torch.device) -> None:
        self._scenes = scenes
        self._size = size
        self._rng = rng
        self._device = device

    def draw(self, frames: int) -> Batch:
        """Return one batch of so many neighbouring frames."""
        side = int(self._rng.choice(_CROPS))
        numbers = self._rng.integers(len(self._scenes), size=max(1, round(self._size * (_CROPS[0] / side) ** 2)))
        crops = [self._crop(self._scenes[int(number)], frames, side) for number in numbers]
        luma, chroma, prior, prior_chroma, confidence, mask, chroma_mask, motion = (
            torch.from_numpy(np.stack(column).astype(np.float32)).to(self._device)
            for column in zip(*crops, strict=True)
        )
        return Batch(
            luma / 255, chroma / 255, prior / 255, prior_chroma / 255, confidence / 255, mask, chroma_mask, motion
        )

    def _crop(self, scene: Scene, frames: int, side: int) -> tuple[NDArray[Any], ...]:
        for _ in range(_TRIES):
            top, left = (int(value) * 2 for value in self._rng.integers((SIDE - side) // 2 + 1, size=2))
            rows, columns = slice(top, top + side), slice(left, left + side)
            if _LEAST_MASKED <= scene.mask[rows, columns].mean() <= _MOST_MASKED:
                break
        half = slice(top // 2, (top + side) // 2), slice(left // 2, (left + side) // 2)
        flips = [axis for axis in (-2, -1) if self._rng.integers(2)]
        first = int(self._rng.integers(FRAMES - frames + 1))
        shown = slice(first, first + frames)
        signs = [-1.0 if -1 in flips else 1.0, -1.0 if -2 in flips else 1.0]

        def cut(plane: NDArray[Any], where: tuple[slice, slice]) -> NDArray[Any]:
            return np.flip(plane[..., where[0], where[1]], tuple(flips))

        full = rows, columns
        return (
            cut(scene.clean[0][shown], full)[:, None],
            np.stack([cut(plane[shown], half) for plane in scene.clean[1:]], axis=1),
            cut(scene.prior[0][shown], full)[:, None],
            np.stack([cut(plane[shown], half) for plane in scene.prior[1:]], axis=1),
            cut(scene.confidence, full)[None],
            cut(scene.mask, full)[None],
            cut(scene.chroma_mask, half)[None],
            np.array(scene.step) * signs,
        )


def filled_frames(network: FillNetwork, batch: Batch) -> list[tuple[Tensor, Tensor]]:
    """Return luma and chroma of each frame as production blends them, every frame given the one before."""
    need, chroma_need = batch.need, batch.chroma_need
    done: list[tuple[Tensor, Tensor]] = []
    for number in range(batch.prior_luma.shape[1]):
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


def loss_of(batch: Batch, frames: Sequence[tuple[Tensor, Tensor]], tier: Tier) -> Tensor:
    """Return the loss: error and its square, edges, spectrum, and that what is painted moves as the truth does.

    All is relative to how far the spatial fill is off in the same crop: what is wrong in a clear sky shows more than
    what is wrong in leaves, and would count for nothing beside it.
    """
    need, chroma_need = batch.need, batch.chroma_need
    area, chroma_area = _sum(need) + 1, 2 * _sum(chroma_need) + 1
    total = need.new_zeros(())
    for number, (luma, chroma) in enumerate(frames):
        truth = batch.clean_luma[:, number]
        scale = _scale(batch.prior_luma[:, number] - truth, need, area)
        error = (luma - truth) * need * scale
        colour = batch.clean_chroma[:, number]
        chroma_scale = _scale(batch.prior_chroma[:, number] - colour, chroma_need, chroma_area)
        chroma_error = (chroma - colour) * chroma_need * chroma_scale
        edges = _sum(error.diff(dim=-1).abs()) + _sum(error.diff(dim=-2).abs())
        spectrum = torch.fft.rfft2(luma * need, norm="ortho").abs() - torch.fft.rfft2(truth * need, norm="ortho").abs()
        each = (
            (_sum(error.abs()) + tier.square * _sum(error.square()) + _GRADIENT * edges) / area
            + _CHROMA * (_sum(chroma_error.abs()) + tier.square * _sum(chroma_error.square())) / chroma_area
            + tier.spectrum * _sum(spectrum.abs() * scale) / area
        )
        if number:
            # The error itself is to stand still: what is wrong and flickers shows most.
            before = (frames[number - 1][0] - batch.clean_luma[:, number - 1]) * need * scale
            moved, known = _moved(before, batch.motion)
            each = each + _STEADINESS * _sum(((error - moved) * known * need).abs()) / area
        total = total + each.mean()
    return total / len(frames)


def _sum(values: Tensor) -> Tensor:
    """Return the sum of each of N, shaped to be multiplied with planes."""
    return values.sum(dim=(1, 2, 3), keepdim=True)


def _scale(error: Tensor, need: Tensor, area: Tensor) -> Tensor:
    """Return by what the errors of each of N are multiplied to be relative to those of the spatial fill."""
    return 1 / (_sum((error * need).square() / area).sqrt() + _UNSEEN)


def scores(network: FillNetwork, scenes: Sequence[Scene], device: torch.device) -> dict[str, float]:
    """Return the mean over scenes of luma PSNR in dB where nothing was revealed, and of the flicker there.

    Both for the spatial fill, and for the network: of single frames, and of those that are given the one before.
    """
    figures: dict[str, list[float]] = {}
    network.eval()
    for scene in scenes:
        batch = _whole(scene, device)
        need = batch.mask * (batch.confidence == 0)
        masked = float(need.sum())
        if masked == 0:
            continue
        with torch.inference_mode():
            filled = [luma for luma, _ in filled_frames(network, batch)]
        versions = {
            "spatial": list(batch.prior_luma.unbind(1))[1:],
            "network": filled[:1],
            "network, going on": filled[1:],
        }
        for name, lumas in versions.items():
            truths = batch.clean_luma.unbind(1)[-len(lumas) :] if len(lumas) > 1 else batch.clean_luma.unbind(1)[:1]
            errors = [(luma - truth) * 255 * need for luma, truth in zip(lumas, truths, strict=True)]
            square = sum(float(error.square().sum()) for error in errors) / len(errors) / masked
            figures.setdefault(name, []).append(float(10 * np.log10(255**2 / max(square, 1e-3))))
            for one, other in pairwise(errors):
                flicker = float(((other - _moved(one, batch.motion)[0]) * need).abs().sum()) / masked
                figures.setdefault(f"{name}: flicker", []).append(flicker)
    network.train()
    return {name: float(np.mean(values)) for name, values in figures.items()}


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
        of(scene.chroma_mask)[None, None],
        torch.tensor([scene.step], dtype=torch.float32, device=device),
    )


def _pictures(manifest: Path) -> tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]]:
    """Return what is learnt from and what is held out: photographs, and frames of clips."""
    clips = list_clips(manifest)
    photographs = [read_rgb(photograph) for photograph in list_photographs(manifest)]
    large = [picture for picture in photographs if min(picture.shape[:2]) >= SIDE + 16]
    shown, held_out = large[_HELD_OUT:], large[:_HELD_OUT]
    for clip in clips:
        (held_out if clip.path.stem in _HELD_OUT_CLIPS else shown).extend(read_stills(clip, _STILLS))
    return shown, held_out


def make_scenes(pictures: Sequence[NDArray[np.uint8]], count: int, seed: int) -> list[Scene]:
    """Return scenes, pictures taking turns; each one depends on the seed and its number alone."""

    def scene(number: int) -> Scene:
        return make_scene(pictures[number % len(pictures)], np.random.default_rng((seed, number)))

    with ThreadPoolExecutor() as pool:
        return list(pool.map(scene, range(count)))


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
    parser.add_argument("--finish", action="store_true", help="go on from the weights of an earlier run")
    parser.add_argument("--begin-with", type=Path, help="that run's checkpoint, or the ONNX file it ended with")
    options = parser.parse_args()
    if options.finish != (options.begin_with is not None):
        parser.error("--finish goes with --begin-with")
    tier = TIERS[options.tier].finishing() if options.finish else TIERS[options.tier]
    tier = replace(tier, steps=options.steps or tier.steps, scenes=options.scenes or tier.scenes)
    folder = options.out / f"fill-{options.tier}{'-finished' if options.finish else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(tier.seed)
    learner = Learner(lambda: FillNetwork(tier.widths), tier.rate, tier.steps, device)
    checkpoint = folder / "checkpoint.pt"
    if not learner.resume(checkpoint) and options.begin_with is not None:
        learner.begin_with(options.begin_with)
    shown, held_out = _pictures(options.manifest)
    scenes = make_scenes(shown, tier.scenes, tier.seed)
    tests = make_scenes(held_out, 3 * len(held_out), 0)
    print(json.dumps({"pictures": len(shown), **asdict(tier)}), flush=True)
    # A run that goes on must not see the batches that it began with.
    batches = Batches(scenes, tier.batch, np.random.default_rng([tier.seed, learner.step]), device)

    def next_loss() -> Tensor:
        batch = batches.draw(1 if learner.step < tier.single_share * tier.steps else FRAMES)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device)):
            frames = filled_frames(learner.network, batch)
        return loss_of(batch, [(luma.float(), chroma.float()) for luma, chroma in frames], tier)

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
