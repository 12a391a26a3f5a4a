"""Simulated rollouts."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json
from falaj.config import load_spec
from falaj.config.quantities import parse_share
from falaj.core.errors import UsageError
from falaj.statistics.rollout import RolloutPlan, plan_of
from falaj.statistics.rollout.simulation import Rehearsal, Stream, rehearsable, rehearse

TIMES = 3
"""So often a worse candidate is rehearsed: chance decides how soon it is found."""
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)/(s|min|h)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_PHASES = {"blue_green": "preview", "shadow": "shadow", "challenger": "shadow"}
_ENDS = {"promoting": "promoted", "rolling_back": "rolled back"}


def simulate(
    endpoint: Annotated[str, typer.Argument(help="Rehearse the newest rollout of this endpoint again.")] = "",
    file: Annotated[Path, typer.Option(help="Take the strategy from this project file.")] = Path("falaj.yaml"),
    environment: Annotated[str, typer.Option(help="Of this environment in the file.")] = "prod",
    rate: Annotated[str, typer.Option(help="Requests that come: 50/s, 200/min or 1000/h.")] = "50/s",
    errors: Annotated[str, typer.Option(help="Share of them that the stable release fails.")] = "1%",
    worse: Annotated[str, typer.Option(help="How many times as often a worse candidate fails.")] = "2x",
    json: JsonOption = False,
) -> None:
    """Simulate a rollout: when each step would end, and when a worse candidate would be rolled back."""
    plan, left_out = rehearsable(_again(endpoint) if endpoint else _of_file(file, environment))
    if left_out and not plan.metrics:
        raise UsageError(
            f"the rollout is judged by {', '.join(left_out)} alone, which a rehearsal cannot know",
            hint="add errors or latency to its metrics", code="rollout.dry-run",
        )  # fmt: skip
    stream = Stream(_rate(rate), _share(errors), 1.0)
    rehearsals = _rehearsed(plan, stream, _times(worse))
    if json:
        good, bad = rehearsals["as_good"], rehearsals["worse"]
        emit_json({"as_good": asdict(good), "worse": [asdict(each) for each in bad], "left_out": left_out})
        return
    for line in _lines(plan, stream, _times(worse), rehearsals, left_out):
        emit(line)


def _rehearsed(plan: RolloutPlan, stream: Stream, worse: float) -> dict[str, Any]:
    bad = replace(stream, worse=worse)
    good = rehearse(plan, stream, np.random.default_rng(0))
    seeds = range(1, 1 + TIMES) if plan.metrics else range(0)
    return {"as_good": good, "worse": [rehearse(plan, bad, np.random.default_rng(seed)) for seed in seeds]}


def _again(endpoint: str) -> RolloutPlan:
    return RolloutPlan.from_json(open_client().rollouts.show(endpoint).plan)


def _of_file(file: Path, environment: str) -> RolloutPlan:
    deploy = load_spec(file.parent if file.name == "falaj.yaml" else file).deploy
    spec = deploy.get(environment)
    if spec is None or spec.kind == "recreate":
        rollout_environments = (
            ", ".join(name for name, each in deploy.items() if each.kind != "recreate") or "no environment"
        )
        raise UsageError(
            f"{file} has no rollout for {environment}",
            hint=f"it has one for: {rollout_environments}",
            code="rollout.dry-run",
        )
    return plan_of("rehearsal", spec.kind, spec.options, candidate=2, stable=1)


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise UsageError(f"'{text}' is not a rate", hint="such as 50/s, 200/min or 1000/h", code="rollout.dry-run")
    return float(match[1]) / _SECONDS[match[2]]


def _share(text: str) -> float:
    try:
        return parse_share(text)
    except ValueError:
        raise UsageError(f"'{text}' is not a share", hint="such as 1%", code="rollout.dry-run") from None


def _times(text: str) -> float:
    number = text.removesuffix("x")
    try:
        factor = float(number)
    except ValueError:
        factor = 0.0
    if not 1 < factor < 1e6:
        raise UsageError(f"'{text}' is not worse", hint="such as 2x or 1.5x", code="rollout.dry-run")
    return factor


def _lines(
    plan: RolloutPlan, stream: Stream, worse: float, rehearsals: dict[str, Any], left_out: tuple[str, ...]
) -> list[str]:
    metrics = ", ".join(metric.name for metric in plan.metrics) or "nothing"
    lines = [
        f"{plan.strategy.replace('_', '/')} at {stream.rate:g} requests a second, {100 * stream.errors:g}% errors",
        f"  judged by {metrics}, false-alarm bound {100 * plan.false_alarm:g}%",
        "a candidate as good as the stable release",
        *_as_good(rehearsals["as_good"], _PHASES.get(plan.strategy, "step")),
    ]
    if rehearsals["worse"]:
        lines += [f"one with {worse:g} times as many errors", *map(_as_bad, rehearsals["worse"])]
    if left_out:
        lines.append(f"not rehearsed: {', '.join(left_out)}, which waits for what really happens")
    return lines


def _as_good(rehearsal: Rehearsal, phase: str) -> list[str]:
    phases = [
        f"  {phase} {each.weight / 100:>5g}%  left after {_lasting(each.at_s):>8}, {each.requests:,} candidate requests"
        for each in rehearsal.left
    ]
    return [*phases, _as_bad(rehearsal)]


def _as_bad(rehearsal: Rehearsal) -> str:
    end = _ENDS.get(rehearsal.end, f"still {rehearsal.end.replace('_', ' ')}")
    reason = f": {rehearsal.reason.partition(': ')[2] or rehearsal.reason}" if rehearsal.reason else ""
    return f"  {end} after {rehearsal.requests:,} candidate requests, {_lasting(rehearsal.at_s)}{reason}"


def _lasting(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
