"""What a runtime is: a name, the packages that it needs, a way to convert a model and a way to load the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
Run: TypeAlias = "Callable[[Arrays], dict[str, NDArray[Any]]]"
"""A loaded model: inputs by name in, outputs by name out."""


class EngineError(Exception):
    """A runtime did not convert, load or run a model; the message is one line."""


@dataclass(frozen=True)
class Engine:
    """A runtime.

    `packages` are the distributions that it needs, the one whose version counts first. `convert` makes its own file of
    a model, in a folder, for inputs of given shapes, and returns the path; it need not make one. `load` takes that path
    and the names of the model's inputs and outputs in order. Both may raise anything, or end the process.
    """

    name: str
    packages: tuple[str, ...]
    convert: Callable[[Path, Path, Shapes], Path]
    load: Callable[[Path, list[str], list[str]], Run]

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages. Raises `PackageNotFoundError` where one is not installed."""
        return {package: version(package) for package in self.packages}

    def is_available(self) -> bool:
        """Whether all packages are installed."""
        try:
            self.versions()
        except PackageNotFoundError:
            return False
        return True

    def prepare(self, model: Path, folder: Path, shapes: Shapes, outputs: list[str]) -> Run:
        """Load a model, converted into a folder of its own unless it lies there already; `shapes` are in order."""
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "converted.txt"
        if not note.is_file():
            note.write_text(str(self.convert(model, folder, shapes)))
        return self.load(Path(note.read_text()), list(shapes), outputs)


def interface(model: Path) -> tuple[list[str], list[str]]:
    """Return the names of a model's inputs and outputs, weights left out."""
    import onnx  # not needed where models are run

    graph = onnx.load(model, load_external_data=False).graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [info.name for info in graph.input if info.name not in stored]
    return inputs, [info.name for info in graph.output]
