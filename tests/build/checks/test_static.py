"""ruff and mypy over a real checkout."""

from __future__ import annotations

import pytest

from falaj.build.checks import run_check

pytestmark = pytest.mark.integration


def static(bench):
    return run_check("static", bench.context())


def test_clean_code_passes_and_counts_its_files(bench):
    bench.write("src/flights/model.py", "def fit(rows: int) -> int:\n    return rows\n")
    bench.write("tests/test_model.py", "def test_nothing():\n    assert True\n")
    check_result = static(bench)
    assert check_result.passed
    assert check_result.checked == 2
    assert check_result.tools.keys() == {"ruff"}
    assert check_result.summary == "2 Python files, 0 problems (ruff)"


def test_problems_are_named_by_place_and_rule(bench):
    bench.write("model.py", "import os\n\nx = undefined\n")
    check_result = static(bench)
    assert not check_result.passed
    assert {(finding.path, finding.line, finding.rule) for finding in check_result.findings} == {
        ("model.py", 1, "F401"),
        ("model.py", 3, "F821"),
    }
    assert str(check_result.findings[0]).startswith("model.py:3: F821 ")  # errors come before style


def test_the_projects_own_rules_apply(bench):
    bench.write("model.py", "import os\n")
    bench.write("pyproject.toml", '[tool.ruff.lint]\nignore = ["F401"]\n')
    assert static(bench).passed


def test_code_that_does_not_parse_fails(bench):
    bench.write("model.py", "def fit(:\n")
    check_result = static(bench)
    assert not check_result.passed
    assert check_result.findings[0].line == 1


def test_no_python_files_is_a_failure(bench):
    bench.write("README.md", "nothing\n")
    check_result = static(bench)
    assert (check_result.passed, check_result.checked) == (False, 0)
    assert check_result.summary.startswith("nothing was checked")


def test_broken_settings_are_a_reason(bench):
    bench.write("model.py", "x = 1\n")
    bench.write("pyproject.toml", "[tool.ruff]\nline-length = 'wide'\n")
    check_result = static(bench)
    assert not check_result.passed
    assert "ruff failed" in check_result.summary


def test_mypy_runs_where_the_project_has_set_it_up(bench):
    bench.write("model.py", "def fit(rows: int) -> str:\n    return rows\n")
    bench.write("pyproject.toml", "[tool.mypy]\nstrict = true\n")
    check_result = static(bench)
    assert not check_result.passed
    assert check_result.tools.keys() == {"ruff", "mypy"}
    assert [(finding.path, finding.line, finding.rule) for finding in check_result.findings] == [
        ("model.py", 2, "return-value")
    ]


def test_a_tool_that_takes_too_long_is_stopped(bench):
    bench.write("model.py", "x = 1\n")
    bench.options(static={"timeout_s": 0.0001})
    check_result = static(bench)
    assert not check_result.passed
    assert "took longer than 0.0001 s" in check_result.summary


def test_style_may_pass_where_the_project_says_so(bench):
    bench.options(static={"fail_on": "error"})
    bench.write("model.py", "import os\n")
    style = static(bench)
    assert style.passed and [finding.rule for finding in style.findings] == ["F401"]
    assert style.summary == "1 Python files, 1 problems, 1 of them of style (ruff)"
    bench.write("model.py", "import os\n\nx = undefined\n")
    fault = static(bench)
    assert not fault.passed and [finding.rule for finding in fault.findings] == ["F821", "F401"]
