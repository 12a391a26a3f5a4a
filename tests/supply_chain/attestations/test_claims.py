"""What is signed on the worker's word is said in words."""

from __future__ import annotations

from typing import Any

from falaj.supply_chain.attestations import EVAL, SCAN, TESTS, TRAIN, Statement, claimed, statement


def about(kind: str, predicate: dict[str, Any]) -> Statement:
    return statement(kind, [("m", f"sha256:{'a' * 64}")], predicate)


def test_claims_are_named_and_what_was_computed_is_not() -> None:
    gates = [{"text": "auc >= 0.7 on t", "claimed_by": ""}, {"text": "m:profit >= 1 on t", "claimed_by": "worker"}]
    checks = [{"name": "model-files", "claimed_by": ""}, {"name": "secrets", "claimed_by": "worker"}]
    statements = [
        about(TRAIN, {"claimed_by": "worker"}),
        about(EVAL, {"claimed_by": "worker", "gates": gates}),
        about(SCAN, {"checks": checks}),
        about(TESTS, {"checks": [{"name": "tests", "claimed_by": "worker"}]}),
    ]
    assert claimed(statements) == (
        "how it was trained, and its own metrics",
        "which answers and labels its gates were computed from, and what was live",
        "the value of `m:profit >= 1 on t`",
        "the check secrets",
        "the check tests",
    )
    assert claimed([about(TRAIN, {}), about(SCAN, {"checks": checks[:1]})]) == ()
