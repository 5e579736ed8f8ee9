"""Pruned models on other runtimes: they load, and compute what onnxruntime does, as closely as the dense ones do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from engines import ENGINES, Engine, EngineError
from engines.compare import AGREES, error, verdict
from engines.process import Host
from networks import branchy, plain, random_net, write

import onnxprune
from onnxprune.model import Model
from onnxprune.runtime import Session

pytestmark = pytest.mark.runtimes

MODELS = Path(__file__).parents[2] / "models"
CHANNELS, ZEROS = {"amount": 0.4, "budget": "macs"}, {"granularity": "2:4"}
ENOUGH = 1e-2
"""Pruning moves the outputs of all these models by far more than a runtime's rounding."""

Sets = list[dict[str, Any]]


@dataclass(frozen=True)
class Pair:
    """A dense model and its pruned version, inputs, and what onnxruntime computes with both."""

    dense: Path
    pruned: Path
    feeds: Sets
    expected: dict[Path, Sets]


def single(make: Callable[[], onnx.ModelProto], folder: Path) -> Path:
    """Write a network for one sample: ncnn knows no batch."""
    proto = make()
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.shape.dim[0].dim_value = 1
    return write(proto, folder / "net.onnx")


def trained(name: str, folder: Path) -> Path:
    return MODELS / f"{name}.onnx"


MAKERS: dict[str, Callable[[Path], Path]] = {
    "branchy": partial(single, branchy),
    "grouped": partial(single, partial(random_net, 0, (8, 16, 16), residual=True, group=4)),
    **{name: partial(trained, name) for name in ("mobile_net", "residual_cnn", "vision_transformer")},
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, CHANNELS) for name in MAKERS},
    "zeros in place": ("mobile_net", ZEROS),
}


def pair_of(name: str, options: dict[str, Any], folder: Path) -> Pair:
    dense, pruned = MAKERS[name](folder), folder / "pruned.onnx"
    onnxprune.prune(dense, calibration="none", **options).save(pruned)
    feeds = feeds_of(dense)
    return Pair(dense, pruned, feeds, {path: by_onnxruntime(path, feeds) for path in (dense, pruned)})


def feeds_of(path: Path) -> Sets:
    info = Model.load(path).proto.graph.input[0]
    shape = (1, *(dim.dim_value for dim in info.type.tensor_type.shape.dim[1:]))
    return [{info.name: np.random.default_rng(seed).standard_normal(shape).astype(np.float32)} for seed in range(2)]


def by_onnxruntime(path: Path, feeds: Sets) -> Sets:
    model = Model.load(path)
    session, names = Session(model, optimize=False), [info.name for info in model.proto.graph.output]
    return [dict(zip(names, session.run(given), strict=True)) for given in feeds]


@pytest.fixture(params=["openvino", "ncnn", "mnn"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found = ENGINES[request.param]
    if not found.is_available():
        pytest.skip(f"{' or '.join(found.packages)} is not installed: pip install -e '.[runtimes]'")
    return found


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    """Models by the names of cases, each pruned once for all runtimes."""
    made: dict[str, Pair] = {}

    def pair(case: str) -> Pair:
        if case not in made:
            made[case] = pair_of(*CASES[case], tmp_path_factory.mktemp("pair"))
        return made[case]

    return pair


@pytest.mark.parametrize("case", CASES)
def test_a_pruned_model_computes_what_it_does_in_onnxruntime(
    engine: Engine, case: str, pairs: Callable[[str], Pair], tmp_path: Path
) -> None:
    pair, errors = pairs(case), {}
    assert error(pair.expected[pair.dense], pair.expected[pair.pruned]) > ENOUGH
    for path, expected in pair.expected.items():
        outcome = Host(engine, tmp_path / "converted").outputs(path, pair.feeds)
        assert (outcome.message, outcome.loads, outcome.runs) == ("", True, True)
        errors[path] = error(expected, outcome.outputs)
    assert verdict(errors[pair.pruned], errors[pair.dense]) == AGREES, errors


def test_a_pruned_model_races_the_dense_one(engine: Engine, pairs: Callable[[str], Pair], tmp_path: Path) -> None:
    pair = pairs("branchy")
    models = {"dense": pair.dense, "pruned": pair.pruned}
    raced = Host(engine, tmp_path / "converted").race(models, pair.feeds[0], seconds=0.1)
    assert set(raced["ratios"]) == {"pruned"}
    assert raced["ratios"]["pruned"]["value"] > 0


def test_what_a_runtime_does_not_take_ends_in_one_line(engine: Engine, tmp_path: Path) -> None:
    proto = plain(batch=1)
    proto.graph.node[0].op_type = "NoSuchOperator"
    strange = write(proto, tmp_path / "strange.onnx")
    outcome = Host(engine, tmp_path / "converted").outputs(strange, feeds_of(strange))
    assert not outcome.runs
    assert not outcome.outputs
    assert outcome.message
    assert "\n" not in outcome.message


def test_what_does_not_end_is_stopped(tmp_path: Path) -> None:
    net = single(plain, tmp_path)
    host = Host(ENGINES["onnxruntime"], tmp_path / "converted", time_limit=0.01)
    assert host.outputs(net, feeds_of(net)).message == "stopped after 0.01 s"
    with pytest.raises(EngineError, match=r"stopped after 0\.01 s"):
        host.race({"dense": net}, feeds_of(net)[0], seconds=0)
