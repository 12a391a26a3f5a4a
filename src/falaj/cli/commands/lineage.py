"""Why an endpoint serves its release, where a prediction comes from, and lineage."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.commands.changes import endpoint_of, moment
from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import clock, duration, emit, emit_json, emit_table, styled
from falaj.cli.recalibration_view import recalibration_lines

if TYPE_CHECKING:
    from falaj.schemas.changes import Change
    from falaj.schemas.lineage import TracedData, TracedStep, Why


def why(
    endpoint: Annotated[str, typer.Argument(help="ENVIRONMENT/MODEL.")],
    at: Annotated[str, typer.Option(help="At this time, as 2026-12-05T09:00+04:00; by default now.")] = "",
    json: JsonOption = False,
) -> None:
    """Explain why an endpoint serves its release: trigger, run, gates, change, approvers, previous release."""
    environment, model = endpoint_of(endpoint)
    stories = open_client().lineage.why(environment, model, moment(at) if at else None)
    if json:
        emit_json(stories)
        return
    for story in stories:
        tell(story)


def lineage(
    node: Annotated[str, typer.Argument(help="KIND:NAME, such as release:flight-delay@1 or commit:3f2a...")] = "",
    down: Annotated[bool, typer.Option("--down", help="What it reached, not where it came from.")] = False,
    limit: Annotated[int, typer.Option(help="How many edges at most, the nearest first.")] = 1_000,
    open_lineage: Annotated[str, typer.Option(help="Print the OpenLineage events of this run, one a line.")] = "",
    json: JsonOption = False,
) -> None:
    """Show where something came from, or what it reached."""
    if open_lineage:
        for event in open_client().lineage.open_lineage(open_lineage):
            emit(jsonlib.dumps(event))
        return
    lineage_walk = open_client().lineage.walk(node, down=down, limit=limit)
    if json:
        emit_json(lineage_walk)
        return
    rows = [(each.derived, each.relation, each.origin) for each in lineage_walk.edges]
    emit_table(("this", "", "that"), rows, empty=f"nothing is known of {node}")
    if not lineage_walk.complete:
        emit(f"there is more; --limit {10 * limit} shows more of it")


def trace(prediction: Annotated[str, typer.Argument(help="Prediction id.")], json: JsonOption = False) -> None:
    """Show where a prediction comes from, back to the commit, the steps, the data and its sources."""
    prediction_trace = open_client().trace(prediction)
    if json:
        emit_json(prediction_trace)
        return
    release, run, served = prediction_trace.release, prediction_trace.run, prediction_trace.served
    lines = [
        ("prediction", f"{prediction} at {clock(prediction_trace.prediction.get('at'))}"),
        ("answer", jsonlib.dumps(prediction_trace.prediction.get("prediction"))),
        *_of_recalibrated(prediction_trace.prediction),
        (
            "endpoint",
            f"{prediction_trace.endpoint} at {served.location} since {clock(served.began_at)}"
            if served
            else prediction_trace.endpoint,
        ),
        *_of_change("change", prediction_trace.change),
        ("release", f"{release.model}@{release.number}  {release.digest}"),
        ("evidence", ", ".join(each.kind for each in prediction_trace.evidence) or "-"),
        ("run", f"{run.id} ({run.trigger}), MLflow run {run.mlflow_run or '-'}"),
        ("commit", f"{run.commit} of {run.project}"),
        *_of_steps(prediction_trace.steps, run.id, prediction_trace.snapshots),
        *_of_data(prediction_trace.data),
    ]
    _emit_lines(lines)


def tell(story: Why) -> None:
    """Print the story of an endpoint at one location."""
    served, release, run, rollout = story.served, story.release, story.run, story.rollout
    serves = "served" if served.ended_at else "serves"
    until = f" until {clock(served.ended_at)}" if served.ended_at else ""
    emit(styled(f"{story.endpoint} at {served.location} {serves} release {served.release}", "bold"))
    took = f", {duration(rollout.began_at, rollout.live_at)} after it began" if rollout.began_at else ""
    replicas = f" with {rollout.replicas} replicas" if rollout.replicas else ""
    before = ((each.release, clock(each.began_at), clock(each.ended_at)) for each in story.before)
    lines = [
        ("since", f"{clock(served.began_at)}{until}"),
        ("trigger", f"{run.trigger} of {run.project} {run.ref or ''}".rstrip()),
        *_of_training(release.data.get("retraining")),
        ("commit", f"{run.commit}{f' by {story.author}' if story.author else ''}"),
        ("run", f"{run.id}, ended {clock(run.ended_at)}"),
        *_of_data(story.data),
        *(("gate", f"{gate['text']}: {gate['reason']}") for gate in release.data.get("gates", ())),
        ("model", f"{release.model}@{release.number}  {release.digest}"),
        *_of_change("change", story.change),
        *_of_change("restores", story.restored),
        ("rollout", f"{rollout.strategy}{replicas}, live {clock(rollout.live_at)}{took}"),
        *(("recalibrated", line) for line in recalibration_lines(story.recalibration)),
        *(("before", f"release {number}, {began} to {ended}") for number, began, ended in before),
    ]
    _emit_lines(lines)


def _of_recalibrated(prediction: Mapping[str, Any]) -> list[tuple[str, str]]:
    """By what an answer was moved, and what the model gave."""
    applied = prediction.get("recalibration")
    if not applied:
        return []
    moved = f"by {applied['offset']:+.4g}, version {applied['version']}"
    return [("recalibrated", moved), ("bare answer", jsonlib.dumps(prediction.get("bare")))]


def _of_training(training_facts: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Why the model was trained again, and how it did beside the one that was live."""
    if not training_facts:
        return []
    because = training_facts.get("because", {})
    alert = f" (alert {because['alert']})" if because.get("alert") else ""
    refit = training_facts.get("refit") or {}
    return [
        ("because", f"{because.get('reason', '')}{alert}"),
        ("champion", str(training_facts.get("reason", ""))),
        *([("refit", str(refit["reason"]))] if refit else []),
    ]


