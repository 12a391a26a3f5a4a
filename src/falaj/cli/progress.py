"""What a person sees of a run: steps as they happen, then the tree with times, cache hits, checks and gates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from falaj.build.pipeline.events import RunEvent
from falaj.cli.output import duration, emit, shortened, state_styled, styled
from falaj.schemas import api

_MOST_FINDINGS = 10
_MOST_CHARACTERS = 100
_SHOWN = {
    "step.started": "running", "step.cached": "cached", "step.finished": "succeeded", "step.failed": "failed",
    "step.retried": "retrying", "check.finished": "", "gate.finished": "",
}  # fmt: skip


class Progress:
    """Prints the events of a run.

    Args:
        quiet: Print nothing until the end.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began: dict[str, float] = {}
        self._start = time.time()
        self._cached = 0

    def show(self, event: RunEvent) -> None:
        """Print one event."""
        if event.kind.endswith(".started"):
            self._began[event.node] = event.at
        self._cached += event.kind == "step.cached"
        if self._quiet:
            return
        if event.kind == "step.log":
            for line in event.lines:
                emit(styled(f"      {event.node} | {line}", "dim"))
        elif event.kind == "run.warning":
            emit(f"  {styled('warning', 'yellow')}           {event.message}")
        elif event.kind == "run.installing":
            emit(f"  {styled('install', 'yellow')}           the packages of {event.lockfile}, once for each lock")
        elif event.kind in _SHOWN:
            self._show_state(event)

    def show_stored(self, event: api.Event) -> None:
        """Print one event as the server keeps it."""
        others = ("step.log", "run.warning", "run.installing", "check.started", "gate.started")
        is_shown = event.kind in _SHOWN or event.kind in others
        if is_shown:
            self.show(RunEvent(event.kind, event.at, event.data.get("node", ""), event.data))  # type: ignore[arg-type]

    def finish(self, state: str, reason: str) -> None:
        """Print the last line."""
        took = duration(self._start, time.time())
        hits = f", {self._cached} cached" if self._cached else ""
        emit(f"{state_styled(state)} in {took}{hits}" + (f": {reason}" if reason else ""))

    def _show_state(self, event: RunEvent) -> None:
        state = _SHOWN[event.kind] or event.verdict
        took = f"{event.at - self._began[event.node]:6.1f} s" if event.node in self._began else " " * 8
        if event.kind == "step.started":
            took = " " * 8
        kind = event.kind.partition(".")[0]
        emit(f"  {kind:5} {took}  {_mark(state)} {event.node}  {styled(_remark(kind, event.data), 'dim')}".rstrip())
        for line in (*findings(event.data), *candidate_lines(event.data), *figure_lines(event.data)):
            emit(f"{' ' * 16}  {line}")


def print_tree(run: api.Run) -> None:
    """Print a run with its steps, checks and gates."""
    emit(f"run {run.id} of {run.project}: {state_styled(run.state)}" + (f" ({run.reason})" if run.reason else ""))
    emit(f"  commit {run.commit}  trigger {run.trigger}  took {duration(run.started_at, run.ended_at)}")
    if run.release:
        emit(f"  release {run.model}@{run.release}  MLflow run {run.mlflow_run or '-'}")
    for kind, title in (("step", "steps"), ("check", "checks"), ("gate", "gates")):
        rows = [step for step in run.steps if step.kind == kind]
        if rows:
            emit(f"  {title}")
        for index, row in enumerate(rows):
            branch = "└─" if index == len(rows) - 1 else "├─"
            took = duration(row.started_at, row.ended_at) if row.state != "cached" else ""
            emit(f"  {branch} {_mark(row.state)} {row.node:32} {took:>9}  {_remark(kind, row.detail)}".rstrip())
            for line in (*findings(row.detail), *candidate_lines(row.detail), *figure_lines(row.detail)):
                emit(f"  {' ' if branch == '└─' else '│'}     {line}")


def _mark(state: str) -> str:
    return state_styled(state) + " " * (9 - len(state))


def _remark(kind: str, data: Any) -> str:
    if kind == "gate":
        return str(data.get("reason", ""))
    if kind == "check":
        return str(data.get("summary", ""))
    return str(data.get("message") or values_shown(data))


def findings(data: Mapping[str, Any]) -> list[str]:
    """What a check found, a line each with its file and line."""
    lines = [str(each) for each in data.get("findings") or ()]
    more = max(int(data.get("found") or 0), len(lines)) - _MOST_FINDINGS
    return lines[:_MOST_FINDINGS] + ([f"and {more} more"] if more > 0 else [])


def figure_lines(data: Mapping[str, Any]) -> list[str]:
    """The figures that a step left, a line each."""
    return [f"figure {figure_name(each)}  {each['bytes']:,} bytes" for each in data.get("figures") or ()]


def figure_name(figure: Mapping[str, Any]) -> str:
    """`roc.svg`, or `curves/roc.svg` for one of a named output; characters that move a cursor are replaced."""
    path = figure["path"] if figure["output"] == "output" else f"{figure['output']}/{figure['path']}"
    return "".join(each if each.isprintable() else "?" for each in str(path))


def candidate_lines(data: Mapping[str, Any]) -> list[str]:
    """The candidates of a sweep as a table: what each was given, its score, and which one went on."""
    selection = data.get("selection") or {}
    candidates: list[dict[str, Any]] = selection.get("candidates") or []
    if not candidates:
        return []
    names = list(candidates[0]["params"])
    rows = [[*names, "score", ""]]
    rows += [[*(_short(each["params"][name]) for name in names), *_outcome(each, selection)] for each in candidates]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]


def _outcome(candidate: Mapping[str, Any], selection: Mapping[str, Any]) -> list[str]:
    score = "-" if candidate["score"] is None else f"{candidate['score']:.6g}"
    return [score, "selected" if candidate["name"] == selection["best"] else shortened(candidate["reason"])]


def values_shown(data: Mapping[str, Any]) -> str:
    """What a step was given and what it reported, in one line."""
    params = [f"{name}={_short(value)}" for name, value in (data.get("params") or {}).items()]
    metrics = [f"{name} {_short(value)}" for name, value in (data.get("metrics") or {}).items()]
    line = "  ".join([*params, *metrics])
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 3]}..."


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
