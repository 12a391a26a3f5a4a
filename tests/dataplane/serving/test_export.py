"""Predictions as Parquet: polars reads what was logged and labelled; a file has one schema and says where it may be."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.prediction_log import LogWriter, SegmentHeader, new_log_key
from falaj.dataplane.prediction_log.export import Exported, ExportFolderError, ExportSelection, export_predictions
from falaj.dataplane.prediction_log.export.kinds import ColumnKinds, as_kind
from tests.dataplane.serving.test_labels import DATA_KEY, ENDPOINT, KEYS, Location

pytestmark = pytest.mark.integration

EVERYTHING = ExportSelection(ENDPOINT, 0.0, 1e11)


def exported(location: Location, out: Path, selection: ExportSelection = EVERYTHING) -> Exported:
    location.join.advance()
    return export_predictions(location.log, KEYS, location.join.labels, out, selection, {"residency": "AE"})


def test_predictions_are_read_with_their_labels_and_facts(tmp_path: Path) -> None:
    location = Location(tmp_path)
    location.predict("a", "flight-delay@8", weight=250, unit=255, caller="c-ana")
    location.predict("table", rows=3)
    location.predict("none")
    location.predict("elsewhere", endpoint="dev/flight-delay")
    location.label(("a", 0, 5.0), ("table", [1, None, 0], None))
    location.label(("a", 1, 6.0), ("none", [1, 2], None))
    export_result = exported(location, tmp_path / "out")
    assert [path.name for path in export_result.files] == ["flight-delay@7.parquet", "flight-delay@8.parquet"]
    assert (export_result.predictions, export_result.labelled) == (3, 3)
    stable, candidate = (pl.read_parquet(path) for path in export_result.files)
    assert stable["prediction_id"].to_list() == ["table"] * 3 + ["none"]
    assert stable["row"].to_list() == [0, 1, 2, 0] and stable["feature_hour"].to_list() == [0, 1, 2, 0]
    assert stable["label"].to_list() == [1, None, 0, None]
    assert candidate.row(0, named=True) | {"predicted_at": None, "labelled_at": None} == {
        "prediction_id": "a", "row": 0, "predicted_at": None, "release": "flight-delay@8", "arm": "candidate",
        "canary_weight": 0.025, "forced": False, "unit": "00000000000000ff", "caller": "c-ana", "latency_ms": 1.0,
        "feature_hour": 0, "output_label": 1, "label": 1, "labelled_at": None,
        "recalibration_version": None, "recalibration_offset": None, "bare_score": None,
    }  # fmt: skip
    assert candidate["labelled_at"].dt.timestamp("ms").to_list() == [6000]
    file_metadata = pq.read_schema(export_result.files[1]).metadata
    assert (file_metadata[b"falaj.residency"], file_metadata[b"falaj.release"]) == (b"AE", b"flight-delay@8")
    assert {stat.S_IMODE(path.stat().st_mode) for path in export_result.files} == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700
    both = pl.scan_parquet(tmp_path / "out" / "*.parquet").collect()
    assert len(both) == 5
    location.close()


def test_only_the_time_that_is_asked_for(tmp_path: Path) -> None:
    location = Location(tmp_path)
    for number in range(10):
        location.predict(f"{number}")
    first = exported(location, tmp_path / "some", ExportSelection(ENDPOINT, location.now - 5, location.now))
    names = pl.read_parquet(first.files[0])["prediction_id"].to_list()
    assert names == [f"{number}" for number in range(4, 9)]
    nothing = exported(location, tmp_path / "nothing", ExportSelection("prod/other", 0, 1e11))
    assert nothing == Exported() and not list((tmp_path / "nothing").iterdir())
    location.close()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    location = Location(tmp_path)
    location.predict("a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    (tmp_path / "file").touch()
    for folder in ("out", "file"):
        with pytest.raises(ExportFolderError):
            exported(location, tmp_path / folder)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    location.close()


def test_a_column_whose_kind_changes_late_has_one_type(tmp_path: Path) -> None:
    header = SegmentHeader("m@1", ENDPOINT, ("distance", "carrier", "gate", "empty"), 0)
    log = LogWriter(tmp_path / "log", header, lambda: 1, key=new_log_key(DATA_KEY, header.owner))
    rows: list[Any] = [(1, "UA", None, None)] * 10_500 + [(1.5, "AA", 7, None), (None, None, "B", None)]
    answers = [(f"{n}", 1_000_000_000, [row], {"p": [[0.5, 0.5]], "q": [True]}) for n, row in enumerate(rows)]
    log.write(answers)
    log.close()
    export_result = export_predictions(tmp_path / "log", KEYS, lambda *_: {}, tmp_path / "out", EVERYTHING, {})
    frame = pl.read_parquet(export_result.files[0])
    assert frame["feature_distance"].to_list()[-3:] == [1.0, 1.5, None]
    assert frame["feature_carrier"].to_list()[-3:] == ["UA", "AA", None]
    assert frame["feature_gate"].to_list()[-3:] == [None, "7", '"B"']
    assert frame["feature_empty"].null_count() == len(rows) == export_result.predictions
    assert frame["output_p"].to_list()[0] == [0.5, 0.5] and frame["output_q"].dtype == pl.Boolean


values = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=3)


@given(st.lists(st.lists(values, max_size=4), max_size=4))
def test_what_a_kind_holds_does_not_depend_on_the_order(parts: list[list[Any]]) -> None:
    def kind(of: list[list[Any]]) -> str:
        kinds = ColumnKinds()
        for part in of:
            kinds.see("x", part)
        return kinds.kinds().get("x", "")

    assert kind(parts) == kind(parts[::-1]) == kind([[value for part in parts for value in part]]) or not parts
    if kind(parts) == "mixed":
        assert all(isinstance(value, str | None) for part in parts for value in as_kind(part, "mixed"))
