"""Which gates of a release ask for less than those of the release that it would replace (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from falaj.config.gates import GateSyntaxError, parse_gate
from falaj.config.spec import GateSpec, OwnMetric


def marked_gates(gates: Sequence[Mapping[str, Any]], before: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The gates of a release with a mark on each that asks for less, and those that are asked for no more.

    Args:
        gates: Of the release, with their text.
        before: Of the release that serves now; empty where none does.

    Returns:
        The gates, `looser` says what was asked for before; at the end, with `dropped`, those without a successor.
    """
    parsed = {_key(gate): gate for gate in _parsed(gates)}
    looser, dropped = {}, []
    for gate in _parsed(before):
        successor = parsed.get(_key(gate))
        if successor is None:
            dropped.append({"text": gate.text, "reason": "is not asked for any more", "dropped": True})
        elif is_looser(successor, gate):
            looser[successor.text] = gate.text
    marked = [{**gate, "looser": looser[gate["text"]]} if gate["text"] in looser else dict(gate) for gate in gates]
    return [*marked, *dropped]


def is_looser(gate: GateSpec, before: GateSpec) -> bool:
    """Whether a gate lets a model pass that the one before would have stopped."""
    if (gate.min_rows or 0) > (before.min_rows or 0):
        return True
    if gate.limit is None or before.limit is None:
        return (gate.margin or 0.0) > (before.margin or 0.0)
    return gate.limit < before.limit if gate.op.startswith(">") else gate.limit > before.limit


def _key(gate: GateSpec) -> tuple[object, ...]:
    """What a gate is about, without how much it asks for."""
    return gate.metric, gate.output, gate.data, gate.by, gate.not_worse_than


def _parsed(gates: Iterable[Mapping[str, Any]]) -> list[GateSpec]:
    """Those that can be read as gates; a regression gate of a failure has words of its own."""
    return [spec for gate in gates if (spec := _spec(str(gate["text"]))) is not None]


def _spec(text: str) -> GateSpec | None:
    declared = {text.split(" ", 1)[0]: OwnMetric("project.metrics:metric", higher_is_better=True)}
    for own in ({}, declared):
        try:
            return parse_gate(text, own)
        except GateSyntaxError:
            continue
    return None
