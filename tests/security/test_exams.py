"""The judged does not write the exam: rows that no step can read, whose labels its project's code never sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from falaj.build.checks import run_gates
from falaj.config import ProjectError, SourceSpec
from falaj.config.loading import load_spec
from falaj.config.platform_spec import EnvironmentSpec
from falaj.control.changes.requirements import shortfalls
from falaj.control.notary import DoesNotRecomputeError, open_office
from falaj.core.home import Home
from tests.build.checks import conftest
from tests.build.checks.conftest import Bench, flights, threshold
from tests.control.notary.claims import true_claims

pytestmark = pytest.mark.integration

bench, models = conftest.bench, conftest.models

PREPARE = """
import os
from pathlib import Path

def prepare(table):
    seen = [name for name in table.columns if name not in ("metres", "hour", "noise")]
    for folder in map(Path, BOXES):
        for path in folder.rglob("*"):
            try:
                seen += [str(path)] if path.is_file() and b"late" in path.read_bytes() else []
            except OSError:
                pass
    if seen:
        raise RuntimeError(f"SAW {seen}")
    return table.with_columns(distance=table["metres"] / 1000).drop("metres")

def shorter(table):
    return prepare(table).head(10)
"""


def exam(bench: Bench, tmp_path: Path, prepare: str) -> None:
    """A pinned table with other columns than the model's, and the function that makes these of it."""
    table = flights(600, seed=5)
    source = tmp_path / "elsewhere" / "exam.csv"
    source.parent.mkdir()
    table.with_columns(metres=pl.col("distance") * 1000).drop("distance", "carrier").write_csv(source)
    bench.keep("exam", source)
    data = {"exam": SourceSpec("exam", f"file://{source}", "public", "AE", exam=True, prepare=prepare)}
    bench.spec = conftest.replace(bench.spec, data=data)
    boxes = repr([str(bench.root / "checks"), str(source.parent), str(bench.root / "store")])
    bench.write("prep.py", PREPARE.replace("BOXES", boxes))
    bench.gates(threshold("auc", ">=", 0.7, "exam"))


def test_the_project_prepares_features_and_sees_no_label(bench: Bench, models: dict[str, Path], tmp_path: Path) -> None:
    bench.keep("fit", models["good"])
    exam(bench, tmp_path, "prep:prepare")
    (gate_result,) = run_gates(bench.context())
    assert gate_result.passed and gate_result.rows == 600, gate_result.reason


def test_rows_cannot_be_left_out_of_an_exam(bench: Bench, models: dict[str, Path], tmp_path: Path) -> None:
    bench.keep("fit", models["good"])
    exam(bench, tmp_path, "prep:shorter")
    (gate_result,) = run_gates(bench.context())
    assert not gate_result.passed and "gave 10 rows for 600" in gate_result.reason


EXAM = """
model: m
owner: o@example.org
data:
  exam: {source: SOURCE, classification: public, origin: AE, exam: true}
pipeline:
  fit: {run: steps:fit, INPUTS output: model}
monitoring: {label: y}
gates: [auc >= 0.5 on exam]
"""


@pytest.mark.parametrize(
    ("source", "inputs", "words"),
    [
        ("file:///srv/exam.csv", "", ""),
        ("file:///srv/exam.csv", "inputs: [exam],", "is an exam, which no step may read"),
        ("file://data/exam.csv", "", "an exam lies outside of the project"),
        ("package://pandas/exam.csv", "", "an exam lies outside of the project"),
    ],
)
def test_no_step_may_read_an_exam(tmp_path: Path, source: str, inputs: str, words: str) -> None:
    (tmp_path / "steps.py").write_text(f"def fit({'exam' if inputs else ''}): ...\n")
    (tmp_path / "falaj.yaml").write_text(EXAM.replace("SOURCE", source).replace("INPUTS", inputs))
    if not words:
        assert load_spec(tmp_path).data["exam"].exam
        return
    with pytest.raises(ProjectError, match=words):
        load_spec(tmp_path)


def test_an_exam_that_was_trained_on_is_none(tmp_path: Path) -> None:
    case = true_claims(Home(tmp_path / "home", {}), tmp_path / "made")
    first, *others = case.claims.gates
    pinned = msgspec.structs.replace(first, record=conftest.replace(first.record, exam="pinned"))
    claims = msgspec.structs.replace(case.claims, gates=(pinned, *others))
    with pytest.raises(DoesNotRecomputeError, match="test is not an exam in the project file"):
        case.office.attest(claims, case.tables)
    with pytest.raises(DoesNotRecomputeError, match="is not a snapshot of this run, or was trained on"):
        open_office(case.home).attest(claims, case.tables)


def record(**changes: Any) -> Any:
    from falaj.supply_chain.attestations import GateRecord

    return GateRecord("auc >= 0.5 on t", True, 0.9, 0.5, 100, **changes)


def test_an_environment_asks_for_a_pinned_exam_our_metric_and_library_code() -> None:
    asking = EnvironmentSpec(
        "prod", 3, require_pinned_exam=True, require_computed_metric=True, require_library_code=True
    )
    own = record(exam="pinned", metric="project")
    assert [*shortfalls(asking, [record(exam="pinned")], "libraries")] == []
    assert [*shortfalls(asking, [own], "libraries")] == [
        "no gate has a metric that the platform computes", "no gate is on a table that no step could read",
    ]  # fmt: skip
    assert [*shortfalls(asking, [own, record()], "own")] == [
        "no gate is on a table that no step could read", "code of the project is loaded with the model",
    ]  # fmt: skip
    assert [*shortfalls(EnvironmentSpec("dev", 0), [record()], "")] == []
