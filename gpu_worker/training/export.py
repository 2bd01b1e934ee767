"""Writes a trained network as ONNX, and compares what both make of the same picture."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from gpu_worker.training.networks import Doubler

_OPSET = 17


def export_onnx(network: Doubler, path: Path) -> None:
    """Write the fused network: input ``luma`` (N, 1, H, W), output ``doubled`` (N, 1, 2H, 2W), float32, 0-1."""
    side = 16 * network.architecture.unshuffle
    torch.onnx.export(
        network,
        (torch.rand(1, 1, side, side),),
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
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
