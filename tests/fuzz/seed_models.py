"""The models that mutations start from: small, valid, and each of a kind of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import onnx
from graphs import Graph
from networks import branchy, plain
from onnx import numpy_helper, parser
from quantized_graphs import QuantizedGraph

from onnxprune.model import Model
from onnxprune.sparse_storage import to_sparse

CORPUS = Path(__file__).parent / "corpus"
EXPORTED = "exported"
"""The folder of the corpus with models as exporters write them; the others hold what once went wrong."""


def attention() -> onnx.ModelProto:
    """One head of attention with a residual sum and a normalization, then a hidden layer; the length is open."""
    g = Graph()
    x = g.linear(g.input("batch", "length", 8), 8)
    q, k, v = (g.linear(x, 8) for _ in range(3))
    scores = g.add("Softmax", g.add("MatMul", q, g.transpose(k, 0, 2, 1)), axis=-1)
    total = g.add("Add", x, g.linear(g.add("MatMul", scores, v), 8))
    normal = g.add("LayerNormalization", total, g.positive(8), g.weight(8), axis=-1)
    g.output(g.linear(g.add("Relu", g.linear(normal, 12)), 3))
    return g.model()


def sizes_in_the_graph() -> onnx.ModelProto:
    """A flatten whose target is computed from Shape, a split with stored lengths, and a squeeze-excite gate."""
    g = Graph()
    x = g.squeeze_excite(g.add("Relu", g.conv(g.image(), 8, 3)), 4)
    left, right = g.split(x, 4, 4)
    x = g.add("Concat", right, left, axis=1)
    target = g.add("Concat", g.size_of(x, 0), g.ints(-1), axis=0)
    g.output(g.gemm(g.add("Reshape", x, target), 3))
    return g.model()


def quantized() -> onnx.ModelProto:
    """Convolutions between pairs of QuantizeLinear and DequantizeLinear, and one of integers."""
    g = QuantizedGraph(dtype=np.int8)
    x = g.qdq_conv(g.rounded(g.image()), 8, 3)
    x = g.qlinear_conv(g.quantize(g.add("Relu", x)), 8, 6)
    g.output(g.conv(g.dequantize(x), 2))
    return g.model()


def recurrent() -> onnx.ModelProto:
    """A linear layer, an LSTM and a GRU over a sequence, and a last layer."""
    g = Graph()
    x = g.linear(g.input(5, 2, 3), 4)
    y = g.nodes_of("LSTM", [x, g.weight(1, 24, 4), g.weight(1, 24, 6), g.weight(1, 48)], 3, hidden_size=6)[0]
    x = g.reshape(y, 5, 2, 6)
    y = g.nodes_of("GRU", [x, g.weight(1, 12, 6), g.weight(1, 12, 4)], 1, hidden_size=4)[0]
    g.output(g.linear(g.reshape(y, 5, 2, 4), 2))
    return g.model()


def half_precision() -> onnx.ModelProto:
    """Two convolutions and a pooling in float16."""
    proto = plain()
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    return proto


def control_flow() -> onnx.ModelProto:
    """An If whose branches read from outside, and a Loop that carries and stacks."""
    text = """<ir_version: 8, opset_import: ["" : 17]>
    g (float[N, 4] x) => (float[N, 4] y, float[T, N, 4] steps) {
        left = MatMul (x, w1)
        total = ReduceSum <keepdims = 0> (left)
        condition = Greater (total, zero)
        chosen = If (condition) <
            then_branch = yes () => (float[N, 6] a) { a = Mul (left, scale) },
            else_branch = no () => (float[N, 6] c) { d = Sub (left, scale)  c = Relu (d) }
        >
        carried, steps = Loop (three, , x) <
            body = step (int64 i, bool go, float[N, 4] s) => (bool again, float[N, 4] t, float[N, 4] u) {
                again = Identity (go)
                r = MatMul (s, w3)
                t = Add (s, r)
                u = Relu (t)
            }
        >
        narrow = MatMul (chosen, w2)
        y = Add (narrow, carried)
    }
    """
    numbers = {"zero": np.float32(0), "scale": np.float32(0.5), "three": np.int64(3)}
    return _with_weights(parser.parse_model(text), numbers, w1=(4, 6), w2=(6, 4), w3=(4, 4))


def functions() -> onnx.ModelProto:
    """Two functions of the model's own, one of which calls the other."""
    text = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    g (float[N, 4] x) => (float[N, 3] y) {
        a = own.layer (x, w1)
        b = own.layer (a, w2)
        y = MatMul (b, w3)
    }
    <domain: "own", opset_import: ["" : 17, "own" : 1]>
    layer (x, w) => (y) { a = MatMul (x, w)  y = own.gate (a) }
    <domain: "own", opset_import: ["" : 17]>
    gate (x) => (y) { s = Sigmoid (x)  y = Mul (x, s) }
    """
    return _with_weights(parser.parse_model(text), {}, w1=(4, 8), w2=(8, 6), w3=(6, 3))


def sparse() -> onnx.ModelProto:
    """A network of mostly zeros, stored sparse."""
    proto = plain()
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if values.ndim > 1:
            values[np.abs(values) < np.quantile(np.abs(values), 0.8)] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return to_sparse(Model(proto)).model.proto


def external() -> onnx.ModelProto:
    """A network whose weights lie in the file `DATA` beside it; see `data_of`."""
    proto, _ = _moved_outside()
    return proto


DATA = "weights.bin"


@cache
def data_of_external() -> bytes:
    """Return the content of the file beside `external`."""
    return _moved_outside()[1]


def _moved_outside() -> tuple[onnx.ModelProto, bytes]:
    proto, data = plain(), b""
    for tensor in proto.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, DATA, len(data), len(tensor.raw_data))
        data += tensor.raw_data
        tensor.ClearField("raw_data")
    return proto, data


def _with_weights(proto: onnx.ModelProto, numbers: dict[str, np.ndarray], **shapes: tuple[int, ...]) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    stored = {**numbers, **weights}
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in stored.items())
    return proto


def models_in(folder: Path, megabytes: float = 3) -> dict[str, Callable[[], onnx.ModelProto]]:
    """Return the models in a folder, up to some size, as seed models."""
    paths = [path for path in sorted(folder.glob("*.onnx")) if path.stat().st_size <= megabytes * 2**20]
    return {path.stem: cache(partial(onnx.load, path, load_external_data=False)) for path in paths}


SEEDS: dict[str, Callable[[], onnx.ModelProto]] = {
    make.__name__: cache(make)
    for make in (
        plain,
        branchy,
        attention,
        sizes_in_the_graph,
        quantized,
        recurrent,
        half_precision,
        control_flow,
        functions,
        sparse,
        external,
    )
} | models_in(CORPUS / EXPORTED)
"""Name -> what makes the model; made once, so it has to be copied before it is changed."""
