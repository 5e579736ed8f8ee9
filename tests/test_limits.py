"""Targets as people write them: numbers with units, multiples of the dense model, and texts that are neither."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onnxprune.errors import UsageError
from onnxprune.limits import EXAMPLES, UNITS, Limit, is_met, limit_of
from onnxprune.options import Options, width_rule

MEASURES = tuple(UNITS)


@pytest.mark.parametrize(
    ("measure", "text", "most"),
    [
        ("params", "1500", 1500),
        ("params", "2M", 2e6),
        ("params", "2 m", 2e6),
        ("params", "7B", 7e9),
        ("params", "1.5e6", 1.5e6),
        ("params", "2e3K", 2e6),
        ("macs", "1.5G", 1.5e9),
        ("macs", "2T", 2e12),
        ("latency", "8ms", 8),
        ("latency", "8", 8),
        ("latency", "500us", 0.5),
        ("latency", "0.02s", 20),
        ("latency", ".5 ms", 0.5),
        ("size", "10MB", 10 * 1024**2),
        ("size", "10MiB", 10 * 1024**2),
        ("size", "10m", 10 * 1024**2),
        ("size", "3kB", 3 * 1024),
        ("size", "12345", 12345),
        ("size", "12345B", 12345),
        ("size", "0.5G", 1024**3 / 2),
    ],
)
def test_a_number_with_a_unit_is_absolute(measure: str, text: str, most: float) -> None:
    assert limit_of(measure, text) == Limit(measure, pytest.approx(most))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("text", "most"), [("0.5x", 0.5), (".5X", 0.5), ("1 x", 1.0), ("25e-2x", 0.25)])
def test_a_multiple_is_of_what_the_dense_model_has(measure: str, text: str, most: float) -> None:
    limit = limit_of(measure, text)
    assert limit == Limit(measure, most, is_relative=True)
    assert limit.within(40) == 40 * most


@pytest.mark.parametrize("measure", MEASURES)
def test_every_unit_is_taken_in_capitals_and_in_small_letters(measure: str) -> None:
    for unit, worth in UNITS[measure].items():
        assert limit_of(measure, f"3{unit}") == limit_of(measure, f"3{unit.lower()}") == Limit(measure, 3 * worth)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_example_in_the_error_can_be_read(measure: str) -> None:
    assert limit_of(measure, EXAMPLES[measure]).most > 0


def test_a_number_of_the_api_is_taken_as_it_is() -> None:
    assert limit_of("params", 2_000_000) == Limit("params", 2e6)
    assert limit_of("latency", 0.25) == Limit("latency", 0.25)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "text", ["", "x", "fast", "-1", "0", "0x", "nan", "inf", "1e999", "1,5M", "2 x 3", "5%", "1..5", "½", "٣", "1/2x"]
)
def test_what_is_no_target_is_refused_by_name(measure: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--target-{measure}"):
        limit_of(measure, text)


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        ("params", "2ms"),
        ("macs", "3MB"),
        ("latency", "8M"),
        ("latency", "2\N{LATIN SMALL LETTER LONG S}"),
        ("size", "1T\n2"),
    ],
)
def test_a_unit_of_something_else_is_refused(measure: str, text: str) -> None:
    with pytest.raises(UsageError):
        limit_of(measure, text)


@given(
    st.sampled_from(MEASURES), st.text(max_size=12) | st.from_regex(r"[0-9.eE+x ]{1,8}[A-Za-z]{0,3}", fullmatch=True)
)
@example("params", "1e+")
@example("size", "9" * 400)
def test_any_text_is_a_target_above_0_or_a_usage_error(measure: str, text: str) -> None:
    try:
        limit = limit_of(measure, text)
    except UsageError:
        return
    assert 0 < limit.most < math.inf


def test_a_limit_is_as_well_the_share_that_it_asks_to_remove() -> None:
    assert Limit("params", 30).removes(40) == 0.25
    assert Limit("params", 0.25, is_relative=True).removes(40) == 0.75
    assert Limit("params", 60).removes(40) == -0.5


def test_of_nothing_an_absolute_limit_removes_nothing_and_a_relative_one_what_it_says() -> None:
    assert Limit("macs", 30).removes(0) == 0
    assert Limit("macs", 0.25, is_relative=True).removes(0) == 0.75


# What of it is met


@pytest.mark.parametrize(
    ("requested", "removed", "met"),
    [
        (0.5, 0.5, True),
        (0.5, 0.491, True),
        (0.5, 0.489, False),
        (0.99, 0.9891, True),
        (0.99, 0.988, False),
        (0.5, 0.9, True),
    ],
)
def test_a_limit_may_be_missed_by_a_hundredth_or_a_tenth_of_what_is_to_remain(
    requested: float, removed: float, met: bool
) -> None:
    assert is_met(requested, removed) == met


# As options


def test_targets_and_an_amount_are_limits_together() -> None:
    options = Options(amount=0.4, budget="macs", target_size="10MB", target_params="0.5x")
    assert options.limits() == [
        Limit("macs", 0.6, is_relative=True),
        Limit("params", 0.5, is_relative=True),
        Limit("size", 10 * 1024**2),
    ]


def test_a_target_takes_the_place_of_the_usual_amount() -> None:
    assert Options(target_latency="8ms").limits() == [Limit("latency", 8)]
    assert Options().limits() == [Limit("params", 0.5, is_relative=True)]


def test_an_amount_of_0_is_a_limit_where_there_is_no_target() -> None:
    assert Options(amount=0).limits() == [Limit("params", 1.0, is_relative=True)]


def test_a_bad_target_is_refused_when_the_options_are_made() -> None:
    with pytest.raises(UsageError, match="--target-macs many"):
        Options(target_macs="many")


def test_a_search_for_the_amount_takes_no_target() -> None:
    with pytest.raises(UsageError, match="--max-drop"):
        Options(max_drop=0.1, target_params="0.5x")


@pytest.mark.parametrize("target", ["target_params", "target_macs", "target_latency", "target_size"])
def test_zeros_take_no_target(target: str) -> None:
    with pytest.raises(UsageError, match=target.replace("_", "-")):
        Options(granularity="element", **{target: "0.5x"})  # type: ignore[arg-type]


@pytest.mark.parametrize(("round_to", "width"), [("auto", 1), ("none", 1), (8, 8)])
def test_the_width_rule_is_a_number_only_where_one_is_given(round_to: int | str, width: int) -> None:
    assert Options(round_to=round_to).width == width


@pytest.mark.parametrize("round_to", ["", "8", "wide", 0, -4])
def test_a_width_rule_that_is_none_is_refused(round_to: int | str) -> None:
    with pytest.raises(UsageError, match="--round-to"):
        Options(round_to=round_to)


@given(st.text(max_size=6))
@example("--3")
@example("²")
@example(" 16 ")
def test_any_text_of_a_width_rule_is_a_number_or_refused_in_one_line(text: str) -> None:
    rule = width_rule(text)
    try:
        Options(round_to=rule)
    except UsageError:
        return
    assert rule in ("auto", "none") or int(text) == rule
