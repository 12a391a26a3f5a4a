"""Predictions through the SDK by a real model server."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from falaj.core.errors import UsageError
from falaj.dataplane.prediction_log import find_prediction
from falaj.sdk import Endpoint, ProblemError, ServerUnreachableError
from falaj.sdk.rows import request_body
from tests.dataplane.serving.conftest import Replica, models, serve
from tests.servers import free_ports

__all__ = ["models", "serve"]


@contextmanager
def forwarded(target: Path) -> Iterator[str]:
    """A loopback port before a Unix socket, as the gateway of a location, which says who asks; for one connection."""
    forged_header = b"\r\nfalaj-caller: c-ana\r\nContent-Type:"

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data.replace(b"\r\nContent-Type:", forged_header))
        sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        outer, _ = listener.accept()
        with outer, socket.socket(socket.AF_UNIX) as inner:
            inner.connect(str(target))
            back = threading.Thread(target=pump, args=(inner, outer), daemon=True)
            back.start()
            pump(outer, inner)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


@pytest.mark.integration
def test_nothing_at_the_endpoint_is_unavailable() -> None:
    with (
        Endpoint(f"http://127.0.0.1:{free_ports(1)[0]}/dev/m") as endpoint,
        pytest.raises(ServerUnreachableError, match="nothing answers") as caught,
    ):
        endpoint.predict([{"a": 1}])
    assert caught.value.exit_code == 6


@pytest.mark.e2e
def test_rows_are_predicted_over_one_connection_and_found_in_the_log(
    models: Path, serve: Callable[..., Replica]
) -> None:
    replica = serve(models / "linear")
    rows = [{"hour": 8.0, "distance": 1400.0}]
    with forwarded(replica.socket) as url, Endpoint(url) as endpoint:
        first = endpoint.predict(rows)
        with pytest.raises(ProblemError, match="colour") as caught:
            endpoint.predict([{"hour": 8.0, "distance": 1.0, "colour": "red"}])
        again = endpoint.predict(rows)
    assert (caught.value.status, caught.value.exit_code) == (400, 2)
    assert len(first.predictions) == 1 and first.predictions == again.predictions
    assert first.release == "flight-delay@7" and first.id != again.id
    logged_prediction = find_prediction(replica.log, first.id)
    assert logged_prediction is not None and logged_prediction.rows == ((8.0, 1400.0),)


PEOPLE = [{"age": 30, "name": "Ada", "score": 0.5}, {"age": None, "name": None, "score": None}]
COLUMNS = {"age": [30, None], "name": ["Ada", None], "score": [0.5, None]}


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame(COLUMNS, index=[7, 9]),
        pd.DataFrame(COLUMNS).convert_dtypes(),
        pd.DataFrame(COLUMNS).astype({"name": "category", "score": "float32"}),
        pl.DataFrame(COLUMNS),
        pl.DataFrame({**COLUMNS, "score": [0.5, math.nan]}),
    ],
)
def test_frames_are_sent_by_column_with_null_for_what_is_missing(rows: Any) -> None:
    split = json.loads(request_body(rows, {}))["dataframe_split"]
    assert split["columns"] == ["age", "name", "score"]
    assert split["data"] == [[30, "Ada", 0.5], [None, None, None]]


@pytest.mark.parametrize(
    ("rows", "document"),
    [
        (PEOPLE, {"dataframe_records": PEOPLE}),
        (PEOPLE[0], {"dataframe_records": PEOPLE[:1]}),
        (COLUMNS, {"inputs": COLUMNS}),
        ({"a": np.arange(2), "b": (1.5, 2)}, {"inputs": {"a": [0, 1], "b": [1.5, 2]}}),
        ([[1, 2.5], (3, None)], {"instances": [[1, 2.5], [3, None]]}),
        (np.array([[1, 2], [3, 4]]), {"instances": [[1, 2], [3, 4]]}),
        ([{"a": np.int32(3), "at": date(2026, 1, 2)}], {"dataframe_records": [{"a": 3, "at": "2026-01-02"}]}),
        (pd.Series(["x", "y"], name="text"), {"dataframe_split": {"columns": ["text"], "data": [["x"], ["y"]]}}),
        (pl.Series("n", [1, 2]), {"dataframe_split": {"columns": ["n"], "data": [[1], [2]]}}),
    ],
)
def test_other_rows_are_sent_in_the_form_that_they_have(rows: Any, document: Any) -> None:
    assert json.loads(request_body(rows, {})) == document
    assert json.loads(request_body(rows, {"answer": "both"}))["params"] == {"answer": "both"}


@pytest.mark.parametrize("rows", ["a,b", 5, None, [{"a": object()}]])
def test_what_holds_no_rows_is_a_mistake_in_the_call(rows: Any) -> None:
    with pytest.raises(UsageError, match="rows"):
        request_body(rows, {})


@pytest.mark.e2e
def test_probabilities_come_with_their_classes(models: Path, serve: Callable[..., Replica]) -> None:
    replica = serve(models / "three-classes")
    frame = pl.read_parquet(models / "held-out.parquet").head(5)
    with forwarded(replica.socket) as url, Endpoint(url) as endpoint:
        probabilities = endpoint.predict_proba(frame)
        labels = endpoint.predict(frame.to_pandas(), answer="label")
        both = endpoint.predict(frame.to_dicts(), answer="both")
    assert probabilities.classes == both.classes == ["early", "late", "ok"]
    assert probabilities.probabilities == probabilities.predictions == both.probabilities
    assert labels.predictions == both.predictions and labels.probabilities is None
    assert both.predictions == [both.classes[np.argmax(row)] for row in both.probabilities or ()]


@pytest.mark.e2e
def test_a_regression_has_no_probabilities(models: Path, serve: Callable[..., Replica]) -> None:
    replica = serve(models / "poisson")
    with forwarded(replica.socket) as url, Endpoint(url) as endpoint:
        assert len(endpoint.predict(np.array([[8.0, 1400.0], [9.0, 1400.0]])).predictions) == 2
        with pytest.raises(ProblemError, match="no probabilities"):
            endpoint.predict_proba([[8.0, 1400.0]])
