"""Writes a trained network as ONNX, and holds what was written to what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

_OPSET = 17
_MAX_DIFFERENCE = 1e-4


class ExportError(Exception):
    """Raised when the file does not compute what was trained."""


def export_onnx(network: nn.Module, example: Mapping[str, Tensor], outputs: tuple[str, ...], path: Path) -> None:
    """Write a network whose inputs and outputs are pictures (N, C, H, W) of any batch size, height and width.

    Args:
        network: takes the examples in their order.
        example: inputs by name.
        outputs: their names.
        path: of the file.

    Raises:
        ExportError: when ONNX's own evaluator gets another result from the file than the network gives.
    """
    network.eval()
    axes = {name: {0: "batch", 2: f"{name}_height", 3: f"{name}_width"} for name in (*example, *outputs)}
    torch.onnx.export(
        network,
        tuple(example.values()),
        str(path),
        input_names=list(example),
        output_names=list(outputs),
        dynamic_axes=axes,
        opset_version=_OPSET,
        dynamo=False,
    )
    onnx.checker.check_model(onnx.load(path), full_check=True)
    with torch.inference_mode():
        expected = network(*example.values())
    results = ReferenceEvaluator(str(path)).run(list(outputs), {name: each.numpy() for name, each in example.items()})
    assert isinstance(results, list)
    for name, result, wanted in zip(
        outputs, results, expected if isinstance(expected, tuple) else (expected,), strict=True
    ):
        difference = float(np.abs(np.asarray(result) - wanted.numpy()).max())
        if difference > _MAX_DIFFERENCE:
            raise ExportError(f"{path.name}: {name} differs from the trained network's by {difference:.6f}")
