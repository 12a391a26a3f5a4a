"""Figures of a report: files beside its numbers."""

from __future__ import annotations

import pytest

from falaj.config import StepSpec
from tests.build.pipeline.conftest import Project

pytestmark = pytest.mark.integration

CODE = """
import tempfile
from pathlib import Path


class Figure:
    def savefig(self, path, **options):
        Path(path).write_text("<svg/>")


def evaluate(missing: bool = False):
    path = Path(tempfile.mkdtemp()) / "roc.PNG"
    if not missing:
        path.write_bytes(b"png")
    return {"auc": 0.8, "the curve": path, "lift": Figure()}


def drawn():
    from matplotlib.figure import Figure
    figure = Figure()
    figure.subplots().plot([1, 2], [3, 4])
    return {"auc": 0.8, "lift": figure}
"""


def test_files_and_figures_of_a_report_stand_beside_its_numbers(project: Project) -> None:
    project.write("steps.py", CODE)
    step = StepSpec("evaluate", run="steps:evaluate", output="report")
    result = project.run(step).steps["evaluate"]
    assert result.error is None, result.error
    files = {entry.path for entry in project.store.manifest(result.outputs["output"]).files}
    assert files == {"value.json", "the_curve.png", "lift.svg"}
    assert result.metrics == {"auc": 0.8} and result.kinds == {"output": "json"}


def test_a_report_that_names_no_file_is_refused(project: Project) -> None:
    project.write("steps.py", CODE)
    step = StepSpec("evaluate", run="steps:evaluate", output="report", params={"missing": True})
    error = project.run(step).steps["evaluate"].error
    assert error is not None and error.code == "step.wrong-output" and "`the curve`" in error.message


def test_the_same_figure_of_matplotlib_is_the_same_file(project: Project) -> None:
    pytest.importorskip("matplotlib")
    project.write("steps.py", CODE)
    step = StepSpec("drawn", run="steps:drawn", output="report", cache=False)
    first, second = (project.run(step, run_id=name).outputs["drawn"] for name in ("r1", "r2"))
    assert {entry.path for entry in project.store.manifest(first).files} == {"value.json", "lift.svg"}
    svg = [project.store.read_bytes(each, "lift.svg") for each in (first, second)]
    assert b"<svg" in svg[0] and b"dc:date" not in svg[0]
