"""What counts as a parameter and what does not, in words: each graph ends in a layer of 4 x 2 numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from networks import traced
from numpy.typing import NDArray
from onnx import TensorProto
from quantized_graphs import MICROSOFT, QuantizedGraph, nibbles, packed

from onnxprune.cost import cost_of

LAST = 4 * 2


class Words(QuantizedGraph):
    """A graph under construction on sequences [2, 7, width]."""

    def real(self, values: Any) -> str:
        """Stored real numbers."""
        return self.store(values, np.float32)

    def sequence(self, width: int = 4) -> str:
        """An input."""
        return self.input(2, 7, width)


Build = Callable[[Words], str]
CASES: dict[str, tuple[Build, int]] = {}


def counts(expected: int, words: str) -> Callable[[Build], Build]:
    """Put a graph into the table: how many parameters it has besides the last layer's, and which."""

    def register(build: Build) -> Build:
        CASES[words] = build, expected
        return build

    return register


def waves(positions: int, width: int) -> NDArray[np.float32]:
    """Sines and cosines of a frequency for each column, as positions are told apart by them."""
    angles = np.arange(positions)[:, None] / 10_000 ** (np.arange(width) / width)
    return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles)).astype(np.float32)


def look_up(g: Words, table: NDArray[Any]) -> str:
    return g.add("Gather", g.real(table), g.input(2, 7, dtype=TensorProto.INT64))


# What was trained


@counts(9 * 4, "an embedding")
def embedding(g: Words) -> str:
    return look_up(g, g.random(9, 4))


@counts(7 * 4, "learned positions")
def positions(g: Words) -> str:
    return g.add("Add", g.sequence(), g.weight(7, 4))


@counts(7 * 4, "an offset that is the same at every position")
def same_everywhere(g: Words) -> str:
    return g.add("Add", g.sequence(), g.real(np.tile(g.random(4), (7, 1))))


@counts(4, "a class token, once however often it is repeated")
def class_token(g: Words) -> str:
    return g.add("Expand", g.weight(1, 1, 4), g.ints(2, 7, 4))


@counts(7 * 4, "queries, once however often they are repeated")
def queries(g: Words) -> str:
    return g.add("Tile", g.weight(1, 7, 4), g.ints(2, 1, 1))


def recurrent(g: Words, op_type: str, gates: int, state: NDArray[Any]) -> str:
    """A layer of 4 units on 4 numbers, without a bias."""
    weights = [g.weight(1, gates * 4, 4), g.weight(1, gates * 4, 4)]
    y = g.nodes_of(op_type, [g.input(7, 2, 4), *weights, "", "", g.real(state)], 1, hidden_size=4)
    return g.add("Squeeze", *y, g.ints(1))


@counts(3 * 4 * 4 + 3 * 4 * 4 + 2 * 4, "both matrices of a recurrent layer and a learned first state")
def learned_state(g: Words) -> str:
    return recurrent(g, "GRU", 3, g.random(1, 2, 4))


@pytest.mark.parametrize("axis", [None, 1])
def test_integers_count_and_their_scales_and_zero_points_do_not(axis: int | None) -> None:
    g = Words()
    x = g.add("MatMul", g.sequence(8), g.dequantized(8, 4, axis=axis))
    g.output(g.linear(g.add("Add", x, g.dequantized_bias(4)), 2))
    assert cost_of(traced(g.model())).params({}) == 8 * 4 + 4 + LAST


@counts(32 * 4, "integers of four bits")
def four_bits(g: Words) -> str:
    g.stored.append(packed(g.rng.integers(-8, 8, (32, 4)), TensorProto.INT4, "narrow"))
    g.stored.append(packed(np.ones(4), TensorProto.INT4, "zeros"))
    return g.add("MatMul", g.sequence(32), g.add("DequantizeLinear", "narrow", g.positive(4), "zeros", axis=1))


