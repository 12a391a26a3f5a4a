"""What git keeps leads from a commit's id to its project file."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.config.gates import parse_gate, with_columns
from falaj.config.spec import OwnMetric
from falaj.control.notary import DoesNotRecomputeError
from falaj.control.notary.commit import project_file, require_gates, require_risk
from falaj.control.runs.checkout import proof_of

pytestmark = pytest.mark.integration

TEXT = """\
model: m
data: {held-back: {exam: true}}
metrics: {profit: {function: "shop:profit", better: greater, bounds: [0, 5]}}
gates: [auc >= 0.7 on test, profit not worse than live on test]
monitoring: {label: [a, b], group: shop}
"""
PROFIT = OwnMetric("shop:profit", True, (0.0, 5.0))


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_commit_shows_its_project_file(tmp_path: Path, form: str) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        process = subprocess.run(
            ["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return process.stdout.strip()

    git("init", "-q", f"--object-format={form}")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "falaj.yaml").write_text(TEXT)
    git("add", "-A")
    git("commit", "-q", "-m", "First")
    commit = git("rev-parse", "HEAD")
    proof = proof_of(tmp_path, commit)
    assert proof is not None and project_file(proof, commit) == TEXT.encode()
    texts = ("auc >= 0.7 on test", "profit not worse than live on test")
    columns = {"label": ["a", "b"], "group": "shop"}
    gates = tuple(with_columns(parse_gate(text, {"profit": PROFIT}), columns) for text in texts)
    require_gates(proof, commit, gates, {"held-back"}, all_of_them=True)
    with pytest.raises(DoesNotRecomputeError, match="test is not an exam in the project file"):
        require_gates(proof, commit, gates, {"test"}, all_of_them=True)
    other = replace(gates[1], own=replace(PROFIT, higher_is_better=False))
    with pytest.raises(DoesNotRecomputeError, match="profit not worse than live on test` is not in the project file"):
        require_gates(proof, commit, (gates[0], other), {"held-back"}, all_of_them=True)
    require_risk(proof, commit, "medium")
    with pytest.raises(DoesNotRecomputeError, match="the risk is medium, not low"):
        require_risk(proof, commit, "low")
    with pytest.raises(DoesNotRecomputeError, match="is not the one that is named"):
        project_file(proof, commit[:-1] + ("0" if commit[-1] != "0" else "1"))
    (tmp_path / "falaj.yaml").unlink()
    git("commit", "-q", "-am", "Second")
    assert proof_of(tmp_path, git("rev-parse", "HEAD")) is None
