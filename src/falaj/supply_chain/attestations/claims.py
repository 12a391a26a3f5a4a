"""What evidence says on somebody's word: who signed it did not compute it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from falaj.supply_chain.attestations.predicates import COMPARISON, EVAL, PROVENANCE, SCAN, TESTS, TRAIN
from falaj.supply_chain.attestations.statement import Statement


def claimed(statements: Iterable[Statement]) -> tuple[str, ...]:
    """What was signed as a claim, in words for people, each once.

    Args:
        statements: Of a release, of any types.
    """
    return tuple(dict.fromkeys(words for each in statements for words in _claims(each)))


def _claims(statement: Statement) -> Iterator[str]:
    predicate = statement.predicate
    match statement.predicate_type:
        case value if value == TRAIN and predicate.get("claimed_by"):
            yield "how it was trained, and its own metrics"
        case value if value == COMPARISON and predicate.get("claimed_by"):
            yield "how its backtest model did"
        case value if value == PROVENANCE:
            yield from _of_provenance(predicate)
        case value if value == EVAL:
            yield from _of_eval(predicate)
        case value if value in (TESTS, SCAN):
            yield from (f"the check {each['name']}" for each in predicate.get("checks", ()) if each.get("claimed_by"))
        case _:
            return


def _of_provenance(predicate: Mapping[str, Any]) -> Iterator[str]:
    internal = predicate.get("buildDefinition", {}).get("internalParameters", {})
    if internal.get("claimed_by"):
        recomputed = " and ".join(internal.get("recomputed", ()))
        yield f"its commit and circumstances{f' (recomputed: {recomputed})' if recomputed else ''}"


def _of_eval(predicate: Mapping[str, Any]) -> Iterator[str]:
    if predicate.get("claimed_by"):
        yield "which answers and labels its gates were computed from, and what was live"
    gates = (each for each in predicate.get("gates", ()) if each.get("claimed_by"))
    yield from (f"the value of `{each['text']}`" for each in gates)
