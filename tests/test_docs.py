"""What the documentation shows works, says what the code says, and its links lead somewhere."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from test_imports import SOURCES, top_level_imports

import onnxprune
from onnxprune.axes import show
from onnxprune.cli import app
from onnxprune.criteria import CRITERIA
from onnxprune.criteria.registry import NEEDS
from onnxprune.metrics import METRICS
from onnxprune.recover import RECOVERIES
from onnxprune.rules import RULES, Site

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), ROOT / "models" / "README.md", ROOT / "examples" / "README.md"]
MODELS = ("residual_cnn", "mobile_net")


def blocks(page: Path, language: str = "python") -> list[str]:
    """The fenced code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def execute(code: str, page: Path, space: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a block as a module of its own, or in the names that earlier blocks have made."""
    space = {"__name__": "shown"} if space is None else space
    exec(compile(code, page.name, "exec", dont_inherit=True), space)
    return space


def rows(page: Path, heading: str) -> Iterator[list[str]]:
    """The cells of the tables below a heading, up to the next heading of the same level."""
    level = heading.split()[0]
    section = page.read_text(encoding="utf-8").split(f"\n{heading}\n", 1)[1].split(f"\n{level} ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The names that the blocks of architecture.md make: `model`, `found`, `result`."""
    page, space = DOCS / "architecture.md", {"__name__": "shown"}
    for block in blocks(page):
        execute(block, page, space)
    return space


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put_model_and_samples(folder: Path) -> None:
    """What examples find: a small trained model, and some of its samples."""
    shutil.copy(ROOT / "models" / "mobile_net.onnx", folder / "model.onnx")
    with np.load(ROOT / "models" / "digits_calibration.npz") as samples:
        np.savez(folder / "samples.npz", input=samples["input"][:32])


# Links and command lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def command_lines() -> Iterator[str]:
    """Yield the commands that pages show, without what is said beside them; those with [..] stand for many."""
    for page in PAGES:
        shown = re.findall(r"^    onnxprune (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        yield from (line.split("   ")[0].strip() for line in shown if "[" not in line)


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_command_lines_are_understood(line: str) -> None:
    group: Any = typer.main.get_command(app)
    name, *arguments = line.split()
    if name not in group.commands:
        name, arguments = "prune", [name, *arguments]
    group.commands[name].make_context(name, arguments)


# README


@pytest.mark.parametrize("number", range(len(blocks(ROOT / "README.md"))))
def test_examples_of_the_readme_run(number: int, folder: Path) -> None:
    put_model_and_samples(folder)
    execute(blocks(ROOT / "README.md")[number], ROOT / "README.md")


# architecture.md


def test_the_axes_of_the_worked_example_are_those_that_tracing_finds(example: dict[str, Any]) -> None:
    shown = {
        quoted(row[0])[0]: quoted(row[2])[0]
        for row in rows(DOCS / "architecture.md", "## One idea: every axis has an expression")
        if len(row) == 3 and quoted(row[0]) and quoted(row[0])[0] in example["found"].tensors
    }
    found = {
        name: " ".join(show(axis) for axis in tensor.axes or ()) for name, tensor in example["found"].tensors.items()
    }
    assert shown == found


def test_the_dims_of_the_worked_example_are_those_of_the_plan(example: dict[str, Any]) -> None:
    page = DOCS / "architecture.md"
    table = [row for row in rows(page, "## One idea: every axis has an expression") if row[1:2] and row[1].isdigit()]
    shown = [(quoted(name)[0], int(units), quoted(members)) for name, units, members in table]
    assert shown == [(dim.name, dim.size, dim.members) for dim in example["result"].plan.dims]


def test_the_figures_of_the_worked_example_are_those_of_the_report(example: dict[str, Any]) -> None:
    params = example["result"].report.params
    assert f"{params.before} parameters become {params.after}" in (DOCS / "architecture.md").read_text(encoding="utf-8")


def floors() -> dict[str, int]:
    """The floor of each module, by its name below `onnxprune.` or that of its folder, counted from the top row."""
    listed = [quoted(row[0]) for row in rows(DOCS / "architecture.md", "## Floors")]
    return {name.rstrip("/"): floor for floor, names in enumerate(listed) for name in names}


def test_every_module_imports_only_from_its_own_floor_and_those_before() -> None:
    known = floors()
    below = {name: name.split(".")[1] for name in SOURCES if name != "onnxprune"}
    assert set(below.values()) == set(known)
    upwards = [
        f"{name} imports {other}"
        for name, part in below.items()
        for other in top_level_imports(SOURCES[name]) & below.keys()
        if known[below[other]] > known[part]
    ]
    assert upwards == []


# add-an-operator.md


def test_the_example_of_a_rule_passes_its_test() -> None:
    page = DOCS / "add-an-operator.md"
    definition, _, test = blocks(page)
    try:
        execute(definition, page)
        execute(test, page)["test_scaled_linear"]()
    finally:
        RULES.pop(("acme", "ScaledLinear"), None)


def test_without_the_rule_the_operator_freezes_what_it_touches() -> None:
    page = DOCS / "add-an-operator.md"
    with pytest.raises(AssertionError):
        execute(blocks(page)[2], page)["test_scaled_linear"]()


def test_the_example_of_a_case_passes_the_tests_of_every_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "rules"))
    cases, checks = importlib.import_module("rule_cases").CASES, importlib.import_module("test_rules")
    before = set(cases)
    page = DOCS / "add-an-operator.md"
    execute(blocks(page)[1], page)
    (added,) = [cases.pop(name) for name in set(cases) - before]
    checks.test_the_prunable_dims_are_those_expected(added)
    checks.test_removing_random_units_is_proved_exact(added)
    checks.test_removing_all_units_but_the_fewest_allowed_is_exact(added)


def test_all_that_a_rule_may_say_is_listed() -> None:
    text = (DOCS / "add-an-operator.md").read_text(encoding="utf-8")
    of_the_walk = {"freeze_unclaimed", "claimed", "followed"}
    words = {name for name in vars(Site) if not name.startswith("_")}
    words |= set(re.findall(r"self\.([a-z]\w*)\b.* = ", inspect.getsource(Site.__init__)))
    assert sorted(word for word in words - of_the_walk if f"site.{word}" not in text) == []
    assert sorted(word for word in set(re.findall(r"site\.([a-z]\w*)", text)) - words - {"py"}) == []


# calibration.md


def test_the_examples_with_samples_run(folder: Path) -> None:
    page = DOCS / "calibration.md"
    loader, pruning, reading = blocks(page)
    put_model_and_samples(folder)
    (folder / "loaders.py").write_text(loader, encoding="utf-8")
    execute(reading, page, execute(pruning, page))


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("## Criteria", CRITERIA.keys()),
        ("## Repair", RECOVERIES.keys() | {"none"}),
        ("## As much as possible within a drop", METRICS.keys()),
    ],
)
def test_every_name_that_an_option_takes_is_in_its_table(heading: str, names: set[str]) -> None:
    first_column = {name for row in rows(DOCS / "calibration.md", heading) for name in quoted(row[0])}
    assert {name for name in first_column if not name.startswith("--")} == names


