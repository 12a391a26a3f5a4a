"""Results and the table of checks."""

from __future__ import annotations

import pytest

import falaj.build.checks
from falaj.build.checks import CHECK_NAMES, CheckResult, Finding, run_check
from falaj.build.checks.registry import UnknownCheckError


def test_nothing_checked_is_never_a_pass():
    check_result = CheckResult("secrets", True, "0 files", 0)
    assert not check_result.passed
    assert check_result.summary == "nothing was checked: 0 files"


def test_what_is_exported_is_there():
    assert all(getattr(falaj.build.checks, name) for name in falaj.build.checks.__all__)
    with pytest.raises(AttributeError, match="no attribute 'run_all'"):
        falaj.build.checks.run_all  # noqa: B018


def test_an_unknown_check_names_the_known_ones(bench):
    with pytest.raises(UnknownCheckError, match="no check 'lint'") as raised:
        run_check("lint", bench.context())
    assert all(name in raised.value.hint for name in CHECK_NAMES)


def test_a_finding_without_a_line_names_only_the_file():
    assert str(Finding("model.pkl", 0, "forbidden-import", "os.system")) == "model.pkl: forbidden-import os.system"
