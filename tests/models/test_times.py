"""Columns of days and moments: texts at the door, and to the model what its table had."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.models
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from falaj.build.packaging.rows import real_rows, with_probes
from falaj.dataplane.model_server.casting import compile_cast
from falaj.dataplane.model_server.decoding import column_decoder, record_decoder, row_decoder
from falaj.dataplane.scoring.features import compile_features, type_problem
from falaj.models.errors import InvalidInputError, ModelError
from falaj.models.frame_columns import columns_of_frame
from falaj.models.model_folder import ModelFolder
from falaj.models.signature import ModelFeature, ModelSignature, parse_signature
from falaj.models.training_table import describe

DAY = datetime.date(2026, 3, 31)
MOMENT = datetime.datetime(2026, 3, 31, 12, 30, 15, 250_000)  # noqa: DTZ001 (tables have such)
ZONED = MOMENT.replace(tzinfo=datetime.UTC)
SIGNATURE = ModelSignature((ModelFeature("at", "string", required=False, time=True),), columns=True)
TABLES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: pd.DataFrame({"at": pd.Series([MOMENT, None], dtype="datetime64[us]")}),
    "pandas seconds": lambda: pd.DataFrame({"at": pd.Series([DAY, None], dtype="datetime64[s]")}),
    "pandas nanoseconds": lambda: pd.DataFrame({"at": pd.Series([MOMENT, None], dtype="datetime64[ns]")}),
    "pandas zone": lambda: pd.DataFrame({"at": pd.Series([ZONED, None], dtype="datetime64[us, Asia/Dubai]")}),
    "pandas days": lambda: pd.DataFrame({"at": pd.Series([DAY, None], dtype=object)}),
    "polars": lambda: pl.DataFrame({"at": [MOMENT, None]}),
    "polars days": lambda: pl.DataFrame({"at": [DAY, None]}),
    "polars milliseconds": lambda: pl.DataFrame({"at": pl.Series([MOMENT, None], dtype=pl.Datetime("ms"))}),
    "polars zone": lambda: pl.DataFrame({"at": pl.Series([ZONED, None], dtype=pl.Datetime("us", "Asia/Dubai"))}),
    "arrow": lambda: pa.table({"at": pa.array([MOMENT, None], pa.timestamp("us"))}),
    "arrow days": lambda: pa.table({"at": pa.array([DAY, None], pa.date32())}),
    "arrow zone": lambda: pa.table({"at": pa.array([ZONED, None], pa.timestamp("ns", "Asia/Dubai"))}),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_the_model_gets_what_its_table_had(name: str) -> None:
    table = TABLES[name]()
    texts = columns_of_frame(table, SIGNATURE)
    assert isinstance(texts[0][0], str) and texts[0][1] is None
    again = describe(table).frame({"at": texts[0]})
    assert again.equals(table) and describe(again) == describe(table)


def test_an_offset_is_counted_in_and_a_day_is_its_midnight() -> None:
    form = describe(TABLES["pandas"]())
    texts = np.array(["2026-03-31T12:30:00+04:00", "2026-03-31"], dtype=object)
    assert form.frame({"at": texts})["at"].tolist() == [pd.Timestamp("2026-03-31 08:30"), pd.Timestamp("2026-03-31")]


def test_mlflow_calls_them_datetime() -> None:
    inputs = mlflow.models.infer_signature(TABLES["pandas"]()).inputs.to_json()
    assert parse_signature(inputs) == SIGNATURE


def test_what_no_signature_has_a_type_for_says_what_to_do() -> None:
    with pytest.raises(ModelError) as caught:
        parse_signature('[{"type": "binary", "name": "photo", "required": true}]')
    assert "column 'photo'" in caught.value.message and "in a step before" in str(caught.value.hint)


def decoders() -> list[Callable[[str], Any]]:
    (feature,) = SIGNATURE.features
    by_row = row_decoder([feature], lambda _rest: "at")
    by_record, by_column = record_decoder([feature]), column_decoder(feature)
    cast = compile_cast(feature, missing=True)
    return [
        lambda text: by_row(f'[["2026-01-01"], [{text}]]'.encode()),
        lambda text: by_record(f'[{{"at": "2026-01-01"}}, {{"at": {text}}}]'.encode()),
        lambda text: by_column(f'["2026-01-01", {text}]'.encode()),
        lambda text: cast(np.array(["2026-01-01", None if text == "null" else text.strip('"')], dtype=object)),
    ]


@pytest.mark.parametrize("form", range(4))
def test_a_text_that_is_no_time_is_refused_with_its_place(form: int) -> None:
    decode = decoders()[form]
    decode('"2026-03-31T12:30:00Z"')
    decode("null")
    for text in ('"31.03.2026"', '"2026-02-31"', '""'):
        with pytest.raises(InvalidInputError, match=r"row 1, column 'at': .* is not a date or time of ISO 8601"):
            decode(text)


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_packaging_compares_them_as_texts_and_probes_no_unseen_one(tmp_path: Path, unit: str) -> None:
    pd.DataFrame({"at": pd.Series([MOMENT, None], dtype=f"datetime64[{unit}]")}).to_parquet(tmp_path / "rows.parquet")
    folder = ModelFolder(tmp_path, SIGNATURE, {}, {}, ())
    columns = real_rows(folder, tmp_path / "rows.parquet", 10)
    assert columns[0].tolist() == ["2026-03-31T12:30:15.250000", None]
    assert {*with_probes(columns, SIGNATURE)[0][0].tolist()} == {"2026-03-31T12:30:15.250000", None}


def test_a_file_is_scored_by_its_times_or_their_texts() -> None:
    read = compile_features(SIGNATURE)
    for values in (pa.array([MOMENT, None]), pa.array([MOMENT.isoformat(), None])):
        assert read(pa.table({"at": values}))[0].tolist() == [MOMENT.isoformat(), None]
    assert read(pa.table({"at": pa.array([DAY])}))[0].tolist() == ["2026-03-31"]
    assert type_problem(SIGNATURE.features[0], pa.int64()) == "it holds int64, and the model reads a date or time"
    with pytest.raises(InvalidInputError, match="row 0, column 'at': 'soon' is not a date or time"):
        read(pa.table({"at": ["soon"]}))
