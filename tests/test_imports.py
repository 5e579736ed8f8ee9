"""Imports go one way: who may know whom, seen in the source and in what a fresh interpreter loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import onnxprune

PACKAGE = Path(onnxprune.__file__).parent
HEAVY = {"onnx", "onnxruntime", "onnx_graphsurgeon", "numpy", "google"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules that the import statements below a node name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def top_level_imports(path: Path) -> set[str]:
    """The modules that importing a file imports: not those inside functions, not those for type checkers."""
    body = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if not is_type_checking(node)]
    statements = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {name for statement in statements for name in imports(statement)}


def all_imports(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text(encoding="utf-8"))))


def loaded_by(statement: str) -> set[str]:
    """Names of all modules that a fresh interpreter holds after a statement."""
    code = f"import sys\nbefore = set(sys.modules)\n{statement}\nimport json\n"
    code += "print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_no_two_modules_import_each_other() -> None:
    graph = {name: top_level_imports(path) & SOURCES.keys() - {name} for name, path in SOURCES.items()}
    assert set(TopologicalSorter(graph).static_order()) == SOURCES.keys()


def test_nothing_but_main_imports_the_command_line() -> None:
    users = {n for n, path in SOURCES.items() if any(m.startswith("onnxprune.cli") for m in all_imports(path))}
    users = {name for name in users if not name.startswith("onnxprune.cli")}
    assert users == {"onnxprune.__main__"}


def test_onnxruntime_is_imported_in_one_place_and_only_when_something_runs() -> None:
    users = {name for name, path in SOURCES.items() if "onnxruntime" in all_imports(path)}
    assert users == {"onnxprune.runtime"}
    assert not any("onnxruntime" in top_level_imports(path) for path in SOURCES.values())


def test_the_axis_algebra_knows_numpy_alone() -> None:
    known = {name.split(".")[0] for name in all_imports(SOURCES["onnxprune.axes"])}
    assert known - sys.stdlib_module_names == {"numpy"}


@pytest.mark.parametrize("package", ["rules", "criteria", "select", "cost"])
def test_knowledge_and_choice_load_no_surgery_no_runtime_and_no_command_line(package: str) -> None:
    loaded = loaded_by(f"import onnxprune.{package}")
    assert f"onnxprune.{package}" in loaded
    assert not loaded & {"onnxruntime", "typer", "rich", "onnxprune.apply", "onnxprune.verify", "onnxprune.cli"}


def test_plans_load_no_runtime_and_no_command_line() -> None:
    assert not loaded_by("import onnxprune.plan") & {"onnxruntime", "typer", "rich", "onnxprune.verify"}


def test_the_whole_pipeline_loads_without_a_runtime() -> None:
    assert not loaded_by("import onnxprune.pipeline") & {"onnxruntime", "onnx_graphsurgeon", "typer", "rich"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import onnxprune") & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["prune", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    call = f"import onnxprune.cli as c\ntry:\n    c.app({arguments!r})\nexcept SystemExit as e:\n    assert not e.code"
    loaded = loaded_by(call)
    assert "typer" in loaded
    assert not loaded & HEAVY
