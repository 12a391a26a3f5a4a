"""What a run was given and what came of it, by names that filters, comparisons and trackers share (pure).

param.STEP.NAME      an argument of a step, the cell of a matrix included; of a sweep, of the selected candidate
metric.STEP.NAME     a number of a step's report
gate.METRIC.DATA     the value of a gate, whatever its limit
data.NAME            digest of what was read of a source
state, trigger, commit, project, release
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from falaj.schemas.api import Run, StepRun


def facts_of(run: Run) -> dict[str, Any]:
    """Everything that is known of a run, by name."""
    facts: dict[str, Any] = {
        "state": run.state, "trigger": run.trigger, "commit": run.commit, "project": run.project,
        "release": run.release,
    }  # fmt: skip
    names = {step.node for step in run.steps if step.kind == "step"}
    for step in run.steps:
        if step.node.partition("[")[0] in names - {step.node}:
            continue  # a candidate: what was selected of it is the step's own
        facts |= _of_gate(step) if step.kind == "gate" else _of_step(step, names)
    return facts


def value_of(facts: Mapping[str, Any], name: str) -> Any:
    """A fact by its name, which may leave out the step, or the end of a gate's name; None where there is none.

    `param.depth` is the `depth` of the one step that has it, `gate.brier` the first gate on it.
    """
    if name in facts:
        return facts[name]
    kind, _, rest = name.partition(".")
    if kind == "gate":
        return next((facts[each] for each in facts if each.startswith(f"{name}.")), None)
    matches = [each for each in facts if each.startswith(f"{kind}.") and each.endswith(f".{rest}")]
    return facts[matches[0]] if len(matches) == 1 else None


def _of_gate(step: StepRun) -> dict[str, Any]:
    value = step.detail.get("value")
    return {} if value is None else {f"gate.{step.detail.get('name') or step.node}": value}


def _of_step(step: StepRun, nodes: set[str]) -> dict[str, Any]:
    params = {f"param.{step.node}.{name}": value for name, value in (step.detail.get("params") or {}).items()}
    metrics = {f"metric.{step.node}.{name}": value for name, value in (step.detail.get("metrics") or {}).items()}
    read = (step.detail.get("inputs") or {}).items()
    return {**params, **metrics, **{f"data.{name}": digest for name, digest in read if _is_source(name, nodes)}}


def _is_source(name: str, nodes: set[str]) -> bool:
    return name not in nodes and not any(name.startswith((f"{node}.", f"{node}[")) for node in nodes)
