"""What a person sees of a run."""

from __future__ import annotations

from falaj.build.pipeline.events import RunEvent
from falaj.cli.progress import Progress, findings, values_shown


def test_findings_stand_under_their_check(capsys) -> None:
    data = {"passed": False, "summary": "2 problems", "findings": ["a.py:3: F821 x", "b.py:1: E501 y"], "found": 2}
    Progress(quiet=False).show(RunEvent("check.finished", 1.0, "static", data))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == ["a.py:3: F821 x", "b.py:1: E501 y"]


def test_many_findings_are_counted() -> None:
    lines = findings({"findings": [f"a.py:{line}: E501 long" for line in range(20)], "found": 75})
    assert len(lines) == 11 and lines[-1] == "and 65 more"
    assert findings({}) == []


def test_a_step_shows_what_it_was_given_and_reported() -> None:
    assert values_shown({"params": {"depth": 3}, "metrics": {"auc": 0.912345}}) == "depth=3  auc 0.9123"
    assert len(values_shown({"params": {"columns": list(range(1000))}})) == 100
    assert values_shown({}) == ""


def test_minutes_of_installing_are_announced(capsys) -> None:
    Progress(quiet=False).show(RunEvent("run.installing", 1.0, data={"lockfile": "uv.lock"}))
    assert "install           the packages of uv.lock, once for each lock" in capsys.readouterr().out