def _emit_lines(lines: list[tuple[str, str]]) -> None:
    """Print names and values, a name that repeats only once."""
    width = max(len(name) for name, _ in lines)
    shown = ""
    for name, value in lines:
        emit(f"{styled(('' if name == shown else name).ljust(width), 'bold')}  {value}")
        shown = name


def _of_data(data: list[TracedData]) -> list[tuple[str, str]]:
    data_lines = (
        f"{each.name} {each.digest}  {' '.join((each.source, each.pinned, each.classification))}" for each in data
    )
    return [("data", each.rstrip()) for each in data_lines]


def _of_steps(steps: list[TracedStep], run: str, snapshots: dict[str, str]) -> list[tuple[str, str]]:
    """A line a step, which names what it read by the source or step that it came from."""
    names = {digest: name for name, digest in snapshots.items()}
    names |= {digest: step.name for step in steps for digest in step.outputs}
    return [("step", _step(each, run, names)) for each in steps]


def _step(step: TracedStep, run: str, names: dict[str, str]) -> str:
    read = ", ".join(dict.fromkeys(names.get(digest, digest) for digest in step.read))
    elsewhere = [each for each in step.made_in if each != run]
    return f"{step.name}{f' of {read}' if read else ''}{f', made in {elsewhere[0]}' if elsewhere else ''}"


def _of_change(name: str, change: Change | None) -> list[tuple[str, str]]:
    if change is None:
        return []
    summary = f"{change.id}, {change.kind}, {change.state}, asked for by {change.requester}"
    approved = [("approved", f"{each.approver} at {clock(each.approved_at)}") for each in change.approvals]
    return [(name, f"{summary}: {change.reason}" if change.reason else summary), *approved]