# add-a-criterion.md


def test_the_examples_of_a_criterion_and_of_a_recovery_method_pass_their_tests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "criteria"))
    page = DOCS / "add-a-criterion.md"
    known = [(registry, set(registry)) for registry in (CRITERIA, NEEDS, RECOVERIES)]
    try:
        made = [item for block in blocks(page) for item in execute(block, page).items()]
        tests = [test for name, test in made if name.startswith("test_")]
        assert len(tests) == 3
        for test in tests:
            test()
    finally:
        for registry, names in known:
            for name in set(registry) - names:
                del registry[name]


# plan.md


def test_the_plan_that_is_shown_is_the_plan_of_the_worked_example(example: dict[str, Any], folder: Path) -> None:
    onnx.save(example["model"], folder / "model.onnx")
    plan = json.loads(onnxprune.prune("model.onnx", amount=0.3, round_to="none", calibration="none").plan.as_text())
    (shown,) = (json.loads(block) for block in blocks(DOCS / "plan.md", "json"))
    for data in (shown, plan):
        del data["model"]["sha256"]  # of the file as one version of onnx writes it
    assert shown == plan


@pytest.mark.parametrize(
    "name", ["worked example", *MODELS, pytest.param("vision_transformer", marks=pytest.mark.slow)]
)
def test_plans_are_edited_and_checked_as_shown(name: str, example: dict[str, Any], folder: Path) -> None:
    if name != "worked example":
        shutil.copy(ROOT / "models" / f"{name}.onnx", folder / "model.onnx")
    else:
        onnx.save(example["model"], folder / "model.onnx")
    for code in blocks(DOCS / "plan.md"):
        execute(code, DOCS / "plan.md")


def test_the_check_of_a_plan_sees_a_wrong_weight(example: dict[str, Any], folder: Path) -> None:
    onnx.save(example["model"], folder / "model.onnx")
    _, pruning, checking, *_ = blocks(DOCS / "plan.md")
    execute(pruning, DOCS / "plan.md")
    pruned = onnx.load("pruned.onnx")
    weight = next(tensor for tensor in pruned.graph.initializer if tensor.name == "d.w")
    values = onnx.numpy_helper.to_array(weight)[::-1]
    weight.CopyFrom(onnx.numpy_helper.from_array(values.copy(), "d.w"))
    onnx.save(pruned, "pruned.onnx")
    with pytest.raises(AssertionError, match=r"d\.w"):
        execute(checking, DOCS / "plan.md")
