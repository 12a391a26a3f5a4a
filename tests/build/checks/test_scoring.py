"""Scoring for real: in another process, by path, with the project's modules and nothing of Falaj's."""

from __future__ import annotations

import pandas as pd
import pytest

from falaj.build.checks import run_gates
from falaj.build.checks.context import CheckError
from falaj.build.checks.scoring import CANDIDATE, run_in_project, score
from tests.build.checks.conftest import flights, threshold

pytestmark = pytest.mark.integration


@pytest.fixture
def scored(bench, models):
    bench.keep("fit", models["good"])
    bench.keep_table("split.test", flights(800))
    return bench


def test_a_gate_is_judged_from_scores_of_another_process(scored):
    scored.gates(threshold("auc", ">=", 0.6, by="carrier", min_rows=100))
    (gate_result,) = run_gates(scored.context())
    assert gate_result.passed
    assert gate_result.rows < 800


def test_a_process_that_dies_is_a_reason_not_a_traceback(scored):
    context = scored.context()
    context.workdir.mkdir()
    with pytest.raises(CheckError, match="column_summary failed in the project's environment: KeyError"):
        run_in_project(context, "column_summary", {}, timeout_s=60)


@pytest.mark.parametrize("name", ["numpy.py", "sitecustomize.py", "src/sitecustomize.py", "src/numpy.py"])
def test_files_of_the_project_are_not_on_the_path_of_the_judge(scored, name):
    scored.write(name, "raise SystemExit('killed by the project')\n")
    scored.gates(threshold("auc", ">=", 0.6))
    (gate_result,) = run_gates(scored.context())
    assert gate_result.passed, gate_result.reason


def test_csv_and_pandas_parquet_score_alike(bench, models, same_process):
    table = flights(50)
    folder = bench.root / "csv"
    folder.mkdir()
    table.write_csv(folder / "data.csv")
    bench.keep("csv", folder)
    bench.keep_table("polars", table)
    context = bench.context()
    context.workdir.mkdir()
    gate_scoring = score(context, {CANDIDATE: models["good"]}, {"csv": set(), "polars": {"carrier"}}, label="late")
    assert gate_scoring.problems == {}
    one, two = (gate_scoring.tables[name].scores[CANDIDATE] for name in ("csv", "polars"))
    assert one == pytest.approx(two)
    assert gate_scoring.versions["scikit-learn"]


def test_pandas_tables_are_read_as_they_are(models):
    from falaj.build.checks.runner.models import LoadedModel
    from falaj.build.checks.runner.tables import column, column_names

    table = flights(20)
    frame = pd.DataFrame({name: table[name].to_list() for name in table.columns})
    model = LoadedModel(models["good"])
    assert model.score(model.features(frame)) == pytest.approx(model.score(model.features(table)))
    assert column_names(frame) == table.columns
    assert column(pd.DataFrame({"a": [1.0, float("nan")], "b": ["x", None]}), "a") == [1.0, None]


def test_an_unknown_module_is_a_reason(scored):
    context = scored.context()
    context.workdir.mkdir()
    with pytest.raises(CheckError, match="nothing_here failed in the project's environment"):
        run_in_project(context, "nothing_here", {}, timeout_s=60)
