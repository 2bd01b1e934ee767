"""Networks in half precision, for GPUs: the layers that take the time are converted, the picture itself is not.

Half precision has eleven bits near white, too few for a luma of ten: what goes in, what comes out and what touches
either stays float32. The layers between, whose sum is only the detail that is added, lose nothing that shows.
onnxruntime's own converter rounds what goes in, whatever is told to stay.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

#: A convolution of fewer channels reads the picture itself, and costs next to nothing.
_FEW_CHANNELS = 8
#: What follows a convolution in its precision.
_ACTIVATIONS = frozenset({"LeakyRelu", "Relu", "PRelu"})


def with_half_body(model: bytes) -> bytes:
    """Return an ONNX file whose inner convolutions are float16; inputs and outputs stay float32."""
    network = onnx.load_from_string(model)
    converter = _Converter(network.graph)
    nodes = [made for node in network.graph.node for made in converter.convert(node)]
    del network.graph.node[:]
    network.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [item for item in network.graph.initializer if item.name in used]
    del network.graph.initializer[:]
    network.graph.initializer.extend([*kept, *converter.half_weights.values()])
    # Types that the exporter noted for what lies between are no longer true.
    del network.graph.value_info[:]
    onnx.checker.check_model(network, full_check=True)
    converted: bytes = network.SerializeToString()
    return converted


class _Converter:
    """Takes the nodes of a graph in their order, and remembers which values are float16 by then."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._weights = {item.name: item for item in graph.initializer}
        self._outputs = {item.name for item in graph.output}
        self._half: set[str] = set()
        self._cast: dict[tuple[str, int], str] = {}
        self.half_weights: dict[str, onnx.TensorProto] = {}

    def convert(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the node, and before it the casts that it needs."""
        is_half = self._becomes_half(node)
        casts: list[onnx.NodeProto] = []
        for place, name in enumerate(node.input):
            if name in self._weights:
                if is_half:
                    node.input[place] = self._half_weight(name)
            elif name and is_half != (name in self._half):
                node.input[place] = self._as_type(name, TensorProto.FLOAT16 if is_half else TensorProto.FLOAT, casts)
        if is_half:
            self._half.update(node.output)
        return [*casts, node]

    def _becomes_half(self, node: onnx.NodeProto) -> bool:
        if self._outputs.intersection(node.output):
            return False
        if node.op_type in _ACTIVATIONS:
            return node.input[0] in self._half
        weight = self._weights.get(node.input[1]) if node.op_type == "Conv" else None
        return weight is not None and weight.data_type == TensorProto.FLOAT and weight.dims[1] >= _FEW_CHANNELS

    def _half_weight(self, name: str) -> str:
        half = f"{name}.half"
        values = numpy_helper.to_array(self._weights[name]).astype(np.float16)
        self.half_weights[half] = numpy_helper.from_array(values, half)
        return half

    def _as_type(self, name: str, to: int, casts: list[onnx.NodeProto]) -> str:
        cast = self._cast.get((name, to))
        if cast is None:
            cast = self._cast[name, to] = f"{name}.{'half' if to == TensorProto.FLOAT16 else 'single'}"
            casts.append(helper.make_node("Cast", [name], [cast], name=f"cast {cast}", to=to))
        return cast
