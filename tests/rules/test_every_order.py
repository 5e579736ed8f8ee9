"""Every rule, on the same small graphs: what it leaves free may stand in any order."""

from __future__ import annotations

import pytest
from reordering import check_reordered
from rule_cases import CASES, Case


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_units_may_stand_in_any_order(case: Case) -> None:
    _, orders = check_reordered(case.model())
    assert len(orders) >= len(case.dims)
