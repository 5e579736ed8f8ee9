"""Small networks with readable names for tests: every layer names its node and its weights after itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxprune.model import Model
from onnxprune.tracing import Trace, trace

Array = NDArray[Any]
CLASSES = 4


class Net:
    """A network under construction on an image `x`; each method adds a node and returns the name of its output."""

    def __init__(self, channels: int = 3, side: int = 5, batch: int | str = 2, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.channels = {"x": channels}
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, channels, side, side])
        self.batch = batch

    def store(self, name: str, values: Any) -> str:
        """Add an initializer."""
        self.stored.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, name: str, *shape: int) -> str:
        """Add a random initializer, scaled to keep values near 1."""
        values = self.rng.normal(0, 1 / math.sqrt(max(1, math.prod(shape[1:]))), shape)
        return self.store(name, values.astype(np.float32))

    def node(self, op: str, inputs: Sequence[str], name: str, channels: int = 0, **attributes: Any) -> str:
        """Add a node with one output, called as the node."""
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.channels[name] = channels or self.channels[inputs[0]]
        return name

    def conv(self, name: str, x: str, out: int, kernel: int = 1, group: int = 1, bias: bool = True) -> str:
        """Convolution with padding."""
        w = self.weight(f"{name}.weight", out, self.channels[x] // group, kernel, kernel)
        b = [self.weight(f"{name}.bias", out)] if bias else []
        shape: dict[str, Any] = {"kernel_shape": [kernel] * 2, "pads": [kernel // 2] * 4}
        return self.node("Conv", [x, w, *b], name, out, group=group, **shape)

    def bn(self, name: str, x: str) -> str:
        """Batch normalization with statistics of its own."""
        c = self.channels[x]
        parts = [
            self.store(f"{name}.{part}", self.rng.uniform(0.5, 1.5, c).astype(np.float32))
            for part in ("scale", "bias", "mean", "var")
        ]
        return self.node("BatchNormalization", [x, *parts], name)

    def relu(self, x: str) -> str:
        """Rectifier."""
        return self.node("Relu", [x], f"{x}.relu")

    def head(self, x: str) -> str:
        """Global pooling, flatten, and a fully connected layer `fc`."""
        pooled = self.node("Flatten", [self.node("GlobalAveragePool", [x], "pool")], "flat")
        w = self.weight("fc.weight", CLASSES, self.channels[x])
        return self.node("Gemm", [pooled, w, self.weight("fc.bias", CLASSES)], "fc", CLASSES, transB=1)

    def model(
        self, output: str, shape: Sequence[int | str] | None = None, ir: int = 8, opset: int = 17
    ) -> onnx.ModelProto:
        """Finish the network; the output has `CLASSES` columns unless its shape is given."""
        y = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape or [self.batch, CLASSES])
        graph = helper.make_graph(self.nodes, "net", [self.input], [y], self.stored)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
        onnx.checker.check_model(proto, full_check=True)
        return proto


def plain(seed: int = 0, batch: int | str = 2) -> onnx.ModelProto:
    """conv1 (3x3, 8) - bn1 - relu - conv2 (1x1, 12) - relu - fc (4): two dims, 416 parameters."""
    net = Net(seed=seed, batch=batch)
    x = net.relu(net.bn("bn1", net.conv("conv1", "x", 8, 3)))
    return net.model(net.head(net.relu(net.conv("conv2", x, 12))))


def branchy(seed: int = 0) -> onnx.ModelProto:
    """A residual sum, a depthwise convolution, a concatenation, and a split into unequal parts."""
    net = Net(seed=seed)
    stem = net.relu(net.bn("bn1", net.conv("conv1", "x", 8, 3)))
    block = net.node("Add", [stem, net.conv("conv2", stem, 8, 3)], "sum")
    deep = net.relu(net.conv("depthwise", block, 8, 3, group=8))
    both = net.node("Concat", [deep, net.conv("side", stem, 6)], "concat", 14, axis=1)
    mixed = net.relu(net.conv("mix", both, 12))
    lengths = net.store("lengths", np.array([4, 8], np.int64))
    net.nodes.append(helper.make_node("Split", [mixed, lengths], ["left", "right"], name="split", axis=1))
    net.channels.update(left=4, right=8)
    joined = net.node("Add", [net.conv("from_left", "left", 10), net.conv("from_right", "right", 10)], "joined")
    return net.model(net.head(joined))


def shared_scale(ir: int = 8) -> onnx.ModelProto:
    """Two BatchNormalizations of different dims whose scales are one initializer `ones`."""
    net = Net()
    net.store("ones", np.ones(8, np.float32))
    x = "x"
    for n in (1, 2):
        x = net.conv(f"conv{n}", x, 8, 3)
        parts = [net.weight(f"bn{n}.bias", 8), net.weight(f"bn{n}.mean", 8)]
        var = net.store(f"bn{n}.var", net.rng.uniform(0.5, 1.5, 8).astype(np.float32))
        x = net.relu(net.node("BatchNormalization", [x, "ones", *parts, var], f"bn{n}"))
    proto = net.model(net.head(x))
    proto.ir_version = ir
    if ir < 4:
        proto.graph.input.extend(
            helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in proto.graph.initializer
        )
    return proto


def unprunable() -> onnx.ModelProto:
    """One linear layer between the input and the output: nothing can go."""
    net = Net()
    return net.model(net.head("x"))


def random_net(seed: int, widths: Sequence[int], residual: bool = False, group: int = 1) -> onnx.ModelProto:
    """A chain of convolutions of these widths, the last two optionally a residual block, optionally grouped."""
    net = Net(seed=seed)
    x = "x"
    for n, width in enumerate(widths):
        divides = n and width % group == 0 and net.channels[x] % group == 0
        x = net.relu(net.conv(f"conv{n}", x, width, 1 + 2 * (n % 2), group if divides else 1))
    if residual:
        x = net.node("Add", [x, net.conv("res", x, widths[-1], 3)], "sum")
    return net.model(net.head(x))


def traced(proto: onnx.ModelProto) -> Trace:
    """Trace a model in memory."""
    return trace(Model(proto))


def values(proto: onnx.ModelProto) -> dict[str, Array]:
    """The initializers of a model by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def write(proto: onnx.ModelProto, path: Path) -> Path:
    """Write a model and return the path."""
    path.write_bytes(proto.SerializeToString())
    return path


def edit(proto: onnx.ModelProto, name: str, change: Callable[[Array], Array]) -> onnx.ModelProto:
    """Return a copy in which one initializer is replaced by `change` of its values."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    tensor = next(tensor for tensor in copy.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(tensor))), name))
    return copy


def other_weights(proto: onnx.ModelProto, seed: int = 1) -> onnx.ModelProto:
    """Return another checkpoint: the same names and shapes, other values."""
    rng = np.random.default_rng(seed)
    for name, old in values(proto).items():
        if old.dtype == np.float32:
            proto = edit(proto, name, lambda w: rng.uniform(0.2, 1.2, w.shape).astype(np.float32))
    return proto
