"""A run as a JUnit report."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from falaj.cli.junit import to_junit
from falaj.schemas import api

LINT = {"summary": "1 finding", "findings": ["a.py:3: \x1b[1mB\x00 <x>"]}
RUN = api.Run(
    id="r1", project="flights", model="m", commit="ab" * 20, ref=None, trigger="push", params={}, state="rejected",
    reason="gate brier < 0.2", release=None, mlflow_run=None, created_at=0.0, started_at=1.0, ended_at=9.5,
    steps=[
        api.StepRun("load", "step", "cached", {}, 1.0, 1.0),
        api.StepRun("code", "check", "failed", LINT, 1.0, 2.5),
        api.StepRun("brier", "gate", "failed", {"reason": "0.31 is not < 0.2"}, 2.5, 3.0),
        api.StepRun("auc", "gate", "queued", {}, None, None),
    ],
)  # fmt: skip


def suite_of(run: api.Run) -> ElementTree.Element:
    suite = ElementTree.fromstring(to_junit(run)).find("testsuite")
    assert suite is not None
    return suite


def test_each_part_is_a_case_and_what_failed_says_why() -> None:
    suite = suite_of(RUN)
    assert {name: suite.get(name) for name in ("tests", "failures", "skipped", "time")} == {
        "tests": "4", "failures": "2", "skipped": "1", "time": "8.500",
    }  # fmt: skip
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    failure = cases["flights.check", "code"].find("failure")
    assert failure is not None and failure.get("message") == "1 finding"
    assert failure.text == "1 finding\na.py:3: ?[1mB? <x>", "characters that XML has not are replaced"
    gate = cases["flights.gate", "brier"].find("failure")
    assert gate is not None and gate.get("message") == "0.31 is not < 0.2"
    assert cases["flights.step", "load"].find("failure") is None
    assert cases["flights.gate", "auc"].find("skipped") is not None


def test_a_run_that_did_not_succeed_has_a_failure_in_any_case() -> None:
    cancelled = suite_of(replace(RUN, steps=RUN.steps[:1], state="cancelled", reason="by root"))
    assert [case.get("name") for case in cancelled if case.find("failure") is not None] == ["run"]
    assert suite_of(replace(RUN, steps=RUN.steps[:1], state="succeeded")).get("failures") == "0"
