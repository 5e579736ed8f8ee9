"""Orders for a whole model: every weight that reads a dim has a say, and the reordered model keeps more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import branchy, plain

from onnxprune.apply.reorder import reorder
from onnxprune.model import Model
from onnxprune.sparsify.permutation import Reader, find_orders, kept, orders
from onnxprune.tracing import Trace, trace

MODELS = Path(__file__).parents[3] / "models"
AXES = {"Conv": (1, 1), "Gemm": (1, 1), "MatMul": (1, 0)}
"""Of each operator: the input that holds the weight, and the axis of its input channels (all Gemms have transB)."""


def readers_of(found: Trace, m: int) -> list[Reader]:
    """The weights of convolutions and products whose input channels are whole stripes, scored by magnitude."""
    readers = []
    for use in found.uses:
        slot, axis = AXES.get(found.model.node(use.slot[0]).op_type, (-1, 0))
        tensor = found.model.constants[use.constant]
        if use.slot[1] == slot and len(tensor.dims) > 1 and tensor.dims[axis] % m == 0:
            readers.append(Reader(use, axis, partial(magnitudes, found.model, tensor)))
    return readers


def magnitudes(model: Model, tensor: onnx.TensorProto) -> np.ndarray:
    return np.abs(model.array(tensor))


def kept_in(model: Model, readers: Sequence[Reader], n: int, m: int) -> list[float]:
    """What a pattern keeps of each weight of a model."""
    weights = [np.moveaxis(magnitudes(model, model.constants[r.use.constant]), r.inputs, -1) for r in readers]
    return [kept(weight.reshape(-1, weight.shape[-1]), n, m) for weight in weights]


def loaded(name: str) -> Callable[[], onnx.ModelProto]:
    return partial(onnx.load, MODELS / f"{name}.onnx")


@pytest.mark.parametrize(
    ("network", "ratio", "least"),
    [
        (plain, (2, 4), 0.01),
        (branchy, (1, 2), 0.01),
        pytest.param(loaded("residual_cnn"), (2, 4), 0.03, marks=pytest.mark.slow),
        pytest.param(loaded("vision_transformer"), (2, 4), 0.02, marks=pytest.mark.slow),
        (loaded("mobile_net"), (1, 4), 0.02),
    ],
    ids=["plain", "branchy", "residual_cnn", "vision_transformer", "mobile_net"],
)
def test_the_reordered_model_keeps_more(
    network: Callable[[], onnx.ModelProto], ratio: tuple[int, int], least: float
) -> None:
    found = trace(Model(network()), allow_norm=True)
    readers = readers_of(found, ratio[1])
    chosen = find_orders(found, readers, *ratio)
    before, after = (sum(kept_in(m, readers, *ratio)) for m in (found.model, reorder(found, chosen)))
    total = sum(reader.scores().sum(dtype=float) for reader in readers)
    assert (after - before) / (total - before) > least


def shared(*widths: int, channels: int = 16) -> Graph:
    """Convolutions of these widths that all read one dim of `channels`."""
    g = Graph()
    x = g.conv(g.image(), channels)
    g.output(*(g.conv(x, width) for width in widths))
    return g


def test_weights_that_read_one_dim_are_judged_together() -> None:
    """The order that is best for one of them is not the best for both."""
    found = trace(Model(shared(2, 2).model()))
    readers = readers_of(found, 4)
    chosen = find_orders(found, readers, 2, 4)
    assert [dim.size for dim in chosen] == [16]
    together = np.subtract(*(kept_in(model, readers, 2, 4) for model in (reorder(found, chosen), found.model)))
    alone = [reorder(found, find_orders(found, [reader], 2, 4)) for reader in readers]
    gains = [np.subtract(kept_in(model, readers, 2, 4), kept_in(found.model, readers, 2, 4)) for model in alone]
    assert all(together.sum() > gain.sum() for gain in gains)


def test_an_order_that_is_worse_on_the_rows_that_a_search_did_not_see_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search looks at a single row, and what is good for that one means nothing for the others."""
    found = trace(Model(shared(400).model()))
    readers = readers_of(found, 4)
    scores = readers[0].scores()
    monkeypatch.setattr(orders, "MOST", 16)
    chosen = [find_orders(found, readers, 2, 4, seed) for seed in range(8)]
    assert any(not each for each in chosen)
    for each in chosen:
        for order in each.values():
            rows = scores[:, :, 0, 0]
            assert kept(rows[:, order], 2, 4) > kept(rows, 2, 4)


@pytest.mark.parametrize("channels", [4, 6])
def test_dims_that_are_a_single_stripe_or_no_whole_ones_are_left(channels: int) -> None:
    found = trace(Model(shared(8, channels=channels).model()))
    assert find_orders(found, readers_of(found, 2), 2, 4) == {}


def test_scores_are_asked_for_when_they_are_needed_and_not_for_other_dims() -> None:
    found = trace(Model(plain()), allow_norm=True)
    asked: list[str] = []

    def asking(reader: Reader) -> np.ndarray:
        asked.append(reader.use.constant[1])
        return reader.scores()

    readers = [Reader(each.use, each.inputs, partial(asking, each)) for each in readers_of(found, 4)]
    find_orders(found, readers, 2, 4)
    assert asked == ["conv2.weight"] * 2 + ["fc.weight"] * 2


def test_a_seed_gives_the_same_orders_and_progress_grows_to_one() -> None:
    found = trace(Model(loaded("mobile_net")()))
    readers = readers_of(found, 4)
    shares: list[float] = []
    first = find_orders(found, readers[:9], 2, 4, seed=3, on_progress=shares.append)
    second = find_orders(found, readers[:9], 2, 4, seed=3)
    assert first.keys() == second.keys() and all(np.array_equal(first[dim], second[dim]) for dim in first)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
