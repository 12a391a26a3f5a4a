"""Which gates ask for less than before."""

from __future__ import annotations

import pytest

from falaj.control.changes.gate_differences import marked_gates


def gates(*texts: str) -> list[dict[str, str]]:
    return [{"text": text, "reason": "0.7"} for text in texts]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        ("auc >= 0.6 on split.test", "auc >= 0.7 on split.test"),
        ("brier <= 0.3 on split.test", "brier <= 0.2 on split.test"),
        ("brier not worse than live by 0.1 on split.test", "brier not worse than live on split.test"),
        ("profit >= 1 on split.test", "profit >= 2 on split.test"),
        ("auc >= 0.6 on split.test by city where rows >= 500", "auc >= 0.6 on split.test by city where rows >= 50"),
    ],
)
def test_a_gate_that_asks_for_less_is_marked_and_one_for_more_is_not(now: str, before: str) -> None:
    (marked,) = marked_gates(gates(now), gates(before))
    assert marked["looser"] == before and marked["text"] == now
    assert "looser" not in marked_gates(gates(before), gates(now))[0]


def test_a_gate_that_is_gone_is_named_and_the_first_release_has_nothing_to_compare() -> None:
    same, gone = marked_gates(gates("auc >= 0.6 on a"), gates("auc >= 0.6 on a", "auc >= 0.6 on b"))
    assert "looser" not in same and gone["text"] == "auc >= 0.6 on b" and gone["dropped"]
    assert marked_gates(gates("auc >= 0.6 on a"), []) == gates("auc >= 0.6 on a")
    odd = gates("what a failure left behind")
    assert marked_gates(odd, odd) == odd
