from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from falaj.config import Issue, load_spec
from falaj.config.strategies import METRICS
from falaj.statistics.rollout import RolloutStrategy, plan_of

COMMON = {"false_alarm": 0.01, "burn_in_s": 10.0, "burn_in_max_s": 300.0, "max_s": 604800.0}
CANARY = {**COMMON, "baseline": True}
LABELLED = {**COMMON, "max_s": 30 * 86_400.0, "label_block_s": 86_400.0}


@pytest.fixture
def written(project: Path) -> Callable[[str], None]:
    """Puts a strategy into the template's project."""

    def write(strategy: str) -> None:
        file = project / "falaj.yaml"
        before, _, rest = file.read_text().partition("\ndeploy:\n")
        behind = re.search(r"^\S", rest, re.MULTILINE)
        file.write_text(f"{before}\ndeploy:\n  prod:\n    {strategy}\n{rest[behind.start() :] if behind else ''}")

    return write


@pytest.mark.parametrize(
    ("strategy", "kind", "options"),
    [
        ("recreate", "recreate", {}),
        ("blue_green: {}", "blue_green", {"preview_s": 0.0, "rollback_window_s": 900.0}),
        (
            "blue_green: {preview: 5m, rollback_window: 1h}",
            "blue_green",
            {"preview_s": 300.0, "rollback_window_s": 3600.0},
        ),
        ("canary", "canary", {**CANARY, "steps": [0.01, 0.05, 0.25, 0.5], "hold_s": 60.0}),
        (
            "canary: {steps: [10%, 50%], hold: 5m, holdback: 2% for 24h, false_alarm: 0.1%, burn_in: 5s, max: 2d}",
            "canary",
            {**CANARY, "false_alarm": 0.001, "burn_in_s": 5.0, "max_s": 172800.0, "steps": [0.1, 0.5], "hold_s": 300.0,
             "holdback": {"share": 0.02, "for_s": 86400.0}},
        ),
        (
            "canary: {steps: [10%], sticky: X-Customer, match: [{header: x-tester, is: 'yes'}, {query: try, is: '2'}]}",
            "canary",
            {**CANARY, "steps": [0.1], "hold_s": 60.0, "sticky": "X-Customer", "matches": [
                {"kind": "header", "name": "x-tester", "value": "yes"}, {"kind": "query", "name": "try", "value": "2"},
            ]},
        ),
        (
            "canary: {steps: [10%], metrics: {errors: {tolerate: 2}, brier: {tolerate: 0.01, margin: 0.05}}}",
            "canary",
            {**LABELLED, "baseline": True, "steps": [0.1], "hold_s": 60.0, "metrics": [
                {"name": "errors", "tolerate": 2.0}, {"name": "brier", "tolerate": 0.01, "margin": 0.05},
            ]},
        ),
        (
            "canary: {steps: [10%], metrics: [brier], label_block: 5s}",
            "canary",
            {**CANARY, "steps": [0.1], "hold_s": 60.0, "metrics": [{"name": "brier"}], "label_block_s": 5.0},
        ),
        (
            "canary: {steps: [10%], metrics: [brier], label_block: 5s, max: 1m}",
            "canary",
            {**CANARY, "steps": [0.1], "hold_s": 60.0, "metrics": [{"name": "brier"}], "label_block_s": 5.0,
             "max_s": 60.0},
        ),
        (
            "canary: {steps: [10%], baseline: false, burn_in_max: 1m,"
            " metrics: {latency: {tolerate: 20%, at_least: 2ms}}}",
            "canary",
            {**CANARY, "burn_in_max_s": 60.0, "baseline": False, "steps": [0.1], "hold_s": 60.0, "metrics": [
                {"name": "latency", "tolerate": 0.2, "at_least_ms": 2.0},
            ]},
        ),
        ("shadow: {for: 2h, share: 20%}", "shadow", {**COMMON, "for_s": 7200.0, "mirror": 0.2}),
        (
            f"shadow: {{metrics: [{', '.join(METRICS)}]}}",
            "shadow",
            {**LABELLED, "for_s": 3600.0, "mirror": 1.0, "metrics": [{"name": name} for name in METRICS]},
        ),
    ],
)  # fmt: skip
def test_every_option_becomes_its_unit(written, project: Path, strategy: str, kind: str, options: object) -> None:
    written(strategy)
    spec = load_spec(project).deploy["prod"]
    assert (spec.kind, spec.options) == (kind, options)
    plan = plan_of("r", spec.kind, spec.options, candidate=2, stable=1)
    assert plan.strategy is RolloutStrategy(kind)
    assert all(metric.name in METRICS for metric in plan.metrics)


