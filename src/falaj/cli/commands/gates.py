"""Regression gates: gates list, accept, reject, retire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import ago, emit, emit_json, emit_table

if TYPE_CHECKING:
    from falaj.schemas.gates import RegressionGate

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
    regression_gate = open_client().gates.decide(gate, decision, reason)
    if json:
        emit_json(regression_gate)
        return
    emit(
        f"gate {regression_gate.id} of {regression_gate.model} is {regression_gate.state}: "
        f"{_condition(regression_gate)} on {regression_gate.rows} rows"
    )
    emit(
        f"  the stable release had {regression_gate.stable:g} there, the failed candidate {regression_gate.candidate:g}"
    )


def _condition(regression_gate: RegressionGate) -> str:
    return f"{regression_gate.metric} loss <= {regression_gate.limit:g} where {regression_gate.predicate}"
