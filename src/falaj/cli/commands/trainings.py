"""Trainings: list, start, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import ago, clock, emit, emit_json, emit_table, styled

if TYPE_CHECKING:
    from falaj.schemas.retraining import ModelTriggers, TrainingRequest, TriggerState


def list_trainings(
    model: Annotated[str, typer.Argument(help="Of this model only.")] = "", json: JsonOption = False
) -> None:
    """List what starts trainings, what waits and why, and what is left of the budget."""
    trigger_list = open_client().trainings.triggers(model)
    if json:
        emit_json(trigger_list)
        return
    for each in trigger_list:
        _tell(each)
    if not trigger_list:
        emit("no model has been released")


def resume(
    model: Annotated[str, typer.Argument(help="The model whose trainings have been looked at.")],
    json: JsonOption = False,
) -> None:
    """Resume trainings that were suspended after failures or unsuccessful candidates."""
    model_triggers = open_client().trainings.resume(model)
    if json:
        emit_json(model_triggers)
        return
    _tell(model_triggers)


def start(
    model: Annotated[str, typer.Argument(help="The model to train again.")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the evidence.")] = "requested",
    window: Annotated[
        str, typer.Option(help="Rows to learn from: all, 'sliding 90d', 'since drift', 'weighted 60d'.")
    ] = "",
    beyond_budget: Annotated[
        bool, typer.Option("--beyond-budget", help="Although the budget of the week is used up.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Start a training of a model at the commit that was built last."""
    training_request = open_client().trainings.request(model, reason, window, beyond_budget=beyond_budget)
    if json:
        emit_json(training_request)
        return
    _answer(training_request)


def _answer(training_request: TrainingRequest) -> None:
    if training_request.run:
        emit(f"run {training_request.run} trains {training_request.model}: {training_request.reason}")
        if training_request.window.get("reason"):
            emit(f"  it learns from {training_request.window['reason']}")
        return
    until = f", until {clock(training_request.wake_at)}" if training_request.wake_at else ""
    emit(f"the training of {training_request.model} is {training_request.state}{until}: {training_request.reason}")


def _tell(model_triggers: ModelTriggers) -> None:
    emit(styled(f"{model_triggers.model}@{model_triggers.release} of {model_triggers.project}", "bold"))
    minutes = f"{model_triggers.minutes_in_week:.0f} of {model_triggers.minutes_a_week:.0f} minutes"
    emit(f"in seven days: {model_triggers.runs_in_week} of {model_triggers.runs_a_week} trainings, {minutes}")
    rows = [
        (_name(each), _would(each), clock(each.next_due_at), _time(each.last_asked_at), _time(each.last_started_at))
        for each in model_triggers.triggers
    ]
    emit_table(("trigger", "now", "next due", "last requested", "last started"), rows, empty="nothing")
    request_rows = [
        (each.id, each.kind, each.state, ago(each.requested_at), str(each.times), each.run or "-", each.reason)
        for each in model_triggers.requests
    ]
    emit_table(
        ("request", "kind", "state", "requested", "times", "run", "because"),
        request_rows,
        empty="no requests yet",
    )


def _name(trigger: TriggerState) -> str:
    """A trigger in a few words: `labels every=50000`."""
    shown = ("every", "loss_above", "cron", "timezone", "source", "upstream")
    conditions: list[Any] = [f"{name}={trigger.settings[name]}" for name in shown if name in trigger.settings]
    return " ".join([trigger.on, *conditions])


def _would(trigger: TriggerState) -> str:
    if trigger.problem:
        return trigger.problem
    if trigger.would == "start":
        return "would start a training"
    until = f" until {clock(trigger.until)}" if trigger.until else ""
    return f"would {'wait' if trigger.would == 'wait' else 'be refused'}{until}: {trigger.why}"


def _time(at: float | None) -> str:
    return "-" if at is None else ago(at)
