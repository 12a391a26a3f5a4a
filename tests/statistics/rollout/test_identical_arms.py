"""The benchmark of identical arms runs on a real Envoy; whether a promise is kept takes hundreds of rounds to say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.locations, pytest.mark.e2e]
SCRIPT = Path(__file__).parents[3] / "benchmarks" / "rollouts" / "identical.py"


def benchmark(*options: str) -> dict[str, object]:
    command = [sys.executable, str(SCRIPT), "--rounds", "1", "--clients", "2", "--json", *options]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    benchmark_report: dict[str, object] = json.loads(output)
    return benchmark_report


def test_a_round_of_identical_arms_is_judged_and_none_is_rolled_back() -> None:
    benchmark_report = benchmark("--seconds", "3", "--burn-in-max", "5")
    assert (benchmark_report["rounds"], benchmark_report["rolled_back"], benchmark_report["failed"]) == (1, 0, 0)
    assert benchmark_report["candidate_requests"]


def test_a_candidate_that_answers_nobody_is_rolled_back() -> None:
    benchmark_report = benchmark("--seconds", "60", "--burn-in-max", "5", "--hang", "--share", "0.5", "--clients", "16")
    assert benchmark_report["rolled_back"] == 1
