"""Write a decoder transformer of any size with random weights, streamed to disk: for tests of large models.

    python tools/make_large_model.py OUT.onnx --size 8GB [--width 2048] [--vocabulary 32000]

The graph is what exporters make of a language model: an embedding, blocks of attention and a gated MLP with root mean
square norms, and a head. Its weights are float32, in one file beside it, OUT.onnx.data. Memory stays near one matrix.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.progress import track

from onnxprune.options import size

HEAD = 64
LEAST_BLOCKS = 8
ALIGNMENT = 4096
ROWS = 1 << 10
"""Rows of a matrix that are drawn at a time."""


class Decoder:
    """The graph of a decoder, and the shapes of its weights."""

    def __init__(self, width: int, blocks: int, vocabulary: int) -> None:
        self.width, self.blocks, self.vocabulary = width, blocks, vocabulary
        self.nodes: list[onnx.NodeProto] = []
        self.small: list[onnx.TensorProto] = []
        self.shapes: dict[str, tuple[int, ...]] = {}

    def node(self, op_type: str, inputs: list[str], name: str, **attributes: object) -> str:
        """Add a node with one output, called as the node."""
        self.nodes.append(helper.make_node(op_type, inputs, [name], name=name, **attributes))
        return name

    def ints(self, name: str, *values: int) -> str:
        """Add a small list of integers."""
        self.small.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """Add a matrix product."""
        self.shapes[f"{name}.weight"] = inputs, outputs
        return self.node("MatMul", [x, f"{name}.weight"], name)

    def norm(self, x: str, name: str) -> str:
        """Add a root mean square norm, as exporters write it out."""
        self.shapes[f"{name}.weight"] = (self.width,)
        square = self.node("Mul", [x, x], f"{name}.square")
        mean = self.node("ReduceMean", [square, "last"], f"{name}.mean", keepdims=1)
        root = self.node("Sqrt", [self.node("Add", [mean, "epsilon"], f"{name}.shifted")], f"{name}.root")
        return self.node("Mul", [self.node("Div", [x, root], f"{name}.ratio"), f"{name}.weight"], name)

    def heads(self, x: str, name: str, *order: int) -> str:
        """Split the last axis into heads, and move them in front of the positions."""
        return self.node("Transpose", [self.node("Reshape", [x, "split"], f"{name}.split")], name, perm=order)

    def block(self, x: str, name: str) -> str:
        """Add attention and a gated MLP, each with a norm in front and a sum behind."""
        normed = self.norm(x, f"{name}.norm1")
        q, k, v = (self.linear(normed, f"{name}.{letter}", self.width, self.width) for letter in "qkv")
        queries, keys = self.heads(q, f"{q}.heads", 0, 2, 1, 3), self.heads(k, f"{k}.heads", 0, 2, 3, 1)
        scores = self.node("Mul", [self.node("MatMul", [queries, keys], f"{name}.products"), "scale"], f"{name}.scores")
        weights = self.node("Softmax", [scores], f"{name}.softmax", axis=-1)
        mixed = self.node("MatMul", [weights, self.heads(v, f"{v}.heads", 0, 2, 1, 3)], f"{name}.mixed")
        turned = self.node("Transpose", [mixed], f"{name}.turned", perm=[0, 2, 1, 3])
        joined = self.node("Reshape", [turned, "join"], f"{name}.joined")
        x = self.node("Add", [x, self.linear(joined, f"{name}.o", self.width, self.width)], f"{name}.sum1")
        normed = self.norm(x, f"{name}.norm2")
        gate, up = (self.linear(normed, f"{name}.{part}", self.width, 4 * self.width) for part in ("gate", "up"))
        silu = self.node("Mul", [gate, self.node("Sigmoid", [gate], f"{name}.sigmoid")], f"{name}.silu")
        gated = self.node("Mul", [silu, up], f"{name}.gated")
        return self.node("Add", [x, self.linear(gated, f"{name}.down", 4 * self.width, self.width)], f"{name}.sum2")

    def model(self) -> onnx.ModelProto:
        """Return the graph; its large weights are only declared as long as they are not written."""
        for name, values in (("last", [-1]), ("split", [0, 0, self.width // HEAD, HEAD]), ("join", [0, 0, self.width])):
            self.ints(name, *values)
        for name, value in (("epsilon", 1e-6), ("scale", HEAD**-0.5)):
            self.small.append(numpy_helper.from_array(np.float32(value), name))
        self.shapes["embedding"] = self.vocabulary, self.width
        x = self.node("Gather", ["embedding", "ids"], "embedded")
        for place in range(self.blocks):
            x = self.block(x, f"block{place}")
        logits = self.linear(self.norm(x, "norm"), "head", self.width, self.vocabulary)
        ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
        out = helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["batch", "length", self.vocabulary])
        graph = helper.make_graph(self.nodes, "decoder", [ids], [out], self.small)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def blocks_for(wanted: int, width: int, vocabulary: int) -> int:
    """Return how many blocks make a model of about so many bytes."""
    rest = wanted - 4 * (2 * vocabulary * width + width)
    return max(1, round(rest / (4 * (16 * width * width + 2 * width))))


def width_for(wanted: int, vocabulary: int) -> int:
    """Return the largest width, a power of two, at which a model of so many bytes has some blocks."""
    width = HEAD
    while blocks_for(wanted, 2 * width, vocabulary) >= LEAST_BLOCKS:
        width *= 2
    return width


def write_model(path: Path, wanted: int, width: int | None = None, vocabulary: int = 32_000, seed: int = 0) -> Path:
    """Write a decoder of about `wanted` bytes, and return its path. Its width follows from that, unless given."""
    width = width or width_for(wanted, vocabulary)
    decoder = Decoder(width, blocks_for(wanted, width, vocabulary), vocabulary)
    proto = decoder.model()
    data = path.with_name(f"{path.name}.data")
    rng = np.random.default_rng(seed)
    with data.open("wb") as stream:
        for name, shape in track(decoder.shapes.items(), "writing", console=Console(stderr=True)):
            stream.write(bytes(-stream.tell() % ALIGNMENT))
            tensor = proto.graph.initializer.add(name=name, dims=shape, data_type=TensorProto.FLOAT)
            tensor.data_location = TensorProto.EXTERNAL
            length = 4 * int(np.prod(shape))
            for key, value in (("location", data.name), ("offset", stream.tell()), ("length", length)):
                tensor.external_data.add(key=key, value=str(value))
            for values in drawn(rng, shape):
                stream.write(values)
    path.write_bytes(proto.SerializeToString())
    return path


def drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> Iterator[memoryview]:
    """Yield the values of a weight, some rows at a time: ones for a norm, and normal numbers for a matrix."""
    if len(shape) == 1:
        yield np.ones(shape, np.float32).data
        return
    for start in range(0, shape[0], ROWS):
        rows = rng.standard_normal((min(ROWS, shape[0] - start), shape[1]), np.float32)
        yield np.multiply(rows, np.float32(shape[0] ** -0.5)).data


def main() -> None:
    """Write the model that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", default="100MB", help="of the weights, about, such as 8GB")
    parser.add_argument("--width", type=int, help="a multiple of 64; by default what suits the size")
    parser.add_argument("--vocabulary", type=int, default=32_000)
    arguments = parser.parse_args()
    write_model(arguments.out, size("--size", arguments.size), arguments.width, arguments.vocabulary)


if __name__ == "__main__":
    main()