def in_bytes(g: Words, bits: int) -> str:
    """32 x 4 integers in blocks of 16, with a scale and a zero point each."""
    stored = [g.store(nibbles(g.rng, 4, 2, 2 * bits)), g.positive(8), g.store(nibbles(g.rng, bits))]
    y = g.contrib("MatMulNBits", g.sequence(32), *stored, N=4, K=32, bits=bits, block_size=16)
    return g.declare(y, np.float32, 2, 7, 4)


@counts(32 * 4, "integers of four bits, two in a byte")
def two_in_a_byte(g: Words) -> str:
    return in_bytes(g, 4)


@counts(32 * 4, "integers of eight bits in blocks")
def one_in_a_byte(g: Words) -> str:
    return in_bytes(g, 8)


# What was computed or set


@counts(4 * 4 * 4 + 4 * 4 * 4, "not a first state of zeros")
def zero_state(g: Words) -> str:
    return recurrent(g, "LSTM", 4, np.zeros((1, 2, 4)))


@counts(0, "not zeros that are repeated")
def repeated_zeros(g: Words) -> str:
    return g.add("Add", g.sequence(), g.add("Expand", g.real(np.zeros((1, 1, 4))), g.ints(2, 7, 4)))


@counts(0, "not sines and cosines that are multiplied")
def rotation_written_out(g: Words) -> str:
    return g.add("Mul", g.sequence(), g.real(waves(7, 4)[None]))


@counts(0, "not sines and cosines that are looked up")
def positions_looked_up(g: Words) -> str:
    return look_up(g, waves(50, 4))


@counts(0, "not sines and cosines of an operator that rotates")
def rotation(g: Words) -> str:
    ids = g.store(np.tile(np.arange(7), (2, 1)), np.int64)
    y = g.contrib("RotaryEmbedding", g.sequence(), ids, g.real(waves(9, 2)), g.real(waves(9, 2)))
    return g.declare(y, np.float32, 2, 7, 4)


@counts(16 * 4, "not sines and cosines of attention that rotates")
def rotation_inside_attention(g: Words) -> str:
    lengths = [g.store([6, 6], np.int32), g.store([7], np.int32)]
    given = [g.sequence(16), g.sequence(16), g.sequence(16), "", "", *lengths, g.real(waves(9, 4)), g.real(waves(9, 4))]
    counted = {"num_heads": 2, "kv_num_heads": 2, "do_rotary": 1}
    y, *_ = g.nodes_of("GroupQueryAttention", given, 3, domain=MICROSOFT, **counted)
    return g.add("MatMul", g.declare(y, np.float32, 2, 7, 16), g.weight(16, 4))


@counts(0, "not a grid of places")
def grid(g: Words) -> str:
    return g.add("Add", g.sequence(), g.real(np.arange(28).reshape(7, 4) / 3))


@counts(0, "not places to sample")
def places(g: Words) -> str:
    return g.add("Squeeze", g.add("GridSample", g.input(2, 1, 5, 5), g.weight(2, 7, 4, 2)), g.ints(1))


@counts(0, "not what is written into a tensor")
def written(g: Words) -> str:
    return g.add("ScatterND", g.sequence(), g.store([[0], [1]], np.int64), g.weight(2, 7, 4))


@counts(0, "not bounds")
def bounds(g: Words) -> str:
    return g.add("Min", g.add("Max", g.sequence(), g.weight(7, 4)), g.weight(4))


@counts(0, "not margins and what fills them")
def margins(g: Words) -> str:
    return g.add("Pad", g.input(2, 5, 4), g.ints(0, 1, 0, 0, 1, 0), g.real(0.5))


@counts(0, "not scales of an image")
def resized(g: Words) -> str:
    return g.add("Resize", g.input(2, 7, 2), "", g.real([1, 1, 2]))


@pytest.mark.parametrize("words", CASES)
def test_parameters(words: str) -> None:
    build, expected = CASES[words]
    g = Words(opset=21)
    g.output(g.linear(build(g), 2))
    proto = g.model()
    onnx.checker.check_model(proto)
    assert cost_of(traced(proto)).params({}) == expected + LAST
