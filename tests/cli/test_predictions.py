"""Labels from a file, and predictions to files, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from falaj.dataplane.prediction_log import LABELS, LogWriter, SegmentHeader
from falaj.trust import audit
from tests.cli.conftest import Command
from tests.platforms import PREDICTION, Served

pytestmark = pytest.mark.integration


def test_a_mistake_in_a_file_is_named_and_nothing_is_sent(falaj_served: Command, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("prediction_id,label\na,1\nb,\n")
    ended = falaj_served("endpoint", "label-import", "labels.csv", "--endpoint", "dev/flight-delay")
    assert (
        ended.returncode == 2
        and "labels.csv:3, column label" in ended.stderr
        and "nothing of it was sent" in ended.stderr
    )


def test_an_endpoint_that_does_not_serve_is_said(falaj_served: Command, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("prediction_id,label\na,1\n")
    assert falaj_served("endpoint", "label-import", "labels.csv", "--endpoint", "dev/other").returncode == 3
    silent = falaj_served("endpoint", "label-import", "labels.csv", "--endpoint", "dev/flight-delay")
    assert silent.returncode == 6 and "nothing answers" in silent.stderr


def test_predictions_are_exported_with_labels_and_that_is_in_the_audit_log(
    falaj_served: Command, served: Served, tmp_path: Path
) -> None:
    folder = served.home.location_dir("local") / "predictions"
    labels = LogWriter(folder, SegmentHeader("flight-delay@1", "dev/flight-delay", (), 0, kind=LABELS), lambda: 1)
    labels.write([("request", 1_020_000_000_000, [(PREDICTION, 0, None)])])
    labels.close()
    command = ("endpoint", "prediction-export", "dev/flight-delay", "--out", "out")
    ended = falaj_served(*command, "--since", "1970-01-01T00:16:00+00:00", "--json")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)
    assert (summary["predictions"], summary["labelled"], summary["residency"]) == (1, 1, "ZZ")
    table = pl.read_parquet(tmp_path / "out" / "flight-delay@1.parquet")
    assert (table["prediction_id"][0], table["feature_distance"][0], table["label"][0]) == (PREDICTION, 1400.0, 0)
    file_metadata = pq.read_schema(tmp_path / "out" / "flight-delay@1.parquet").metadata
    assert (
        file_metadata[b"falaj.residency"],
        file_metadata[b"falaj.location"],
        file_metadata[b"falaj.exported_by"],
    ) == (
        b"ZZ",
        b"local",
        b"service:home",
    )
    with served.platform.database.reading() as session:
        assert len(audit.entries(session, audit.EntryFilter(kind="predictions.exported"))) == 1
    again = falaj_served(*command)
    assert again.returncode == 2 and "in the folder" in again.stderr


def test_what_would_leave_is_refused(falaj_served: Command, served: Served) -> None:
    leaving = falaj_served("endpoint", "prediction-export", "dev/flight-delay", "--out", "s3://bucket/x")
    assert leaving.returncode == 4 and "to nowhere else" in leaving.stderr
    elsewhere = falaj_served("endpoint", "prediction-export", "dev/flight-delay", "--out", "o", "--location", "muscat")
    assert elsewhere.returncode == 3 and "on the machine of the location" in elsewhere.stderr
    rules = served.home.location_dir("local") / "rules.json"
    rules.write_text('{"jurisdiction": "AE-DU"}')
    abroad = falaj_served("endpoint", "prediction-export", "dev/flight-delay", "--out", "o", FALAJ_JURISDICTION="IN")
    rules.unlink()
    assert abroad.returncode == 4 and "this machine in IN" in abroad.stderr


def test_nothing_in_a_time_is_said(falaj_served: Command) -> None:
    command = ("endpoint", "prediction-export", "dev/flight-delay", "--out", "empty")
    ended = falaj_served(*command, "--since", "1999-01-01T00:00+00:00")
    assert ended.returncode == 0 and ended.stdout.startswith("no predictions of dev/flight-delay")
    backwards = falaj_served(*command, "--since", "2020-01-01T00:00+00:00", "--until", "1999-01-01T00:00+00:00")
    assert backwards.returncode == 2 and "ends before it begins" in backwards.stderr
