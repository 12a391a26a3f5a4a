"""Runs: start, list, show, cancel, logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.api import authorization, views
from falaj.api.authorization import Caller
from falaj.api.paging import Paging, matching, paged
from falaj.api.platform import Platform, Shared
from falaj.api.route_actions import Action, action
from falaj.build.pipeline.node_files import step_log
from falaj.control.runs import queue
from falaj.core.errors import NotFoundError
from falaj.schemas import api, states
from falaj.schemas.run_facts import facts_of
from falaj.schemas.run_filter import Condition, parse_filter, passes
from falaj.storage import RunRow, StepRunRow
from falaj.trust.policy import Resource

_RUNS = paged("-created_at", {
    "created_at": (RunRow.created_at, RunRow.id),
    "project": (RunRow.project, RunRow.created_at, RunRow.id),
    "state": (RunRow.state, RunRow.created_at, RunRow.id),
})  # fmt: skip
router = APIRouter(prefix="/api/v1/runs", tags=["runs"])
_ERROR = re.compile(
    r"^(?:\x1b\[[0-9;]*m)*(?:(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt|Exit)\b(?::|$)|E   +\S|"
    r"(?:.{0,80}[\s\[])?(?:ERROR|FATAL|CRITICAL|error:|fatal:))",
    re.MULTILINE,
)
"""The line of an exception, of a failed assertion, or one that a program marks as an error."""


class NewRun(BaseModel):
    """A request for a run at a commit."""

    model_config = ConfigDict(extra="forbid")
    project: str
    commit: str
    params: dict[str, dict[str, Any]] = {}


@router.post("", status_code=201, response_model=api.Run, **action(Action.RUN, refined=True))
def start(body: NewRun, platform: Shared, caller: Caller) -> api.Run:
    """Queue a run; every call makes a new one."""
    authorization.require(platform, caller, Action.RUN, Resource("project", body.project, project=body.project))
    order = queue.RunOrder(body.project, body.commit, trigger="manual", params=body.params, once=False, actor=caller.id)
    with platform.database.transaction() as session:
        return views.run(queue.enqueue(session, platform.processes, order, platform.now())[0])


@router.get("", response_model=list[api.Run], **action(Action.READ, refined=True))
def list_runs(
    platform: Shared,
    caller: Caller,
    page: Annotated[Paging, Depends(_RUNS)],
    project: str | None = None,
    state: states.RunState | None = None,
    model: str | None = None,
    filter: Annotated[str, Query(max_length=1000)] = "",  # noqa: A002 - the name in the address
) -> list[api.Run]:
    """The newest runs first, of the projects that the caller may read.

    The filter is `NAME < VALUE and ...`, with names such as `gate.brier`, `param.depth`, `metric.auc` and `state`. A
    page goes through 5,000 runs for it at most: the list ends where no next page is linked, not with a short page.
    """
    conditions = parse_filter(filter) if filter else ()
    query = matching(select(RunRow), {RunRow.project: project or None, RunRow.state: state, RunRow.model: model})
    if (readable := authorization.readable(platform, caller)) is not None:
        query = query.where(RunRow.project.in_(readable))
    with platform.database.reading() as session:
        if not conditions:
            return [views.run(row) for row in page.rows(session, query)]
        return [views.run(row) for row in page.passing(session, query, partial(_passing, session, conditions))]


def _passing(session: Session, conditions: tuple[Condition, ...], rows: Sequence[RunRow]) -> Iterator[RunRow]:
    """The runs that pass; the steps of all are read at once."""
    steps: dict[str, list[StepRunRow]] = {row.id: [] for row in rows}
    for step in session.scalars(select(StepRunRow).where(StepRunRow.run_id.in_(steps)).order_by(StepRunRow.position)):
        steps[step.run_id].append(step)
    return (row for row in rows if passes(conditions, facts_of(views.run(row, steps[row.id]))))


@router.get("/{run_id}", response_model=api.Run, **action(Action.READ))
def show(run_id: str, platform: Shared) -> api.Run:
    """A run with its steps, checks and gates in the order in which they were first heard of."""
    with platform.database.reading() as session:
        row = queue.find(session, run_id)
        steps = select(StepRunRow).where(StepRunRow.run_id == row.id).order_by(StepRunRow.position)
        return views.run(row, list(session.scalars(steps)))


@router.post("/{run_id}/cancel", response_model=api.Run, **action(Action.RUN))
def cancel(run_id: str, platform: Shared, caller: Caller) -> api.Run:
    """Ask for the end of a run."""
    with platform.database.transaction() as session:
        return views.run(queue.cancel(session, platform.processes, run_id, caller.id, platform.now()))


@router.get("/{run_id}/logs/{node:path}", response_class=PlainTextResponse, **action(Action.READ))
def log(
    run_id: str,
    node: str,
    platform: Shared,
    response: Response,
    first: Annotated[int, Query(ge=1, le=2**31, description="Number of the first line.")] = 1,
    lines: Annotated[int | None, Query(ge=0, le=100_000, description="How many; all that follow unless said.")] = None,
) -> str:
    """What a step printed: from its artifact when it has ended, from the run's folder while it runs.

    `x-log-lines` is how many lines there are, and `x-log-error` the number of the first that tells of an error (0 for
    none), whichever of them are answered.
    """
    text = _log_text(run_id, node, platform)
    chosen, count = line_range(text, first, lines)
    response.headers["x-log-lines"] = str(count)
    response.headers["x-log-error"] = str(error_line(text))
    return chosen


def error_line(text: str) -> int:
    """The number of the first line that says what went wrong; 0 for none. A traceback says it at its end."""
    match = _ERROR.search(text)
    return text.count("\n", 0, match.start()) + 1 if match else 0


def line_range(text: str, first: int, count: int | None) -> tuple[str, int]:
    """So many lines of a text from one on, and how many it has; a last one without an end counts."""
    all_lines = re.findall(r"[^\n]*\n|[^\n]+$", text)  # what `splitlines` takes for ends stands inside of lines too
    return "".join(all_lines[first - 1 : None if count is None else first - 1 + count]), len(all_lines)


def _log_text(run_id: str, node: str, platform: Platform) -> str:
    with platform.database.reading() as session:
        run = queue.find(session, run_id)
        step = session.get(StepRunRow, (run.id, node))
        if step is None:
            raise NotFoundError(f"run {run.id} has no step '{node}'", hint=f"falaj run show {run.id} lists them")
    if digest := step.detail.get("log"):
        return platform.store.read_bytes(digest).decode(errors="replace")
    path = step_log(platform.home.run_dir(run.id), node)
    return path.read_text(errors="replace") if path.is_file() else ""
