"""Monitors, drift, performance, alerts and triage."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.connection import open_client
from falaj.cli.heat_map import heat_map
from falaj.cli.heat_picture import heat_picture
from falaj.cli.options import JsonOption, LimitOption
from falaj.cli.output import ago, clock, emit, emit_json, emit_table, shortened, styled
from falaj.cli.paging import first_rows
from falaj.cli.recalibration_view import recalibration_lines
from falaj.config.quantities import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from falaj.schemas.monitoring import Alert, DriftWindow, Recalibration

ModelArgument = Annotated[str, typer.Argument(help="Name of the model.")]
AlertArgument = Annotated[str, typer.Argument(help="Id of the alert.")]
EnvironmentOption = Annotated[str, typer.Option("--environment", "-e", help="The environment.")]
WindowsOption = Annotated[int, typer.Option("--windows", "-n", min=1, max=500, help="So many of the last windows.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-m", help="Why; it goes into the audit log.")]
_COLOURS = {"critical": "red", "warning": "yellow", "info": "cyan"}
CAUSES = ("none", "covariate-shift", "unknown", "performance-loss", "concept-drift", "upstream-fault")


def list_monitors(
    environment: EnvironmentOption = "",
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    json: JsonOption = False,
) -> None:
    """List the monitors of each endpoint with their status."""
    monitor_list = open_client().monitoring.monitors(environment, model)
    if json:
        emit_json(monitor_list)
        return
    rows = [
        (each.endpoint, each.location, each.release, each.status.replace("_", " "), each.windows, ago(each.last_window),
         ", ".join(each.drifting) or "-", shortened(each.reason, 60))
        for each in monitor_list
    ]  # fmt: skip
    header = ("endpoint", "location", "release", "status", "windows", "last window", "drifting", "reason")
    emit_table(header, rows, empty="no endpoint is watched yet: a release is, from when it serves")
    for promise in sorted({each.guarantee for each in monitor_list if each.guarantee}):
        emit(f"promise: {promise}")


def drift(
    model: ModelArgument,
    environment: EnvironmentOption = "prod",
    windows: WindowsOption = 30,
    svg: Annotated[str, typer.Option(help="Draw the windows of the location into this file, too.")] = "",
    json: JsonOption = False,
) -> None:
    """Show how each feature compares with the reference, and over time."""
    drift_windows = open_client().monitoring.drift(model, environment, windows)
    if svg and drift_windows:
        _draw(svg, model, drift_windows)
    if json:
        emit_json(drift_windows)
        return
    if not drift_windows:
        emit(f"no window of {model} in {environment} has been judged yet")
        return
    _last_window(drift_windows[-1])
    for location in sorted({each.location for each in drift_windows}):
        mine = [each for each in drift_windows if each.location == location]
        emit()
        emit(styled(f"{len(mine)} windows at {location}, until {clock(mine[-1].end)}", "bold"))
        for line in heat_map(mine):
            emit(line)


def _draw(svg: str, model: str, drift_windows: Sequence[DriftWindow]) -> None:
    """Draw the windows of the location that was heard of last."""
    mine = [each for each in drift_windows if each.location == drift_windows[-1].location]
    Path(svg).write_text(heat_picture(model, mine), encoding="utf-8")


def _last_window(window: DriftWindow) -> None:
    emit(styled(f"release {window.release}, {clock(window.start)} to {clock(window.end)}, {window.rows} rows", "bold"))
    order = ("drifted", "steady", "not_tested")
    features = sorted(window.report["features"], key=lambda each: (order.index(each["verdict"]), -each["effect"]))
    header = ("feature", "verdict", "effect", "least", "moved", "p", "evidence")
    emit_table(header, [_feature(each) for each in features], empty="this window has no profile")
    for each in window.report["quality"]:
        emit(f"quality: {each['rule']}: {each['message']}")
    verdict = window.report["verdict"]
    emit(f"verdict: {verdict['cause']}, {verdict['action']}: {'; '.join(verdict['reasons'])}")


def _feature(feature_report: dict[str, Any]) -> tuple[str, ...]:
    if feature_report["verdict"] == "not_tested":
        return feature_report["feature"], "not tested", "-", "-", feature_report["reason"], "-", "-"
    numbers = (f"{feature_report['effect']:.3g}", f"{feature_report['least']:.3g}")
    return (
        feature_report["feature"], feature_report["verdict"], *numbers, feature_report["leading"] or "-",
        f"{feature_report['p_value']:.2g}",
        f"{feature_report['evidence']:.3g}",
    )  # fmt: skip


def performance(
    model: ModelArgument, environment: EnvironmentOption = "prod", windows: WindowsOption = 30, json: JsonOption = False
) -> None:
    """Show the loss of each window: by labels, or estimated while they are still to come."""
    calls = open_client().monitoring
    results = calls.performance(model, environment, windows)
    if json:
        emit_json(results)
        return
    rows = [
        (clock(each.end), each.location, each.release, each.rows, each.labelled, each.metric, _number(each.value),
         f"{_number(each.low)} to {_number(each.high)}" if each.low is not None else "-", _number(each.expected),
         each.method, shortened(each.reason, 60))
        for each in results
    ]  # fmt: skip
    header = (
        "until", "location", "release", "rows", "labels", "metric", "value", "interval", "expected", "by", "rests on",
    )  # fmt: skip
    emit_table(header, rows, empty=f"no window of {model} in {environment} has been judged yet")
    _recalibrations(calls.recalibrations(model, environment))


def _recalibrations(recalibrations: Sequence[Recalibration]) -> None:
    for each in recalibrations:
        for line in recalibration_lines(each):
            emit(f"recalibrated: release {each.release} at {each.location}: {line}")
    if recalibrations:
        emit("the losses above are those of the bare model, before recalibration")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def list_alerts(
    everything: Annotated[bool, typer.Option("--all", "-a", help="Include resolved alerts.")] = False,
    environment: EnvironmentOption = "",
    model: Annotated[str, typer.Option(help="Of this model only.")] = "",
    limit: LimitOption = 50,
    json: JsonOption = False,
) -> None:
    """List the open alerts."""
    monitoring = open_client().monitoring
    alert_list = first_rows(
        lambda most: monitoring.alerts(open_only=not everything, environment=environment, model=model, limit=most),
        limit,
    )
    if json:
        emit_json(alert_list)
        return
    rows = [
        (each.id, each.severity, each.state, each.endpoint, each.location, each.release, each.cause, each.action,
         ago(each.opened_at), shortened("; ".join(each.reasons), 60))
        for each in alert_list
    ]  # fmt: skip
    header = (
        "alert", "severity", "state", "endpoint", "location", "release", "cause", "action", "opened", "reasons",
    )  # fmt: skip
    emit_table(header, rows, empty="no alerts")


def show(alert: AlertArgument, json: JsonOption = False) -> None:
    """Show an alert: why, how sure, and what was done."""
    _print_alert(open_client().monitoring.alert(alert), json)


def ack(alert: AlertArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Acknowledge an alert."""
    _print_alert(open_client().monitoring.acknowledge(alert, reason), json)


