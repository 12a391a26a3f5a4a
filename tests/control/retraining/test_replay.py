"""`falaj monitor simulate` on a real project: its own steps train, and its own rows judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import uv

from falaj.config.create import create_project
from tests.e2e.installation import share_environments

pytestmark = [pytest.mark.lifecycle, pytest.mark.e2e, pytest.mark.timeout(900)]
DAYS, TURNS, ROWS_A_DAY = 80, 40, 12
FEATURES = '''"""Cuts the measurements into rows to learn from and rows that judge, by their days."""

import pandas as pd

LABEL = "malignant"


def split(tumours: pd.DataFrame, train_until: str | None, backtest_until: str | None) -> dict[str, pd.DataFrame]:
    """Rows before `train_until` are for training, those from then on judge."""
    until, end = (train_until or "2025-03-01")[:10], (backtest_until or "9999")[:10]
    return {
        "train": tumours[tumours["day"] < until].reset_index(drop=True),
        "test": tumours[(tumours["day"] >= until) & (tumours["day"] < end)].reset_index(drop=True),
    }
'''
SPEC = """
model: tumours
owner: you@example.org
risk: low
data:
  tumours: {source: "file://data/tumours.csv", classification: public, origin: US}
pipeline:
  split:
    run: tumours.features:split
    inputs: [tumours]
    params: {train_until: null, backtest_until: null}
    outputs: [train, test]
  fit:
    run: tumours.training:fit
    inputs: [split.train]
    params: {learning_rate: 0.1, iterations: 10}
    output: model
gates: [brier not worse than live by 0.02 on split.test]
monitoring: {label: malignant, label_delay: 1d}
retrain:
  - {on: growth, factor: 2, blocks: day}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The template with days: from one of them on the label means the opposite."""
    folder = tmp_path / "tumours"
    create_project(folder, "tumours")
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], cwd=folder, env=environment, check=True)
    (folder / "falaj.yaml").write_text(SPEC)
    (folder / "src/tumours/features.py").write_text(FEATURES)
    code = folder / "src/tumours/training.py"
    code.write_text(code.read_text().replace("columns=LABEL", 'columns=[LABEL, "day"]'))
    rng, lines = np.random.default_rng(0), ["day,radius,malignant"]
    for day in range(DAYS):
        for radius in rng.uniform(0, 1, ROWS_A_DAY):
            ill = (rng.random() < 0.1 + 0.8 * radius) != (day >= TURNS)
            lines.append(f"{date(2025, 1, 1) + timedelta(day)},{radius:.4f},{int(ill)}")
    (folder / "data/tumours.csv").write_text("\n".join(lines) + "\n")
    return folder


def simulate(folder: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "falaj.cli.main", "monitor", "simulate", *arguments, "-C", str(folder)]
    environment = {**os.environ, "FALAJ_HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_project_is_replayed_under_policies(project: Path, tmp_path: Path) -> None:
    policy = tmp_path / "eager.yaml"
    policy.write_text("retrain:\n  - {on: growth, factor: 1.3}\n")
    home = tmp_path / "home"
    share_environments(home)
    ended = simulate(project, home, "tumours", "--policy", str(policy), "--since", "2025-01-28", "--json")
    assert ended.returncode == 0, ended.stderr
    replay_report = json.loads(ended.stdout)
    assert set(replay_report) == {"never", "monthly", "by growth", "by alarm", "falaj.yaml", "eager"}
    assert (replay_report["never"]["trainings"], replay_report["never"]["core_hours"]) == ([], 0)
    assert len(replay_report["monthly"]["trainings"]) >= 1
    assert replay_report["monthly"]["core_hours"] > 0
    assert (
        replay_report["monthly"]["loss"] < replay_report["never"]["loss"]
    )  # the world has turned, and never has not seen it
    assert len(replay_report["eager"]["trainings"]) > len(replay_report["falaj.yaml"]["trainings"]) >= 1
    assert simulate(project, home, "flights").returncode == 2
    policy.write_text("retrain:\n  - {on: labels, every: 5}\n")
    refused = simulate(project, home, "tumours", "--policy", str(policy))
    assert refused.returncode == 2 and "on: labels" in refused.stderr
