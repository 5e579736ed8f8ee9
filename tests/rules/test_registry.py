"""Registering rules."""

from __future__ import annotations

import pytest

from onnxprune.rules import RULES
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site


@pytest.mark.parametrize(
    ("op_type", "domain", "named"), [("Relu", "", "ai.onnx::Relu"), ("QGemm", "com.microsoft", "com.microsoft::QGemm")]
)
def test_a_second_rule_for_an_operator_is_an_error_and_changes_nothing(op_type: str, domain: str, named: str) -> None:
    def other(site: Site) -> None:
        site.out(None)

    before = dict(RULES)
    with pytest.raises(ValueError, match=f"two rules for {named}"):
        rule(op_type, domain=domain)(other)
    assert before == RULES


def test_a_rule_is_known_by_every_name_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxprune.rules.registry.RULES", {})
    from onnxprune.rules import registry

    def both(site: Site) -> None:
        site.out(None)

    assert registry.rule("First", "Second", domain="acme")(both) is both
    assert {("acme", "First"): both, ("acme", "Second"): both} == registry.RULES
