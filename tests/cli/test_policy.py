from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from falaj.cli.application import application
from falaj.trust.policy import PolicyError
from tests.trust.policy.test_organisation import CASES, SUNDAY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "leave.cedar").write_text(SUNDAY)
    (tmp_path / "leave.cases.yaml").write_text(CASES)
    return tmp_path


def test_policies_and_the_cases_beside_them_are_tried(folder: Path) -> None:
    for policy_path in (folder, folder / "leave.cedar"):
        answer = CliRunner().invoke(application(), ["access", "policy", "test", str(policy_path)])
        assert (answer.exit_code, answer.output) == (0, "1 policies added; 1 of 1 cases pass\n")


def test_a_case_that_comes_out_differently_is_told(folder: Path) -> None:
    (folder / "leave.cases.yaml").write_text(CASES.replace("allowed: false", "allowed: true"))
    answer = CliRunner().invoke(application(), ["access", "policy", "test", str(folder)])
    assert answer.exit_code == 1
    assert "FAILED  mariam does not train: must be allowed by no-runs-by-mariam, but denied" in answer.output


def test_a_policy_that_does_not_load_is_an_error(folder: Path) -> None:
    (folder / "leave.cedar").write_text("permit (")
    answer = CliRunner().invoke(application(), ["access", "policy", "test", str(folder)])
    assert isinstance(answer.exception, PolicyError)
    assert answer.exception.where == "leave"


def test_nothing_to_try_is_said(tmp_path: Path) -> None:
    answer = CliRunner().invoke(application(), ["access", "policy", "test", str(tmp_path)])
    assert "no Cedar files here" in str(answer.exception)
