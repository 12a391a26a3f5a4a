"""Metrics of the project with a direction and bounds, beside the live release."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from falaj.build.checks import LiveModel, own_metrics, run_gates, scoring
from falaj.build.checks.own_metrics import value_of
from falaj.build.checks.runner import own_metric
from falaj.config.gates import parse_gate
from falaj.config.spec import OwnMetric
from tests.build.checks.conftest import flights

PROFIT = """
import numpy as np

def gain(label, prediction, probabilities):
    return np.where(prediction == label, 3.0, -1.0)

def total(label, prediction):
    return float(np.sum(prediction == label))

def scarce(label, prediction):
    return 1.0 / (len(label) - len(label))
"""
DECLARED = {
    "gain": OwnMetric("app.metrics:gain", True, (-1, 3)),
    "cost": OwnMetric("app.metrics:gain", False, (-1, 3)),
    "total": OwnMetric("app.metrics:total", True),
    "narrow": OwnMetric("app.metrics:gain", True, (-1, 2)),
}


@pytest.fixture
def gate_outcomes(bench, models, same_process, monkeypatch):
    """Judges gates with the good model as the candidate and the poor one as live, in this process."""
    monkeypatch.setattr(own_metrics, "run_in_project", scoring.run_in_project)
    bench.write("src/app/metrics.py", PROFIT)
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(900))
    bench.live = LiveModel(1, bench.store.put(models["poor"]).digest)

    def judge(*texts):
        bench.gates(*(parse_gate(text, DECLARED) for text in texts))
        return run_gates(bench.context())

    return judge


def test_own_metrics_are_held_beside_live_in_their_direction(gate_outcomes):
    gain, cost, total, sliced, narrow, value = gate_outcomes(
        "gain not worse than live on split.test",
        "cost not worse than live by 0.05 on split.test",
        "total not worse than live by 1 on split.test",
        "gain not worse than live by 0.1 on split.test by carrier where rows >= 100",
        "narrow >= 0 on split.test",
        "gain >= 0.5 on split.test",
    )
    assert gain.passed and gain.method == "betting" and gain.value < 0 and gain.interval[1] < 0
    assert not cost.passed and cost.value == pytest.approx(-gain.value)
    assert total.passed and total.method == "bootstrap" and total.rows == 900
    assert total.value == pytest.approx(gain.value / 4 * 900)  # a row more that is right is worth 4
    assert sliced.passed and {each.name for each in sliced.slices} == {"AA", "UA"}
    assert narrow.reason == "app.metrics:gain gave 3, which is outside of its bounds -1 to 2"
    assert value.passed and value.value > 0.5


def test_without_a_live_release_there_is_nothing_to_compare(bench, gate_outcomes):
    bench.live = None
    [gate_result] = gate_outcomes("gain not worse than live on split.test")
    assert gate_result.passed and gate_result.reason == "no live release yet"


def test_what_the_process_of_the_function_writes_is_not_trusted():
    gate, metric = parse_gate("gain not worse than live on t", DECLARED), DECLARED["gain"]
    right = {"candidate": 1.0, "live": 1.0, "by_rows": True, "differences": [0.0] * 50, "extremes": [0, 1]}
    rng = np.random.default_rng(0)
    assert value_of(right, gate, metric, rng).worse_by == 0
    for wrong in (
        {}, 5, None, [1], right | {"candidate": "x"}, right | {"live": float("nan")}, right | {"extremes": [1]},
        right | {"differences": [[1.0]]}, right | {"differences": "no"},
    ):  # fmt: skip
        assert isinstance(value_of(wrong, gate, metric, rng), str)
    unbounded = replace(metric, bounds=None)
    assert "no value on most resamples" in value_of(right | {"by_rows": False, "differences": []}, gate, unbounded, rng)


def test_numbers_that_fit_no_row_are_refused(tmp_path):
    (tmp_path / "own_shapes.py").write_text(
        "import numpy as np\ndef two(label, prediction): return np.zeros(2)\ndef none(label, prediction): return np.inf"
    )
    np.savez(tmp_path / "rows.npz", rows=np.ones((1, 3), bool), label=np.zeros(3), prediction=np.zeros(3))
    for name, message in (("two", "shape (2,) for 3 rows"), ("none", "not finite")):
        task = {"function": f"own_shapes:{name}", "rows": str(tmp_path / "rows.npz"), "worktree": str(tmp_path)}
        [outcome] = own_metric.main(task | {"resamples": 0, "seed": 0})["values"]
        assert message in outcome
