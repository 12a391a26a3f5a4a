"""A project whose one step has candidates: what runs for them, and the project that one of them makes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from falaj.build.pipeline import StepState, expand
from falaj.build.pipeline.sweep import candidates_part, table_of_cell, with_cell, with_overrides
from falaj.config.spec import ProjectSpec, SelectSpec, SourceSpec, StepSpec
from tests.build.pipeline.conftest import Project

pytestmark = pytest.mark.integration

SELECT = SelectSpec("brier on split.validation", "brier", "split.validation")
SPEC = ProjectSpec(
    "m", "o",
    data={"raw": SourceSpec("raw", "file://raw.csv", "public", "AE")},
    steps={
        "features": StepSpec("features", inputs=("raw",), matrix={"window": (7, 30)}),
        "split": StepSpec("split", inputs=("features",), outputs=("train", "validation"), matrix={"window": (7, 30)}),
        "fit": StepSpec("fit", inputs=("split.train",), output="model", params={"seed": 1},
                        matrix={"window": (7, 30), "depth": (2, 3)}, select=SELECT),
        "evaluate": StepSpec("evaluate", inputs=("fit",), output="report"),
        "aside": StepSpec("aside", inputs=("raw",), matrix={"window": (1, 2)}),
    },
)  # fmt: skip


def test_candidates_need_what_they_and_their_rows_come_from() -> None:
    assert [*candidates_part(SPEC).steps] == ["features", "split", "fit"]
    elsewhere = replace(SPEC, steps={**SPEC.steps, "fit": replace(SPEC.steps["fit"], inputs=("features",))})
    assert [*candidates_part(elsewhere).steps] == ["features", "split", "fit"]


def test_the_selected_values_are_parameters_wherever_the_axis_belongs_together() -> None:
    chosen = with_cell(SPEC, "fit", {"window": 30, "depth": 2})
    assert chosen.steps["fit"].params == {"seed": 1, "window": 30, "depth": 2}
    assert chosen.steps["features"].params == chosen.steps["split"].params == {"window": 30}
    assert [*expand(chosen.steps, chosen.data)] == ["features", "aside[window=1]", "aside[window=2]", "split", "fit",
                                                    "evaluate"]  # fmt: skip
    assert chosen.sweep is None and chosen.steps["aside"] == SPEC.steps["aside"]


def test_a_parameter_that_a_run_is_given_is_no_axis_any_more() -> None:
    one_axis = with_overrides(SPEC, {"fit": {"depth": 3}, "split": {"window": 7}})
    assert one_axis.sweep is not None and dict(one_axis.sweep.matrix) == {"window": (7, 30)}
    assert with_overrides(SPEC, {"fit": {"depth": 3, "window": 7}}).sweep is None
    assert with_overrides(SPEC, {"aside": {"window": 3}}) == SPEC


def test_a_candidate_is_scored_on_the_rows_of_its_own_values() -> None:
    cell = {"window": 30, "depth": 2}
    assert table_of_cell(SPEC, "split.validation", cell) == "split[window=30].validation"
    assert table_of_cell(SPEC, "features", cell) == "features[window=30]"
    assert table_of_cell(SPEC, "raw", cell) == "raw"
    assert table_of_cell(with_cell(SPEC, "fit", {"window": 7}), "split.validation", {"depth": 2}) == "split.validation"


CODE = """
def fit(depth):
    if depth == 1:
        raise ValueError("too flat")
    if depth == 0:
        import os
        os.kill(os.getpid(), 9)
    return {"depth": depth}
"""


def _fit(*depths: int) -> StepSpec:
    return StepSpec("fit", run="steps:fit", matrix={"depth": depths})


def test_a_candidate_that_breaks_leaves_the_others_alone(project: Project) -> None:
    project.write("steps.py", CODE)
    result = project.run(_fit(1, 2, 3), may_fail="fit", cpus=1)
    assert [step.state for step in result.steps.values()] == [
        StepState.FAILED, StepState.SUCCEEDED, StepState.SUCCEEDED,
    ]  # fmt: skip
    assert result.failed is None and project.value(result, "fit[depth=3]") == {"depth": 3}
    assert project.run(_fit(1, 2), run_id="r2").failed == "fit[depth=1]"


def test_a_machine_decides_no_sweep(project: Project) -> None:
    project.write("steps.py", CODE)
    assert project.run(_fit(0, 2), may_fail="fit", cpus=1).failed == "fit[depth=0]"


def test_what_was_trained_is_taken_from_the_cache_by_the_whole_pipeline(project: Project) -> None:
    project.write("steps.py", CODE)
    swept: Any = project.run(_fit(2, 3), may_fail="fit")
    chosen = project.run(StepSpec("fit", run="steps:fit", params={"depth": 3}))
    assert chosen.steps["fit"].cached
    assert chosen.steps["fit"].fingerprint == swept.steps["fit[depth=3]"].fingerprint
