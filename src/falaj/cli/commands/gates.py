"""Captured gates: gates list, accept, reject, retire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import ago, emit, emit_json, emit_table

if TYPE_CHECKING:
    from falaj.schemas.gates import CapturedGate

GateArgument = Annotated[str, typer.Argument(help="Id of the gate.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the audit log.")]


def list_gates(
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    json: JsonOption = False,
) -> None:
    """List regression gates."""
    gate_list = open_client().gates.list(model)
    if json:
        emit_json(gate_list)
        return
    rows = [(each.id, each.model, each.state, _condition(each), each.rows, ago(each.created_at)) for each in gate_list]
    header = ("gate", "model", "state", "every candidate must have", "rows", "captured")
    emit_table(header, rows, empty="no regression gates: a candidate that labels show to be worse proposes one")


def accept(gate: GateArgument, json: JsonOption = False) -> None:
    """Accept a gate: every later candidate of the model must pass it."""
    _decide(gate, "accept", "", json)


def reject(gate: GateArgument, reason: ReasonOption, json: JsonOption = False) -> None:
    """Reject a proposed gate."""
    _decide(gate, "reject", reason, json)


def retire(gate: GateArgument, reason: ReasonOption, json: JsonOption = False) -> None:
    """Retire an accepted gate."""
    _decide(gate, "retire", reason, json)


def _decide(gate: str, decision: str, reason: str, json: bool) -> None:
    captured_gate = open_client().gates.decide(gate, decision, reason)
    if json:
        emit_json(captured_gate)
        return
    emit(
        f"gate {captured_gate.id} of {captured_gate.model} is {captured_gate.state}: {_condition(captured_gate)} on "
        f"{captured_gate.rows} rows"
    )
    emit(f"  the stable release had {captured_gate.stable:g} there, the failed candidate {captured_gate.candidate:g}")


def _condition(captured_gate: CapturedGate) -> str:
    return f"{captured_gate.metric} loss <= {captured_gate.limit:g} where {captured_gate.predicate}"
