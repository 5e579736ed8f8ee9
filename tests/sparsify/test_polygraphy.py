"""An outside opinion on 2:4: NVIDIA's Polygraphy looks for the pattern that TensorRT wants."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from graphs import Graph
from networks import branchy, plain

import onnxprune

pytestmark = pytest.mark.runtimes
pytest.importorskip("polygraphy", reason="pip install -e '.[runtimes]'")

COMMAND = "from polygraphy.tools import main; main()"


def products() -> onnx.ModelProto:
    """Each kind of product that TensorRT knows the pattern in: Gemm both ways round, and MatMul."""
    g = Graph()
    x = g.add("Relu", g.gemm(g.input(2, 16), 24))
    x = g.add("Relu", g.add("Gemm", x, g.weight(24, 8)))
    g.output(g.linear(x, 12))
    return g.model()


def opinion(proto: onnx.ModelProto, path: Path) -> dict[str, bool]:
    """Return whether Polygraphy sees the pattern, by the name of each weight that it looks at."""
    onnx.save(proto, path)
    call = [sys.executable, "-c", COMMAND, "inspect", "sparsity", str(path)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    found = re.findall(r"Found (non-)?sparse tensor: (\S+)", done.stdout + done.stderr)
    return {name: not negation for negation, name in found}


@pytest.mark.parametrize("make", [plain, branchy, products], ids=lambda make: make.__name__)
def test_every_weight_that_gets_the_pattern_has_it(make: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    result = onnxprune.prune(make(), granularity="2:4", calibration="none")
    assert result.report.sparsity is not None
    patterned = {layer["name"] for layer in result.report.sparsity["layers"]}
    dense, pruned = (opinion(proto, tmp_path / "net.onnx") for proto in (make(), result.model))
    assert len(patterned) > 1
    assert not any(dense.values())
    assert {name for name, has_pattern in pruned.items() if has_pattern} == patterned
