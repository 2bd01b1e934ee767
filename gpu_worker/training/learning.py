"""What every training run does at each step: rate along a half cosine, clipped gradients, a running average."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

_WARM_UP_STEPS = 200
_AVERAGING = 0.999
_MAX_GRADIENT = 1.0

Network = TypeVar("Network", bound=nn.Module)


def has_bfloat16(device: torch.device) -> bool:
    """Tell whether the device computes in bfloat16 rather than imitates it.

    With channels last, two such cores took 26 ms for a step of the smallest upscaler that had taken 72.
    """
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("avx512_bf16"))


class Learner(Generic[Network]):
    """The state of one run: ``network``, its running ``average``, optimiser, ``step``.

    Args:
        build: makes the network; called twice.
        rate: learning rate after the first 200 steps, from where it falls along a half cosine.
        steps: of the whole run.
    """

    def __init__(self, build: Callable[[], Network], rate: float, steps: int, device: torch.device) -> None:
        self.network = build().to(device, memory_format=torch.channels_last)
        self.average = build().to(device)
        self.average.load_state_dict(self.network.state_dict())
        self.device = device
        self.step = 0
        self._optimiser = torch.optim.Adam(self.network.parameters(), rate, betas=(0.9, 0.99))
        self._peak = rate
        self._steps = steps

    @property
    def is_done(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self._steps

    def learn(self, loss: Tensor) -> float:
        """Take one step down a loss of ``network``; return the loss."""
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(self.network.parameters(), _MAX_GRADIENT)
        self._optimiser.step()
        self.step += 1
        keep = min(_AVERAGING, self.step / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)
        return float(loss.detach())

    def run(
        self,
        next_loss: Callable[[], Tensor],
        score: Callable[[], Mapping[str, float]],
        checkpoint: Path,
        *,
        every: int,
        minutes: float,
    ) -> None:
        """Go on to the last step, or until the time given is over; leave a checkpoint and print how it goes.

        Args:
            next_loss: of ``network`` on the next batch.
            score: figures of ``average`` for the log.
            checkpoint: file that is written every so many steps and at the end.
            every: steps from checkpoint to checkpoint.
            minutes: after which the run stops, resumably.
        """
        begun, losses = time.monotonic(), []
        while not self.is_done and time.monotonic() - begun < minutes * 60:
            losses.append(self.learn(next_loss()))
            if self.step % every == 0 or self.is_done:
                self.save(checkpoint)
                line = {"step": self.step, "seconds": round(time.monotonic() - begun), "loss": np.mean(losses)}
                print(json.dumps(line | dict(score()), default=float), flush=True)
                losses.clear()
        self.save(checkpoint)

    def _rate(self) -> float:
        done = self.step / self._steps
        warm = min(1.0, (self.step + 1) / _WARM_UP_STEPS)
        return float(self._peak * warm * 0.5 * (1 + np.cos(np.pi * min(1.0, done))) + 1e-7)

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece."""
        unfinished = path.with_suffix(".part")
        state = {"network": self.network.state_dict(), "average": self.average.state_dict(), "step": self.step}
        torch.save(state | {"optimiser": self._optimiser.state_dict()}, unfinished)
        unfinished.replace(path)

    def resume(self, path: Path) -> bool:
        """Go on from a checkpoint if there is one; tell whether there was."""
        if not path.exists():
            return False
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
        return True

    def begin_with(self, path: Path) -> None:
        """Start from another run's averaged weights: those of its checkpoint, or of the ONNX file it ended with.

        Layers that it had not are zero, which changes nothing where they are added to what goes through.
        """
        known = _exported(path) if path.suffix == ".onnx" else torch.load(path, weights_only=True)["average"]
        weights = {name: known.get(name, torch.zeros_like(each)) for name, each in self.average.state_dict().items()}
        if lost := known.keys() - weights.keys():
            raise ValueError(f"{path.name} has weights that this network lacks: {', '.join(sorted(lost))}")
        self.network.load_state_dict(weights)
        self.average.load_state_dict(weights)


def _exported(path: Path) -> dict[str, Tensor]:
    """Return the weights of an ONNX file by their names in the network that it was exported from."""
    weights = onnx.load(path).graph.initializer
    return {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in weights}
