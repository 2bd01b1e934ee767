"""Small networks made on the spot: what a user's own file may hold."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def write_doubler(
    path: Path,
    *,
    unshuffle: int = 1,
    enlarges: int = 2,
    gain: float = 1.0,
    side=None,
    ring: float = 0.02,
    channels: int = 1,
):
    """Write a network that repeats each pixel, adds ``ring`` of its neighbours' difference, and unshuffles first."""
    pixels, out = unshuffle**2, enlarges * unshuffle
    weight = np.zeros((out * out, channels * pixels, 3, 3), np.float32)
    for row in range(out):
        for column in range(out):
            source = (row // enlarges) * unshuffle + column // enlarges
            weight[row * out + column, source, 1, 1] = gain
            weight[row * out + column, source, 0, 2] = ring
            weight[row * out + column, source, 2, 0] = -ring
    nodes = [helper.make_node("Conv", ["small", "weight"], ["features"], pads=[1, 1, 1, 1])]
    if unshuffle > 1:
        # ONNX has no unshuffle in the order of DepthToSpace's CRD mode; a strided convolution picks the pixels.
        pick = np.zeros((pixels, 1, unshuffle, unshuffle), np.float32)
        for place in range(pixels):
            pick[place, 0, place // unshuffle, place % unshuffle] = 1
        nodes.insert(0, helper.make_node("Conv", ["luma", "pick"], ["small"], strides=[unshuffle, unshuffle]))
    initializers = [numpy_helper.from_array(weight, "weight")]
    if unshuffle > 1:
        initializers.append(numpy_helper.from_array(pick, "pick"))
    else:
        nodes[0].input[0] = "luma"
    nodes.append(helper.make_node("DepthToSpace", ["features"], ["doubled"], blocksize=out, mode="CRD"))
    sides = (side, side) if side else ("height", "width")
    graph = helper.make_graph(
        nodes,
        "doubler",
        [helper.make_tensor_value_info("luma", TensorProto.FLOAT, ["batch", channels, *sides])],
        [helper.make_tensor_value_info("doubled", TensorProto.FLOAT, None)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path
