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
    found: dict[str, object] = json.loads(output)
    return found


def test_a_round_of_identical_arms_is_judged_and_none_is_rolled_back() -> None:
    found = benchmark("--seconds", "3", "--burn-in-max", "5")
    assert (found["rounds"], found["rolled_back"], found["failed"]) == (1, 0, 0)
    assert found["candidate_requests"]


def test_a_candidate_that_answers_nobody_is_rolled_back() -> None:
    found = benchmark("--seconds", "60", "--burn-in-max", "5", "--hang", "--share", "0.5", "--clients", "16")
    assert found["rolled_back"] == 1