@pytest.mark.parametrize(
    ("strategy", "message", "suggestion"),
    [
        ("canari", "there is no strategy 'canari'", "canary"),
        ("{canary: {}, shadow: {}}", "an environment has one strategy", None),
        ("canary: {stepps: [1%]}", "stepps", "steps"),
        ("canary: {metrics: [latenci]}", "there is no metric 'latenci'", "latency"),
        ("canary: {metrics: {errors: {tolerate: 0.5}}}", "errors cannot be judged by these bounds", None),
        ("canary: {metrics: {brier: {tolerate: 1.5}}}", "brier cannot be judged by these bounds", None),
        ("canary: {metrics: {brier: {margin: 1}}}", "brier cannot be judged by these bounds", None),
        ("canary: {metrics: {errors: {tolerate: 2, margin: 1.5}}}", "margin of errors is not above", None),
        ("canary: {metrics: {errors: {at_least: 1ms}}}", "errors has no least difference in time", None),
        ("canary: {metrics: {latency: {tolerate: much}}}", "'much' is not a bound", None),
        ("canary: {metrics: {latency: {tolerate: 60%, margin: 50%}}}", "margin of latency is not above", None),
        ("canary: {steps: [5%, 1%]}", "the shares do not grow", None),
        ("canary: {steps: [50%, 100%]}", "is not a part of the requests", None),
        ("canary: {steps: [0%, 10%]}", "is not a part of the requests", None),
        ("canary: {steps: [10]}", "has no unit", None),
        ("canary: {steps: []}", "", None),
        ("canary: {metrics: [brier], max: 7d}", "no loss can be judged in so short a time", None),
        ("canary: {metrics: [brier], label_block: 0s}", "", None),
        ("canary: {metrics: {mae: {quantile: 0.9}}}", "mae is not about a quantile", None),
        ("canary: {holdback: 2%}", "the holdback cannot be read", None),
        ("canary: {holdback: 100% for 1h}", "is not a part of the requests", None),
        ("canary: {false_alarm: 0%}", "is not a part of the requests", None),
        ("canary: {sticky: Cookie}", "holds a secret", None),
        ("canary: {sticky: x-request-id}", "does not name a unit", None),
        ("canary: {match: [{header: falaj-arm, is: canary}]}", "is not a request header of yours", None),
        ("canary: {match: [{header: a, query: b, is: c}]}", "a match looks at one place", None),
        ("canary: {match: [{is: c}]}", "a match looks at one place", None),
        ("canary: {match: [{query: 'a b', is: c}]}", "is not a name of a query parameter", None),
        ("canary: {match: [{header: a, is: 'ü'}]}", "printable characters", None),
        ("shadow: {share: 0%}", "a shadow without copies sees nothing", None),
        ("blue_green: {metrics: [errors]}", "metrics", None),
        ("recreate: {hold: 1m}", "hold", None),
    ],
)
def test_what_no_rollout_could_do_is_refused_where_it_stands(
    written, project: Path, strategy: str, message: str, suggestion: str | None
) -> None:
    from falaj.config import ProjectError

    written(strategy)
    with pytest.raises(ProjectError) as raised:
        load_spec(project)
    issues: tuple[Issue, ...] = raised.value.issues
    line = 1 + (project / "falaj.yaml").read_text().splitlines().index(f"    {strategy}")
    assert any(message in issue.message and issue.line in (line, line - 1) for issue in issues), issues
    if suggestion:
        assert suggestion in [issue.suggestion for issue in issues]
