"""Tests of the model's behaviour: what must not matter, what must, what may be missing, and how long it takes.

Options in falaj.yaml, all but `data` optional:

    checks:
      model:
        data: split.test                # rows to try it on
        rows: 500                       # how many of them
        invariance: [flight_number]     # dealing these values to other rows may change no score by more than tolerance
        tolerance: 0.0
        direction: {visibility: down}   # growing by one standard deviation must move the mean score this way
        missing: all                    # or columns: without their values the model must still predict
        latency_ms: 50                  # 99th percentile of one row; default: serving.latency_budget_ms

Source: M. T. Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL 2020 (invariance
and directional expectation tests).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.results import CheckResult, CheckValue, Finding
from falaj.build.checks.scoring import run_in_project

TIMEOUT_S = 900.0
ROWS = 500
LATENCY_CALLS = 200
OPTIONS = ("data", "rows", "invariance", "tolerance", "direction", "missing", "latency_ms", "timeout_s")


def check(context: CheckContext) -> CheckResult:
    """Try the model in the ways that the options name."""
    options = _options(context)
    task = _task(context, options)
    behaviour = run_in_project(
        context, "behaviour", task, timeout_s=float(options.get("timeout_s", TIMEOUT_S)),
        readable=[Path(task["model"]), Path(task["table"])],
    )  # fmt: skip
    values = tuple(judge(options, behaviour))
    findings = tuple(Finding(value.where, 0, value.name, _summary(value)) for value in values if not value.passed)
    first = f": {findings[0].rule} {findings[0].message}" if findings else ""
    summary = f"{len(values)} demands on {behaviour['rows']} rows, {len(findings)} not met{first}"
    demands = sum(value.limit is not None for value in values)
    return CheckResult("model", not findings, summary, demands, values, behaviour["versions"], findings)


def _options(context: CheckContext) -> dict[str, Any]:
    options = {"latency_ms": context.spec.serving.latency_budget_ms} | dict(context.options("model"))
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise CheckError(
            f"the check model has no option {', '.join(sorted(unknown))}", hint=f"it has {', '.join(OPTIONS)}"
        )
    if not options.get("data"):
        raise CheckError("the check model needs rows to try the model on", hint="set checks.model.data to an output")
    for column, way in options.get("direction", {}).items():
        if way not in ("up", "down"):
            raise CheckError(
                f"the direction of {column} is {way!r}, expected up or down", where="checks.model.direction"
            )
    return options


def _task(context: CheckContext, options: Mapping[str, Any]) -> dict[str, Any]:
    missing = options.get("missing", [])
    return {
        "model": str(context.fetch_digest(context.model_digest())),
        "table": str(context.fetch(options["data"])),
        "label": context.spec.monitoring.get("label"),
        "rows": int(options.get("rows", ROWS)),
        "seed": context.seed,
        "invariance": list(options.get("invariance", [])),
        "direction": dict(options.get("direction", {})),
        "missing": [missing] if isinstance(missing, str) else list(missing),
        "latency_calls": LATENCY_CALLS,
    }


def judge(options: Mapping[str, Any], behaviour: Mapping[str, Any]) -> Iterator[CheckValue]:
    """What was found beside what the options demand."""
    tolerance = float(options.get("tolerance", 0.0))
    for column, change in behaviour["invariance"].items():
        yield CheckValue("invariance", change, tolerance, "<=", change <= tolerance, column)
    for column, change in behaviour["direction"].items():
        yield CheckValue("direction", change, 0.0, ">", change > 0, column)
    for column, problem in behaviour["missing"].items():
        yield CheckValue("missing", problem or "predicts", "predicts", "==", not problem, column)
    p99, limit = behaviour["latency_ms"]["p99"], options.get("latency_ms")
    yield CheckValue("latency_p99_ms", p99, limit, "<=" if limit is not None else "", limit is None or p99 <= limit)
    yield CheckValue("latency_p50_ms", behaviour["latency_ms"]["p50"])


def _summary(value: CheckValue) -> str:
    return f"{value.where} is {value.value}, expected {value.op} {value.limit}".strip()
