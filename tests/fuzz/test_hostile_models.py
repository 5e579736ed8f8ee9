"""Hostile models: every command on every kind of mutated model ends in one clear line, or in a correct result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest
from cases import ENDLESS, Case, Fuzzer, runs
from commands import COMMANDS, draft_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_mutations import MUTATIONS
from oracle import RIGHT, Ending, Outcome
from seed_models import SEEDS, models_in

CASES, MANY = 120, 1200
MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    with Fuzzer(tmp_path_factory.mktemp("fuzz")) as running:
        yield running


def check(case: Case, ending: Ending) -> None:
    assert ending.outcome in RIGHT, f"{case}: {ending.outcome.value}\n{ending.said[-2000:]}"


def run_many(fuzzer: Fuzzer, first: int, wanted: int) -> list[Ending]:
    """Run so many cases whose mutations found something to change, and check each."""

    def endings() -> Iterator[Ending]:
        for case in map(Case.of, count(first)):
            ending = fuzzer.run(case)
            if ending is not None:
                check(case, ending)
                yield ending

    return list(islice(endings(), wanted))


@pytest.mark.parametrize("seed_model", SEEDS)
@pytest.mark.parametrize("command", ["inspect", "check", "prune -c none"])
def test_models_that_are_not_hostile_are_pruned(seed_model: str, command: str, fuzzer: Fuzzer) -> None:
    ending = fuzzer.run(Case(0, command, seed_model, ()), draft_of(seed_model))
    assert ending is not None and ending.outcome is Outcome.OK, ending


def test_hundreds_of_hostile_models_end_in_one_line_or_in_a_correct_result(fuzzer: Fuzzer) -> None:
    endings = run_many(fuzzer, 0, CASES)
    assert {ending.outcome for ending in endings} == set(RIGHT)


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_changes_some_model_and_is_withstood(name: str, fuzzer: Fuzzer) -> None:
    for number, seed_model in enumerate(SEEDS):
        case = Case(number, "inspect", seed_model, (name,))
        ending = fuzzer.run(case)
        if ending is not None:
            check(case, ending)
            return
    pytest.fail(f"'{name}' found nothing to change in any seed model")


@given(
    st.sampled_from(list(SEEDS)),
    st.sampled_from(list(COMMANDS)),
    st.lists(st.sampled_from(list(MUTATIONS)), min_size=1, max_size=4),
    st.integers(0, 10_000),
)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_mutations_together_are_withstood(
    fuzzer: Fuzzer, seed_model: str, command: str, names: list[str], number: int
) -> None:
    if runs(command):
        names = [name for name in names if name != ENDLESS]
    case = Case(number, command, seed_model, tuple(names))
    ending = fuzzer.run(case)
    if ending is not None:
        check(case, ending)


@pytest.mark.slow
def test_thousands_of_hostile_models_end_in_one_line_or_in_a_correct_result(fuzzer: Fuzzer) -> None:
    run_many(fuzzer, 10_000, MANY)


@pytest.mark.slow
def test_trained_models_made_hostile_are_withstood(fuzzer: Fuzzer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, make in models_in(MODELS).items():
        monkeypatch.setitem(SEEDS, name, make)
        for number in range(60):
            case = replace(Case.of(number), seed_model=name)
            ending = fuzzer.run(case)
            if ending is not None:
                check(case, ending)
