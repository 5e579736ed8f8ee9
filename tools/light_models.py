"""Give onnx's own `light_*.onnx` models weights that are worth pruning: `python tools/light_models.py FOLDER`.

The onnx wheel ships the graphs of nine classic networks (opset 9, IR 3, initializers listed as inputs) whose large
weights are ConstantOfShape nodes: every value the same, so no check of a pruned model would prove anything. Here each
becomes an initializer of random values, scaled by the fan-in so that signals neither die nor explode.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CONTRACTIONS = ("Conv", "Gemm", "MatMul")
FACTORS = {"BatchNormalization": (1, 4), "Mul": (0, 1)}
"""Inputs that scale: they get values around one."""


def write_light_models(folder: Path) -> Iterator[Path]:
    """Write every light model of the installed onnx with random weights; files that are there already stay."""
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    for path in sorted(source.glob("light_*.onnx")):
        target = folder / path.name
        if not target.is_file():
            model = onnx.load(path)
            give_weights(model, np.random.default_rng(zlib.crc32(path.name.encode())))
            onnx.save(model, target)
        yield target


def give_weights(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Turn every fill of a stored shape into an initializer of random values, in place."""
    graph = model.graph
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    consumers = {name: (node, place) for node in graph.node for place, name in enumerate(node.input)}
    fills = [node for node in graph.node if node.op_type == "ConstantOfShape" and node.input[0] in shapes]
    for fill in fills:
        shape = tuple(int(length) for length in shapes[fill.input[0]])
        node, place = consumers[fill.output[0]]
        values = _values(node, place, shape, rng)
        graph.initializer.append(numpy_helper.from_array(values, fill.output[0]))
        graph.input.append(helper.make_tensor_value_info(fill.output[0], TensorProto.FLOAT, shape))
        graph.node.remove(fill)
    _drop_unused(graph)


def _values(node: onnx.NodeProto, place: int, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    if node.op_type in CONTRACTIONS and place == 1:
        rows_are_inputs = node.op_type != "Conv" and not any(a.name == "transB" and a.i for a in node.attribute)
        fan_in = shape[0] if rows_are_inputs else int(np.prod(shape[1:]))
        return rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
    if place in FACTORS.get(node.op_type, ()):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return rng.normal(0, 0.1, shape).astype(np.float32)


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove the stored shapes that nothing reads any more, from the initializers and from the inputs."""
    used = {name for node in graph.node for name in node.input}
    unused = [tensor for tensor in graph.initializer if tensor.name not in used]
    names = {tensor.name for tensor in unused}
    for tensor in unused:
        graph.initializer.remove(tensor)
    for info in [info for info in graph.input if info.name in names]:
        graph.input.remove(info)


if __name__ == "__main__":
    for written in write_light_models(Path(sys.argv[1])):
        print(written)
