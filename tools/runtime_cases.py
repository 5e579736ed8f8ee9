"""What the runtimes are asked to run: models, dense and pruned, inputs, and the outputs that are expected.

Models of `models/` are trained, those of a folder need not be: weights change neither what a runtime can load nor how
long it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from engines.compare import error
from numpy.typing import NDArray

import onnxprune
from onnxprune.model import Model
from onnxprune.runtime import Session

Arrays = dict[str, NDArray[Any]]

OWN = Path(__file__).parents[1] / "models"
DENSE = "dense"
INPUT_SETS = 3


@dataclass(frozen=True)
class Source:
    """A model by the name of its file, the shape of its input, and the ways to prune it."""

    name: str
    file: str
    shape: tuple[int, ...]
    variants: tuple[str, ...]


VARIANTS: Mapping[str, dict[str, Any]] = {
    "channels": {"amount": 0.4, "budget": "macs"},
    "2:4": {"granularity": "2:4"},
}
CHANNELS, BOTH = ("channels",), ("channels", "2:4")
SOURCES = (
    Source("ResNet-18", "tv_resnet18_op13.onnx", (1, 3, 224, 224), BOTH),
    Source("MobileNetV2", "tv_mobilenet_v2_op13.onnx", (1, 3, 224, 224), CHANNELS),
    Source("YOLOv8n", "ul_yolov8n.onnx", (1, 3, 640, 640), BOTH),
    Source("residual_cnn", "residual_cnn.onnx", (1, 3, 32, 32), CHANNELS),
    Source("mobile_net", "mobile_net.onnx", (1, 3, 32, 32), CHANNELS),
    Source("vision_transformer", "vision_transformer.onnx", (1, 3, 32, 32), BOTH),
)
"""2:4 is for products of some width: not for depthwise networks, nor for the smallest."""


@dataclass(frozen=True)
class Case:
    """A model in several versions: files, and for each the outputs on `feeds` that are expected.

    `facts` say of each pruned version what is left of MACs and parameters, and how far it moved the outputs.
    """

    name: str
    versions: Mapping[str, Path]
    feeds: list[Arrays]
    expected: Mapping[str, list[Arrays]]
    facts: Mapping[str, dict[str, Any]]

    def without(self, names: set[str]) -> Case:
        """Return the case without some of its versions."""
        return replace(self, versions={name: path for name, path in self.versions.items() if name not in names})


def cases(corpus: Path, only: tuple[str, ...], work: Path) -> Iterator[Case]:
    """Yield the cases that are asked for by name, all where none is; pruned versions are written into `work`."""
    for source in SOURCES:
        if not only or source.name in only:
            own = OWN / source.file
            yield _case(source, own if own.is_file() else corpus / source.file, work)


def _case(source: Source, path: Path, work: Path) -> Case:
    versions, facts = {DENSE: path}, {}
    for variant in source.variants:
        pruned = work / f"{source.name}-{variant.replace(':', '')}.onnx"
        result = onnxprune.prune(path, calibration="none", **VARIANTS[variant])
        result.save(pruned, overwrite=True)
        versions[variant], facts[variant] = pruned, _left(result)
    feeds = [_feeds(path, source.shape, seed) for seed in range(INPUT_SETS)]
    expected = {name: _expected(version, feeds) for name, version in versions.items()}
    for variant, row in facts.items():
        row["moved"] = error(expected[DENSE], expected[variant])
    return Case(source.name, versions, feeds, expected, facts)


def _left(result: Any) -> dict[str, Any]:
    report = result.report
    return {name: getattr(report, name).after / getattr(report, name).before for name in ("macs", "params")}


def _feeds(path: Path, shape: tuple[int, ...], seed: int) -> Arrays:
    name = onnxprune.trace(path).model.proto.graph.input[0].name
    return {name: np.random.default_rng(seed).standard_normal(shape).astype(np.float32)}


def _expected(path: Path, feeds: list[Arrays]) -> list[Arrays]:
    """Return the outputs by onnxruntime's kernels for single operators, none of them fused."""
    model = Model.load(path)
    names = [info.name for info in model.proto.graph.output]
    session = Session(model, optimize=False)
    return [dict(zip(names, session.run(given), strict=True)) for given in feeds]
