"""The project's own tests, run by pytest in the project's environment; the JUnit report is what counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.processes import run_tool, scratch_of
from falaj.build.checks.results import CheckResult, CheckValue, Finding, failed

TIMEOUT_S = 1800.0
NO_TESTS_COLLECTED = 5  # pytest's exit code


@dataclass(frozen=True)
class JUnitReport:
    """The counts and failures of a JUnit XML report.

    Attributes:
        tests: Test cases in the report.
        skipped: Of them, not run.
        findings: One for each failure and error.
        seconds: Wall time of the suites.
    """

    tests: int
    skipped: int
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def executed(self) -> int:
        """Test cases that ran."""
        return self.tests - self.skipped


def check(context: CheckContext) -> CheckResult:
    """Run the tests and read the report.

    Options: `paths`, folders or files to run (default: what the project configures); `timeout_s`.
    """
    options = context.options("tests")
    version = _pytest_version(context)
    scratch = scratch_of(context, "pytest")
    report_file = scratch / "junit.xml"
    paths = [str(path) for path in options.get("paths", [])]
    arguments = ["-q", "-p", "no:cacheprovider", f"--junitxml={report_file}", *paths]
    timeout_s = float(options.get("timeout_s", TIMEOUT_S))
    command: tuple[str | Path, ...] = (context.environment.python, "-m", "pytest", *arguments)
    tool_run = run_tool(context, "pytest", *command, timeout_s=timeout_s, scratch=scratch)
    tools = {"pytest": version}
    if tool_run.code == NO_TESTS_COLLECTED or not report_file.is_file() or report_file.is_symlink():
        reason = (
            "nothing was checked: there are no tests" if tool_run.code == NO_TESTS_COLLECTED else "pytest did not run"
        )
        return failed("tests", f"{reason} (exit code {tool_run.code})", tools=tools, log=tool_run.log)
    return _result(read_junit(report_file), tool_run.code, tools, tool_run.log)


def _result(report: JUnitReport, code: int, tools: dict[str, str], log: str) -> CheckResult:
    wrong = len(report.findings)
    values = (
        CheckValue("failures", wrong, 0, "<=", wrong == 0),
        CheckValue("tests", report.executed, 1, ">=", report.executed > 0),
        CheckValue("skipped", report.skipped),
        CheckValue("seconds", report.seconds),
    )
    passed = code == 0 and wrong == 0
    ending = "" if code in (0, 1) else f", pytest ended with {code}"
    summary = f"{report.executed - wrong} of {report.executed} tests passed, {report.skipped} skipped{ending}"
    return CheckResult("tests", passed, summary, max(report.executed, 0), values, tools, report.findings, log)


def _pytest_version(context: CheckContext) -> str:
    tool_run = run_tool(
        context, "pytest-version", context.environment.python, "-m", "pytest", "--version", timeout_s=60
    )
    if tool_run.code != 0:
        raise CheckError(
            "pytest is not in the project's environment", hint="add pytest to the project's dev group and lock it"
        )
    version_match = re.search(r"\d+(\.\d+)+", tool_run.log)
    return version_match.group() if version_match else "unknown"


def read_junit(path: Path) -> JUnitReport:
    """Read a JUnit XML report as pytest writes it.

    Raises:
        CheckError: It is no such report.
    """
    try:
        root = ElementTree.parse(path).getroot()  # noqa: S314 - expat refuses entity bombs; nothing external is resolved
    except ElementTree.ParseError as error:
        raise CheckError(f"the test report is not XML: {error}", where=str(path)) from error
    cases = list(root.iter("testcase"))
    wrong = [finding for case in cases if (finding := _finding(case))]
    skipped = sum(case.find("skipped") is not None for case in cases)
    seconds = sum(float(suite.get("time", 0)) for suite in root.iter("testsuite"))
    return JUnitReport(len(cases), skipped, tuple(wrong), seconds)


def _finding(case: ElementTree.Element) -> Finding | None:
    for kind in ("failure", "error"):
        element = case.find(kind)
        if element is not None:
            name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
            return Finding(_file(case), int(case.get("line", -1)) + 1, kind, f"{name}: {_first_line(element)}")
    return None


def _file(case: ElementTree.Element) -> str:
    return case.get("file") or case.get("classname", "").replace(".", "/") + ".py"


def _first_line(element: ElementTree.Element) -> str:
    text = element.get("message") or element.text or ""
    return text.strip().splitlines()[0][:300] if text.strip() else "no message"
