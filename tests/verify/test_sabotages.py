"""A tool that is broken on purpose writes nothing: the check, or onnxruntime that loads the result, refuses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import error_line, files
from command import run as run_command
from networks import branchy, plain, write
from sabotage import Fault, broken
from sabotages import SABOTAGES

from onnxprune import prune
from onnxprune.apply import constants
from onnxprune.errors import ModelError, VerificationError
from onnxprune.result import Result
from onnxprune.rules import Site
from onnxprune.verify import check


def half_of(model: Any) -> Result:
    """Prune every dim by half; nothing is repaired."""
    return prune(model, 0.5, budget="channels", scope="layer", round_to="none", calibration="none", seed=1)


def verdict(model: Any) -> str:
    """What the check says of pruning by half."""
    verified = half_of(model).report.verified
    assert verified is not None
    return str(verified["verdict"])


@pytest.mark.parametrize("name", SABOTAGES)
def test_no_result_comes_of_a_mistake(name: str) -> None:
    sabotage = SABOTAGES[name]
    with broken(sabotage.fault) as calls, pytest.raises((VerificationError, ModelError)):
        half_of(sabotage.build())
    assert calls.count


@pytest.mark.parametrize("name", {sabotage.build: name for name, sabotage in SABOTAGES.items()}.values())
def test_the_same_graph_is_proved_when_nothing_is_broken(name: str) -> None:
    assert verdict(SABOTAGES[name].build()) == "proved"


def test_nothing_is_written_of_a_mistake(tmp_path: Path) -> None:
    model = write(plain(), tmp_path / "model.onnx")
    roll = Fault(constants, "_changed", lambda real, *args: np.roll(real(*args), 1))
    with broken(roll):
        result = run_command(model, "--calibration", "none", "--plan", tmp_path / "plan.json")
    assert "mistake of onnxprune's" in error_line(result)
    assert files(tmp_path) == {"model.onnx"}


def test_a_mistake_passes_where_the_check_is_left_out() -> None:
    with broken(Fault(constants, "_changed", lambda real, *args: np.roll(real(*args), 1))):
        assert prune(plain(), check=False, calibration="none").report.verified is None


def blind(real: Callable, *_: Any) -> Any:
    """Find everything equal."""
    return check.Difference(0.0, 0.0)


def test_a_check_that_finds_everything_equal_does_not_call_it_proved() -> None:
    with broken(Fault(check, "difference", blind)):
        assert verdict(branchy()) == "vacuous"


def test_a_check_that_damages_nothing_does_not_call_it_proved() -> None:
    with broken(Fault(check, "damaged", lambda _, model, key: model)):
        assert verdict(branchy()) == "vacuous"


def test_a_rule_that_freezes_too_much_prunes_less_and_right() -> None:
    def frozen(real: Callable, site: Site, axes: Any, *rest: Any) -> None:
        site.freeze(axes or (), "too much")
        real(site, axes, *rest)

    with broken(Fault(Site, "out", frozen), 3):
        less = half_of(branchy())
    assert less.report.verified is not None and less.report.verified["verdict"] == "proved"
    assert len(less.masks) < len(half_of(branchy()).masks)
