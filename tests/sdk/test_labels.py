"""Files of labels: every form gives the same labels, and a mistake is named by line and column."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.prediction_log import LABELS, follow, labels_of
from falaj.sdk import Endpoint, Label, ProblemError, ServerUnreachableError, read_labels
from falaj.sdk.labels import LabelFileError, batches
from tests.dataplane.serving.conftest import Replica, models, serve
from tests.sdk.test_endpoint import forwarded
from tests.servers import free_ports

__all__ = ["models", "serve"]

AT = 1_700_000_000.0
WRITTEN = "2023-11-15T02:13:20+04:00"


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_csv(tmp_path: Path) -> None:
    text = (
        f'\ufeffprediction_id,label,at\na,1,{AT:.0f}\nb,late,\n"c,d",1.5,{WRITTEN}\ne,true,\nf,007,\ng,"[1, null]",\n'
    )
    assert list(read_labels(file(tmp_path, "labels.csv", text))) == [
        Label("a", 1, AT), Label("b", "late"), Label("c,d", 1.5, AT), Label("e", True), Label("f", "007"),
        Label("g", [1, None]),
    ]  # fmt: skip


def test_columns_of_csv_come_in_any_order_and_at_may_be_missing(tmp_path: Path) -> None:
    assert list(read_labels(file(tmp_path, "labels.CSV", "label,prediction_id\n0,12\n"))) == [Label("12", 0)]


def test_json_lines(tmp_path: Path) -> None:
    lines = [{"prediction_id": "a", "label": "1"}, {"prediction_id": "b", "label": [0, 1], "at": AT}]
    path = file(tmp_path, "labels.jsonl", "\n\n".join(map(json.dumps, lines)) + "\n")
    assert list(read_labels(path)) == [Label("a", "1"), Label("b", [0, 1], AT)]


def test_parquet(tmp_path: Path) -> None:
    at = [datetime.fromtimestamp(AT, UTC), None]
    path = tmp_path / "labels.parquet"
    pl.DataFrame({"prediction_id": ["a", "b"], "label": [1.5, 0.0], "at": at}).write_parquet(path)
    assert list(read_labels(path)) == [Label("a", 1.5, AT), Label("b", 0.0)]
    pl.DataFrame({"label": [[1, 0]], "prediction_id": ["a"]}).write_parquet(path)
    assert list(read_labels(path)) == [Label("a", [1, 0])]


MISTAKES = [
    ("a.csv", "", ":1, column prediction_id", "missing"),
    ("a.csv", "prediction_id,at\n", ":1, column label", "missing"),
    ("a.csv", "prediction_id,label,time\n", ":1, column time", "no such column"),
    ("a.csv", "prediction_id,label,label\n", ":1, column label", "twice"),
    ("a.csv", "prediction_id,label\na,1\n,1\n", ":3, column prediction_id", "1 to 128"),
    ("a.csv", f"prediction_id,label\n{'x' * 129},1\n", ":2, column prediction_id", "1 to 128"),
    ("a.csv", "prediction_id,label\na,\n", ":2, column label", "no label"),
    ("a.csv", "prediction_id,label\na,1,2\n", ":2", "another number of columns"),
    ("a.csv", "prediction_id,label\na\n", ":2", "another number of columns"),
    ("a.csv", "prediction_id,label,at\na,1,yesterday\n", ":2, column at", "neither Unix seconds"),
    ("a.csv", "prediction_id,label,at\na,1,2023-11-14T10:00:00\n", ":2, column at", "offset"),
    ("a.csv", "prediction_id,label,at\na,1,1700000000000\n", ":2, column at", "neither Unix seconds"),
    ("a.csv", 'prediction_id,label\na,"1\n', ":2", "not CSV"),
    ("a.csv", "prediction_id,label\na,NaN\n", ":2, column label", "finite"),
    ("a.jsonl", '{"prediction_id": "a", "label": 1}\n{"prediction', ":2", "not JSON"),
    ("a.jsonl", "[1]", ":1", "not a JSON object"),
    ("a.jsonl", '{"prediction_id": "a", "labels": 1}', ":1, column labels", "no such column"),
    ("a.jsonl", '{"prediction_id": "a", "label": {"x": 1}}', ":1, column label", "number, text"),
    ("a.jsonl", '{"prediction_id": "a", "label": [null]}', ":1, column label", "no label"),
    ("a.jsonl", '{"prediction_id": 7, "label": 1}', ":1, column prediction_id", "1 to 128"),
    ("a.jsonl", '{"prediction_id": "a", "label": 1, "at": true}', ":1, column at", "neither Unix seconds"),
    ("a.parquet", "no parquet", "", "not Parquet"),
    ("a.txt", "", "", "cannot be told"),
]


@pytest.mark.parametrize(("name", "text", "place", "expected_message"), MISTAKES)
def test_a_mistake_is_named_by_line_and_column(
    tmp_path: Path, name: str, text: str, place: str, expected_message: str
) -> None:
    with pytest.raises(LabelFileError, match=expected_message) as caught:
        list(read_labels(file(tmp_path, name, text)))
    assert caught.value.where.endswith(place) and caught.value.exit_code == 2


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"prediction_id,label\n\xff\xfe,1\n")
    for name, expected_message in (("absent.csv", "No such file"), ("b.csv", "UTF-8")):
        with pytest.raises(LabelFileError, match=expected_message):
            list(read_labels(tmp_path / name))


@given(st.integers(0, 50), st.integers(1, 9))
def test_batches_hold_everything_in_order(count: int, size: int) -> None:
    labels = [Label(f"{number}", number) for number in range(count)]
    label_batches = list(batches(labels, size))
    assert [label for batch in label_batches for label in batch] == labels
    assert all(0 < len(batch) <= size for batch in label_batches)


@pytest.mark.integration
def test_nothing_at_the_endpoint_is_unavailable() -> None:
    with (
        Endpoint(f"http://127.0.0.1:{free_ports(1)[0]}/dev/m") as endpoint,
        pytest.raises(ServerUnreachableError, match="nothing answers"),
    ):
        endpoint.feedback([Label("a", 1)])


@pytest.mark.e2e
def test_labels_go_in_several_requests_and_a_refusal_names_the_label(
    models: Path, serve: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falaj.sdk.endpoint.LABELS_AT_ONCE", 100)
    replica = serve(models / "linear")
    progress_counts: list[int] = []
    with forwarded(replica.socket) as url, Endpoint(url) as endpoint:
        assert (
            endpoint.feedback((Label(f"{number}", number, AT) for number in range(250)), progress_counts.append) == 250
        )
        with pytest.raises(ProblemError, match="cannot be right") as caught:
            endpoint.feedback([*(Label("a", 1) for _ in range(130)), Label("b", 1, 9e10)])
    assert progress_counts == [100, 200, 250]
    assert (caught.value.status, caught.value.where) == (422, "label 131, at")
    assert "100 labels before" in caught.value.hint
    entries, _ = follow(replica.log, {}, kind=LABELS)
    stored_labels: list[Any] = [one.label for entry in entries for one in labels_of(entry.header, entry.raw)]
    assert stored_labels == [*range(250), *[1] * 100]
