"""The reference of a release, built from real tables and a real model in another process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from falaj.build.checks import scoring
from falaj.config.spec import SourceSpec, StepSpec
from falaj.control.runs import reference
from falaj.control.runs.reference import reference_of
from falaj.statistics.profiles import ProfileKind
from falaj.statistics.reference import ReleaseReference
from tests.build.checks.conftest import FEATURES, bench, flights, models, same_process, threshold  # noqa: F401


@pytest.fixture
def here(same_process, monkeypatch):  # noqa: F811
    """Take tables apart in this process, which saves the start of another."""
    monkeypatch.setattr(reference, "run_in_project", scoring.run_in_project)


@pytest.fixture
def trained(bench, models):  # noqa: F811
    bench.keep("fit", models["good"])
    bench.keep_table("split.train", flights(1500, seed=1))
    bench.keep_table("split.test", flights(1200, seed=2))
    bench.gates(threshold("auc", ">=", 0.6))
    steps = {**bench.spec.steps, "fit": StepSpec("fit", run="flights:fit", inputs=("split.train",), output="model")}
    bench.spec = replace(bench.spec, steps=steps)
    return bench


def context_of(bench, **monitoring):  # noqa: F811
    bench.spec = replace(bench.spec, monitoring={"label": "late", **monitoring})
    context = bench.context()
    context.workdir.mkdir(exist_ok=True)
    return context


def read(bench, reference_result, tmp_path):  # noqa: F811
    return ReleaseReference.read(bench.store.fetch(reference_result.digest, tmp_path / "fetched"))


@pytest.mark.integration
def test_a_run_knows_what_its_release_is_compared_with(trained, tmp_path):
    reference_result = reference_of(context_of(trained), [*FEATURES, "carrier"])
    assert reference_result.notes == ()
    release_reference = read(trained, reference_result, tmp_path)
    assert release_reference.features.schema.names == (*FEATURES, "carrier")
    assert release_reference.features.total.rows == 2700
    assert release_reference.features.schema["carrier"].kind is ProfileKind.CATEGORY
    assert release_reference.predictions is not None and release_reference.predictions.total.rows == 1200
    assert (
        release_reference.loss is not None
        and release_reference.loss.metric == "brier"
        and 0.1 < release_reference.loss.mean < 0.25
    )
    assert release_reference.loss.baseline is not None and release_reference.calibration is not None
    assert release_reference.settings.least == 0
    tables = {trained.outputs["split.train"], trained.outputs["split.test"]}
    assert {str(edge.origin) for edge in reference_result.edges()} == {f"artifact:{each}" for each in tables}
    assert reference_of(context_of(trained), [*FEATURES, "carrier"]) == reference_result


def test_blocks_follow_the_column_of_times(trained, here, tmp_path):
    start = datetime(2013, 3, 1, tzinfo=UTC)
    for name, rows in (("split.train", 1500), ("split.test", 1200)):
        at = pl.Series("at", [start + timedelta(minutes=place) for place in range(rows)])
        trained.outputs.pop(name)
        trained.keep_table(f"{name}-timed", flights(rows).with_columns(at))
        trained.outputs[name] = trained.outputs.pop(f"{name}-timed")
    release_reference = read(trained, reference_of(context_of(trained, leave_out=["noise"]), FEATURES), tmp_path)
    assert (
        len(release_reference.features.blocks) == 25 and release_reference.features.blocks[0].start == start.timestamp()
    )
    assert release_reference.features.schema.names == ("distance", "hour")


def test_small_counts_of_personal_data_will_stay(trained, here, tmp_path):
    source = SourceSpec("people", "file://people.csv", "personal", "AE")
    trained.spec = replace(trained.spec, data={"people": source})
    assert read(trained, reference_of(context_of(trained), FEATURES), tmp_path).settings.least == 10


def test_without_tables_a_release_says_that_nothing_watches_it(bench, models):  # noqa: F811
    bench.keep("fit", models["good"])
    reference_result = reference_of(context_of(bench), FEATURES)
    assert reference_result.digest is None and "no table is known" in reference_result.summary


def test_a_feature_that_no_table_has_costs_the_run_nothing(trained, here):
    reference_result = reference_of(context_of(trained), [*FEATURES, "altitude"])
    assert reference_result.digest is None and "there is no column 'altitude'" in reference_result.summary
