"""Writes a trained network as ONNX, and holds what was written to what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator

from gpu_worker.training.networks import Doubler

_OPSET = 17
_MAX_DIFFERENCE = 1e-4


class ExportError(Exception):
    """Raised when the file does not compute what was trained."""


def export_onnx(trained: Doubler, path: Path) -> None:
    """Write a network: input ``luma`` (N, 1, H, W), output ``doubled`` (N, 1, 2H, 2W), float32, 0-1.

    Raises:
        ExportError: when ONNX's own evaluator gets another result from the file than the trained network gives.
    """
    example = torch.rand(1, 1, 16 * trained.architecture.unshuffle, 12 * trained.architecture.unshuffle)
    torch.onnx.export(
        trained.fused(),
        (example,),
        str(path),
        input_names=["luma"],
        output_names=["doubled"],
        dynamic_axes={
            "luma": {0: "batch", 2: "height", 3: "width"},
            "doubled": {0: "batch", 2: "doubled_height", 3: "doubled_width"},
        },
        opset_version=_OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    with torch.inference_mode():
        expected = trained(example).numpy()
    outputs = ReferenceEvaluator(str(path)).run(["doubled"], {"luma": example.numpy()})
    assert isinstance(outputs, list)
    difference = float(np.abs(np.asarray(outputs[0]) - expected).max())
    if difference > _MAX_DIFFERENCE:
        raise ExportError(f"{path.name} differs from the trained network by {difference:.6f}")