def resolve(alert: AlertArgument, reason: ReasonOption = "", json: JsonOption = False) -> None:
    """Resolve an alert; its monitors start again."""
    _print_alert(open_client().monitoring.resolve(alert, reason), json)


def mute(
    alert: AlertArgument,
    duration: Annotated[str, typer.Option("--for", help="For how long, such as 2h or 3d.")] = "1d",
    reason: ReasonOption = "",
    json: JsonOption = False,
) -> None:
    """Mute the notifications of an alert for a time; monitors and triage go on."""
    try:
        seconds = parse_duration(duration)
    except ValueError:
        raise typer.BadParameter(f"invalid duration {duration!r}; for example 30m, 2h or 3d") from None
    _print_alert(open_client().monitoring.mute(alert, seconds, reason), json)


def triage(
    alert: AlertArgument,
    overrule: Annotated[str, typer.Option(help=f"Your verdict instead: {', '.join(CAUSES)}.")] = "",
    reason: ReasonOption = "",
    json: JsonOption = False,
) -> None:
    """Show the verdict of triage on an alert and its reasons; with --overrule, replace it by yours."""
    calls = open_client().monitoring
    if not overrule:
        _print_alert(calls.alert(alert), json, facts=True)
        return
    if overrule not in CAUSES:
        raise typer.BadParameter(f"a verdict is one of {', '.join(CAUSES)}")
    if not reason.strip():
        raise typer.BadParameter("--reason says why; a verdict is not overruled without one")
    _print_alert(calls.overrule(alert, overrule, reason), json, facts=True)


def _print_alert(alert: Alert, json: bool, *, facts: bool = False) -> None:
    if json:
        emit_json(alert)
        return
    severity = styled(alert.severity, _COLOURS.get(alert.severity, ""))
    emit(styled(f"alert {alert.id}  {alert.endpoint} release {alert.release} at {alert.location}", "bold"))
    muted = f" until {clock(alert.muted_until)}" if alert.muted_until else ""
    emit(f"  {severity}  {alert.state}{muted}  since {clock(alert.opened_at)}  monitors: {', '.join(alert.fired)}")
    emit(f"  verdict   {alert.cause}" + (f" -> {alert.action}" if alert.action else ""))
    for reason in alert.reasons:
        emit(f"            {reason}")
    if facts:
        _facts(alert)
    for name, effect in sorted(alert.features.items(), key=lambda each: -each[1]):
        proof = alert.data.get("evidence", {}).get(name, {})
        moved = f", {proof['leading']}" if proof.get("leading") else ""
        emit(f"  feature   {name}: effect {effect:.3g}{moved}")
    for promise in alert.data.get("promises", ()):
        emit(f"  promise   {promise}")
    for note in alert.notes:
        emit(f"  {clock(note.at)}  {note.kind} by {note.by}: {note.text}")


def _facts(alert: Alert) -> None:
    facts = alert.data.get("facts", {})
    emit(f"  window    {clock(facts.get('start'))} to {clock(facts.get('end'))}, {facts.get('rows', 0)} rows")
    for each in facts.get("quality", ()):
        emit(f"  quality   {each['rule']}: {each['text']}" + (f" ({each['source']})" if each["source"] else ""))
    loss = facts.get("loss")
    if loss and loss["excess"]:
        low, high = loss["excess"]
        worse = f"worse than the reference by {low:.3g} to {high:.3g}, tolerated {facts['tolerance']:.3g}"
        emit(f"  loss      {loss['metric']} is {worse} ({loss['method']})")
    elif loss:
        emit(f"  loss      {loss['metric']} is unknown: {loss['reason']}")
