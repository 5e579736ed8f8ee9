"""Nothing that is read runs code, but for the function that the user names: seen in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import onnxprune

PACKAGE = Path(onnxprune.__file__).parent
RUNS_CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml", "runpy", "code"}
"""Modules that make objects, or run code, out of what they read."""

CALLS = {"eval", "exec", "compile", "__import__", "import_module", "exec_module", "spec_from_file_location"}
NUMPY_LOADS = {"load", "loadtxt", "genfromtxt", "fromfile", "fromregex"}
STARTS_PROGRAMS = {"system", "popen", "Popen", "check_output", "check_call", "startfile", "execv", "spawnv"}


@cache
def trees() -> list[tuple[str, ast.AST]]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return [(path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def called(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what each call calls: the name, and what it is a name in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if ast.unparse(node.func).endswith("import_module") and isinstance(node.args[0], ast.Constant):
                continue  # a module that is named here
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr, ast.unparse(function.value)
            elif isinstance(function, ast.Name):
                yield function.id, ""


def is_named(node: ast.AST) -> TypeGuard[ast.keyword]:
    return isinstance(node, ast.keyword)


def users(names: set[str], where: set[str] | None = None) -> set[str]:
    """The files in which something of such a name is called, in modules of such names if any are given."""
    return {
        file
        for file, tree in trees()
        for name, owner in called(tree)
        if name in names and (not where or owner in where)
    }


def test_no_module_that_runs_what_it_reads_is_imported() -> None:
    for file, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & RUNS_CODE, file


def test_code_of_the_user_runs_in_one_place() -> None:
    ours = {"report/page/write.py"}  # which tries whether a library of its own is there
    assert users(CALLS - {"compile"}) - ours == {"calibrate/functions.py"}
    assert users({"compile"}, {""}) == set()


def test_numpy_reads_no_file_by_itself() -> None:
    """What it reads goes through `onnxprune.reading`, which knows its headers and never loads objects."""
    assert users(NUMPY_LOADS, {"np", "numpy"}) == set()
    assert not any(node.arg == "allow_pickle" for _, tree in trees() for node in ast.walk(tree) if is_named(node))


def test_no_other_program_is_started() -> None:
    assert users(STARTS_PROGRAMS, {"os", "subprocess"}) == set()


def test_json_and_archives_of_people_are_read_in_one_place() -> None:
    ours = {"files/exchange.py", "pages.py", "runtime.py", "targets/target.py"}
    assert users({"loads", "load"}, {"json"}) - ours == {"reading/plain_json.py"}
    assert users({"ZipFile"}) == {"plan_of_zeros.py", "reading/archives.py"}
