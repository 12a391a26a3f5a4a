"""What a run was given and what came of it: names, filters, comparisons."""

from __future__ import annotations

from typing import Any

import pytest

from falaj.schemas.api import Run, StepRun
from falaj.schemas.run_comparison import compare_runs, to_html
from falaj.schemas.run_facts import facts_of, value_of
from falaj.schemas.run_filter import RunFilterError, parse_filter, passes


def run(name: str = "r1", *, depth: int = 4, brier: float = 0.18, data: str = "sha256:1", **more: Any) -> Run:
    details: list[tuple[str, str, dict[str, Any]]] = [
        ("prepare", "step", {"params": {}, "inputs": {"flights": data}, "metrics": {}}),
        ("fit", "step", {"params": {"depth": depth, "kind": "tree", "deep": True}, "inputs": {"prepare": "sha256:9"}}),
        ("evaluate", "step", {"params": {"bins": 10}, "inputs": {"fit": "sha256:8"}, "metrics": {"auc": 0.71}}),
        ("brier <= 0.2 on split.test", "gate", {"name": "brier.split.test", "value": brier}),
        ("brier not worse than live on split.test", "gate", {"name": "brier.split.test.live", "value": None}),
        ("tests", "check", {"summary": "3 tests"}),
    ]
    steps = [StepRun(node, kind, "succeeded", detail, 1.0, 2.0) for node, kind, detail in details]
    run_fields = {"commit": "a" * 40, "state": "succeeded", "release": 3, **more}
    return Run(
        id=name, project="p", model="m", ref=None, trigger="push", params={}, reason="", mlflow_run=None,
        created_at=0.0, started_at=1.0, ended_at=2.0, steps=steps, **run_fields,
    )  # fmt: skip


def test_facts_have_names_without_limits() -> None:
    facts = facts_of(run())
    assert facts["param.fit.depth"] == 4 and facts["metric.evaluate.auc"] == 0.71
    assert facts["gate.brier.split.test"] == 0.18 and facts["data.flights"] == "sha256:1"
    assert "data.prepare" not in facts and "gate.brier.split.test.live" not in facts
    assert (value_of(facts, "param.depth"), value_of(facts, "gate.brier"), value_of(facts, "metric.auc")) == (
        4,
        0.18,
        0.71,
    )
    assert value_of(facts, "param.nothing") is None and value_of(facts, "gate.bri") is None


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("gate.brier < 0.2 and param.depth > 3", True),
        ("gate.brier<0.18", False),
        ("param.fit.depth = 4 and metric.auc >= .7 and state = succeeded", True),
        ('param.kind != "tree"', False),
        ("param.deep = true", True),
        ("param.deep > 0", False),
        ("metric.loss < 1", False),
        ("release >= 3", True),
        (f"commit = {'a' * 40}", True),
    ],
)
def test_filters(text: str, holds: bool) -> None:
    assert passes(parse_filter(text), facts_of(run())) is holds


@pytest.mark.parametrize(
    ("text", "character"),
    [
        ("", 1),
        ("gate.brier", 1),
        ("gate.brier < 0.2 or x = 1", 18),
        ("depth > 3", 1),
        ("state = a and", 11),
        ("param. < 1", 1),
    ],
)
def test_a_filter_that_cannot_be_read_says_where(text: str, character: int) -> None:
    with pytest.raises(RunFilterError) as refused:
        parse_filter(text)
    assert refused.value.where == f"character {character}" and refused.value.hint.startswith("expected ")


def test_two_runs_side_by_side() -> None:
    first, second = run(), run("r2", depth=6, brier=0.15, data="sha256:2", commit="b" * 40)
    facts = {each.name: each for each in compare_runs(first, second)}
    assert {name for name, each in facts.items() if not each.same} == {
        "commit", "param.fit.depth", "data.flights", "gate.brier.split.test",
    }  # fmt: skip
    assert facts["param.fit.depth"].change == 2 and facts["param.fit.deep"].change is None
    page = to_html(first, second, [*facts.values()], "1 file <changed>")
    assert "param.fit.depth" in page and "&lt;changed&gt;" in page and "<script" not in page


def test_of_a_sweep_the_selected_candidate_counts() -> None:
    swept = run()
    cells = [StepRun(f"fit[depth={n}]", "step", "succeeded", {"params": {"depth": n}}, 1.0, 2.0) for n in (4, 5)]
    swept.steps.extend(cells)
    assert value_of(facts_of(swept), "param.depth") == 4
    gathered = [step for step in swept.steps if step.node != "fit"]
    swept.steps[:] = gathered
    assert facts_of(swept)["param.fit[depth=5].depth"] == 5
