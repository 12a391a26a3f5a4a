"""Static analysis: ruff over the project's Python files, and mypy where the project has set it up."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import tomllib
from pathlib import Path

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.processes import Finished, run_tool, scratch_of
from falaj.build.checks.results import CheckResult, CheckValue, Finding
from falaj.core.errors import MissingExtraError

TIMEOUT_S = 600.0
_RUFF_RULE = re.compile(r"[A-Z]+[0-9]+")
_ERROR_RULES = ("E9", "F", "PLE")
_STYLE_OF_PYFLAKES = ("F401", "F541", "F841", "F842")
"""Unused imports and variables, and f-strings without a placeholder: nothing breaks by them."""
_MYPY_LINE = re.compile(
    r"^(?P<path>[^:\n]+):(?P<line>\d+):(?:\d+:)? error: (?P<message>.*?)(?:  \[(?P<rule>[\w-]+)\])?$"
)


def check(context: CheckContext) -> CheckResult:
    """Lint every Python file of the project with its own settings.

    Option `timeout_s` bounds each tool; with `fail_on: error` findings of style are named and do not fail.
    """
    options = context.options("static")
    timeout_s = float(options.get("timeout_s", TIMEOUT_S))
    ruff = _ruff_binary(context)
    files = _python_files(context, ruff, timeout_s)
    findings, log = _ruff_findings(context, ruff, timeout_s), ""
    tools = {"ruff": _version(run_tool(context, "ruff-version", ruff, "--version", timeout_s=timeout_s))}
    failing = [finding for finding in findings if options.get("fail_on") != "error" or is_error(finding)]
    values = [CheckValue("ruff", len(findings), 0, "<=", not failing)]
    if mypy := _mypy_version(context, timeout_s):
        tools["mypy"] = mypy
        typing_errors, mypy_log = _mypy_findings(context, timeout_s)
        values.append(CheckValue("mypy", len(typing_errors), 0, "<=", not typing_errors))
        findings, failing, log = findings + typing_errors, failing + typing_errors, log + mypy_log
    errors = [finding for finding in findings if is_error(finding)]
    tool_names = " and ".join(tools)
    of_style = f", {len(findings) - len(errors)} of them of style" if len(errors) < len(findings) else ""
    summary = f"{len(files)} Python files, {len(findings)} problems{of_style} ({tool_names})"
    sorted_findings = tuple(sorted(findings, key=is_error, reverse=True))
    return CheckResult("static", not failing, summary, len(files), tuple(values), tools, sorted_findings, log)


def is_error(finding: Finding) -> bool:
    """Whether a finding is a fault of the program: of types, syntax, or what pyflakes and pylint call an error."""
    if not _RUFF_RULE.fullmatch(finding.rule):
        return True
    return finding.rule.startswith(_ERROR_RULES) and finding.rule not in _STYLE_OF_PYFLAKES


def _ruff_binary(context: CheckContext) -> Path:
    """The project's own ruff, so that its pinned rules apply; else the one of the `checks` extra."""
    own = context.environment.python.parent / "ruff"
    if own.exists():
        return own
    try:
        from ruff import find_ruff_bin  # type: ignore[import-untyped]
    except ImportError:
        ruff_path = shutil.which("ruff")
        if ruff_path is None:
            raise MissingExtraError("checks", "static analysis") from None
        return Path(ruff_path)
    return Path(find_ruff_bin())


def _python_files(context: CheckContext, ruff: Path, timeout_s: float) -> list[str]:
    listed = run_tool(context, "ruff-files", ruff, "check", "--no-cache", "--show-files", ".", timeout_s=timeout_s)
    return [line for line in listed.output.splitlines() if line.endswith((".py", ".pyi", ".ipynb"))]


def _ruff_findings(context: CheckContext, ruff: Path, timeout_s: float) -> list[Finding]:
    scratch = scratch_of(context, "ruff")
    report = scratch / "ruff.json"
    options = ("--no-cache", "--no-fix", "--output-format=json", f"--output-file={report}")
    tool_run = run_tool(context, "ruff", ruff, "check", *options, ".", timeout_s=timeout_s, scratch=scratch)
    if tool_run.code not in (0, 1) or not report.exists():
        raise CheckError(f"ruff failed: {tool_run.last_line}")
    rows = json.loads(report.read_text() or "[]")
    return [
        Finding(_within(context, row["filename"]), row["location"]["row"], row["code"] or "syntax", row["message"])
        for row in rows
    ]


def _within(context: CheckContext, path: str) -> str:
    try:
        return str(Path(path).resolve().relative_to(context.worktree.resolve()))
    except ValueError:
        return path


def _version(tool_run: Finished) -> str:
    version_match = re.search(r"\d+(\.\d+)+", tool_run.output)
    return version_match.group() if version_match else "unknown"


def mypy_settings(worktree: Path) -> dict[str, object] | None:
    """The project's mypy settings; None when it has none."""
    for name in ("mypy.ini", ".mypy.ini", "setup.cfg"):
        if (worktree / name).is_file():
            parser = configparser.ConfigParser(interpolation=None)
            parser.read(worktree / name)
            if parser.has_section("mypy"):
                return dict(parser["mypy"])
    if (worktree / "pyproject.toml").is_file():
        mypy_table = tomllib.loads((worktree / "pyproject.toml").read_text()).get("tool", {}).get("mypy")
        return dict(mypy_table) if mypy_table is not None else None
    return None


def _mypy_version(context: CheckContext, timeout_s: float) -> str | None:
    """The version of the project's mypy; None unless the project has set it up and installed it."""
    if mypy_settings(context.worktree) is None:
        return None
    tool_run = run_tool(
        context, "mypy-version", context.environment.python, "-m", "mypy", "--version", timeout_s=timeout_s
    )
    return _version(tool_run) if tool_run.code == 0 else None


def _mypy_findings(context: CheckContext, timeout_s: float) -> tuple[list[Finding], str]:
    settings = mypy_settings(context.worktree) or {}
    targets = [] if {"files", "packages", "modules"} & settings.keys() else ["."]
    scratch = scratch_of(context, "mypy")
    options = ("--no-pretty", "--no-color-output", "--cache-dir", str(scratch / "cache"))
    python = context.environment.python
    tool_run = run_tool(context, "mypy", python, "-m", "mypy", *options, *targets, timeout_s=timeout_s, scratch=scratch)
    findings = [
        Finding(match["path"], int(match["line"]), match["rule"] or "mypy", match["message"])
        for match in map(_MYPY_LINE.match, tool_run.output.splitlines())
        if match
    ]
    if tool_run.code != 0 and not findings:
        raise CheckError(f"mypy failed: {tool_run.last_line}")
    return findings, tool_run.log
