"""A run as a JUnit report, as CI systems read it: a case for each step, check and gate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from falaj.schemas import api

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no characters for: a log can hold anything."""
_PASSED = frozenset({"succeeded", "passed", "cached"})
_FAILED = frozenset({"failed", "rejected"})


def to_junit(run: api.Run) -> str:
    """The report of a run: what failed is a failure with its reason, what did not run to its end is skipped.

    A run that did not succeed has at least one failure: where none of its parts failed, the run itself is one.

    Args:
        run: With its steps.
    """
    cases = [_case(run, step) for step in run.steps]
    if run.state != "succeeded" and not any(case.find("failure") is not None for case in cases):
        cases.append(_failed(Element("testcase", classname=run.project, name="run"), run.state, run.reason))
    suite = Element("testsuite", dict(_counts(cases)), name=_text(f"{run.project} {run.commit[:10]}"))
    suite.set("time", _seconds(run.started_at, run.ended_at))
    suite.set("timestamp", datetime.fromtimestamp(run.created_at, UTC).isoformat(timespec="seconds"))
    suite.extend(cases)
    suites = Element("testsuites")
    suites.append(suite)
    indent(suites)
    return tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _case(run: api.Run, step: api.StepRun) -> Element:
    case = Element("testcase", classname=_text(f"{run.project}.{step.kind}"), name=_text(step.node))
    case.set("time", _seconds(step.started_at, step.ended_at))
    if step.state in _FAILED:
        return _failed(case, step.state, "\n".join(_reasons(step)))
    if step.state not in _PASSED:
        SubElement(case, "skipped", message=step.state)
    return case


def _failed(case: Element, state: str, reason: str) -> Element:
    lines = _text(reason).splitlines() or [state]
    SubElement(case, "failure", message=lines[0], type=state).text = "\n".join(lines)
    return case


def _reasons(step: api.StepRun) -> Iterator[str]:
    """What is known of a failure: its message, where it was, and what a check found."""
    for name in ("reason", "summary", "message", "where", "hint"):
        if value := step.detail.get(name):
            yield str(value)
    for finding in step.detail.get("findings") or ():
        yield str(finding)


def _counts(cases: list[Element]) -> Iterator[tuple[str, str]]:
    yield "tests", str(len(cases))
    yield "failures", str(sum(case.find("failure") is not None for case in cases))
    yield "errors", "0"
    yield "skipped", str(sum(case.find("skipped") is not None for case in cases))


def _seconds(start: float | None, end: float | None) -> str:
    return f"{end - start:.3f}" if start is not None and end is not None else "0.000"


def _text(text: str) -> str:
    return _NOT_XML.sub("?", text)
