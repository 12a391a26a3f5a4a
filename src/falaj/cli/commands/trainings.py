"""Trainings: triggers, triggers resume, retrain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.commands.projects import JsonOption
from falaj.cli.output import ago, clock, emit, emit_json, emit_table, styled

if TYPE_CHECKING:
    from falaj.schemas.retraining import ModelTriggers, TrainingRequest, TriggerState


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(name="triggers", help="What starts trainings; alone, lists it.", invoke_without_command=True)
    group.callback()(triggers)
    group.command("list")(list_triggers)
    group.command()(resume)
    app.add_typer(group)
    app.command()(retrain)


def triggers(context: typer.Context, json: JsonOption = False) -> None:
    """What starts trainings; without a command, of all models."""
    if context.invoked_subcommand is None:
        list_triggers("", json)


def list_triggers(
    model: Annotated[str, typer.Argument(help="Of this model only.")] = "", json: JsonOption = False
) -> None:
    """Show what would start a training, when it last did, why something waits, and what is left of the budget."""
    from falaj.sdk import Client

    found = Client.from_home().trainings.triggers(model)
    if json:
        emit_json(found)
        return
    for each in found:
        _tell(each)
    if not found:
        emit("no model has been released")


def resume(
    model: Annotated[str, typer.Argument(help="The model whose trainings have been looked at.")],
    json: JsonOption = False,
) -> None:
    """Let trainings start again that failures, or candidates that did not win, have stopped."""
    from falaj.sdk import Client

    found = Client.from_home().trainings.resume(model)
    if json:
        emit_json(found)
        return
    _tell(found)


def retrain(
    model: Annotated[str, typer.Argument(help="The model to train again.")],
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the evidence.")] = "asked for",
    window: Annotated[
        str, typer.Option(help="Rows to learn from: all, 'sliding 90d', 'since drift', 'weighted 60d'.")
    ] = "",
    beyond_budget: Annotated[
        bool, typer.Option("--beyond-budget", help="Although the budget of the week is used up.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Ask for a training of a model at the commit that was built last."""
    from falaj.sdk import Client

    found = Client.from_home().trainings.request(model, reason, window, beyond_budget=beyond_budget)
    if json:
        emit_json(found)
        return
    _answer(found)


def _answer(found: TrainingRequest) -> None:
    if found.run:
        emit(f"run {found.run} trains {found.model}: {found.reason}")
        if found.window.get("reason"):
            emit(f"  it learns from {found.window['reason']}")
        return
    until = f", until {clock(found.wake_at)}" if found.wake_at else ""
    emit(f"the training of {found.model} is {found.state}{until}: {found.reason}")


def _tell(found: ModelTriggers) -> None:
    emit(styled(f"{found.model}@{found.release} of {found.project}", "bold"))
    minutes = f"{found.minutes_in_week:.0f} of {found.minutes_a_week:.0f} minutes"
    emit(f"in seven days: {found.runs_in_week} of {found.runs_a_week} trainings, {minutes}")
    rows = [
        (_name(each), _would(each), _time(each.last_asked_at), _time(each.last_started_at)) for each in found.triggers
    ]
    emit_table(("trigger", "now", "last asked", "last started"), rows, empty="nothing")
    asked = [
        (each.id, each.kind, each.state, ago(each.requested_at), str(each.times), each.run or "-", each.reason)
        for each in found.requests
    ]
    emit_table(
        ("request", "kind", "state", "asked", "times", "run", "because"), asked, empty="nothing has been asked for"
    )


def _name(trigger: TriggerState) -> str:
    """A trigger in a few words: `labels every=50000`."""
    shown = ("every", "loss_above", "cron", "timezone", "source", "upstream")
    said: list[Any] = [f"{name}={trigger.wish[name]}" for name in shown if name in trigger.wish]
    return " ".join([trigger.on, *said])


def _would(trigger: TriggerState) -> str:
    if trigger.problem:
        return trigger.problem
    if trigger.would == "start":
        return "would start a training"
    until = f" until {clock(trigger.until)}" if trigger.until else ""
    return f"would {'wait' if trigger.would == 'wait' else 'be refused'}{until}: {trigger.why}"


def _time(at: float | None) -> str:
    return "-" if at is None else ago(at)
