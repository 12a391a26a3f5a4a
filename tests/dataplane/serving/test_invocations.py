"""The four forms of MLflow's protocol, and what is refused."""

from __future__ import annotations

import contextlib
import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.model_server.invocations import InvocationDecoder
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature, ModelSignature

FLIGHT = ModelSignature(
    (
        ModelFeature("hour", "long"),
        ModelFeature("temp of day[3]", "double", required=False),
        ModelFeature("carrier", "string"),
        ModelFeature("gate", "string", required=False),
        ModelFeature("international", "boolean"),
        ModelFeature("distance", "integer"),
    ),
    columns=True,
)
DECODER = InvocationDecoder(FLIGHT)

rows = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.text(),
        st.none() | st.text(),
        st.booleans(),
        st.integers(-(2**31), 2**31 - 1),
    ),
    min_size=1,
    max_size=5,
)


def same(decoded: list[Any], expected: list[tuple[Any, ...]]) -> None:
    for position, array in enumerate(decoded):
        expected_column = [row[position] for row in expected]
        for actual, value in zip(array.tolist(), expected_column, strict=True):
            missing = value is None and isinstance(actual, float)
            assert math.isnan(actual) if missing else actual == value


@given(rows, st.randoms(use_true_random=False))
def test_every_form_gives_the_same_arrays(table: list[tuple[Any, ...]], order: random.Random) -> None:
    names = list(FLIGHT.names)
    positions = list(range(len(names)))
    order.shuffle(positions)
    split = {"columns": [names[p] for p in positions], "data": [[row[p] for p in positions] for row in table]}
    records = [dict(zip(names, row, strict=True)) for row in table]
    forms = [
        {"dataframe_split": split},
        {"dataframe_records": records},
        {"instances": records},
        {"instances": [list(row) for row in table]},
        {"inputs": {name: [row[index] for row in table] for index, name in enumerate(names)}},
    ]
    for form in forms:
        same(DECODER.decode(json.dumps(form).encode()).arrays(FLIGHT), table)


WHOLE = {"hour": 5, "temp of day[3]": 1.5, "carrier": "UA", "gate": None, "international": False, "distance": 3}


def test_columns_that_are_not_required_may_be_left_out() -> None:
    short = {name: value for name, value in WHOLE.items() if name not in ("temp of day[3]", "gate")}
    split = {"columns": list(short), "data": [list(short.values())]}
    for form in (
        {"dataframe_records": [short]},
        {"dataframe_split": split},
        {"inputs": {k: [v] for k, v in short.items()}},
    ):
        payload = DECODER.decode(json.dumps(form).encode())
        same(payload.arrays(FLIGHT), [(5, None, "UA", None, False, 3)])


def test_nan_as_python_writes_it_is_a_missing_value() -> None:
    body = json.dumps({"dataframe_records": [WHOLE | {"temp of day[3]": math.nan}]}).encode()
    assert b"NaN" in body
    same(DECODER.decode(body).arrays(FLIGHT), [(5, None, "UA", None, False, 3)])


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("hour", "five"),
        ("hour", 5.5),
        ("hour", None),
        ("hour", math.nan),
        ("hour", 2**63),
        ("temp of day[3]", "warm"),
        ("temp of day[3]", True),
        ("carrier", 5),
        ("carrier", None),
        ("gate", 5),
        ("international", 1),
        ("distance", 2**31),
    ],
)
def test_a_wrong_value_is_refused_with_its_row_and_column(form: str, column: str, value: Any) -> None:
    table = [WHOLE, WHOLE, WHOLE | {column: value}]
    names = list(WHOLE)
    data: Any = {
        "dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in table]},
        "inputs": {name: [row[name] for row in table] for name in names},
    }.get(form, table)
    with pytest.raises(InvalidInputError) as refused:
        DECODER.decode(json.dumps({form: data}).encode())
    assert (refused.value.row, refused.value.field) == (2, column)
    assert f"row 2, column {column!r}" in refused.value.message


@pytest.mark.parametrize(
    ("body", "field", "part"),
    [
        ({"dataframe_records": [WHOLE | {"tail": 1}]}, "tail", "unknown"),
        ({"dataframe_records": [{k: v for k, v in WHOLE.items() if k != "hour"}]}, "hour", "missing"),
        ({"dataframe_split": {"columns": ["hour", "tail"], "data": [[1, 2]]}}, "tail", "not in the signature"),
        ({"dataframe_split": {"columns": ["hour", "hour"], "data": [[1, 2]]}}, "hour", "twice"),
        ({"dataframe_split": {"columns": ["hour"], "data": [[1]]}}, "carrier", "is missing"),
        ({"inputs": {k: [v] * (2 if k == "carrier" else 3) for k, v in WHOLE.items()}}, "carrier", "2 values"),
        ({"dataframe_split": {"columns": list(WHOLE), "data": [[1, 2]]}}, None, "length 6"),
        ({"dataframe_split": {"columns": list(WHOLE), "data": []}}, None, "no rows"),
        ({"dataframe_records": []}, None, "no rows"),
        ({}, None, "exactly one"),
        ({"instances": [WHOLE], "inputs": {}}, None, "exactly one"),
        ({"rows": []}, None, "unknown field"),
        ([], None, "Expected"),
        ({"instances": 5}, None, "Expected"),
        ({"inputs": {}}, "hour", "missing"),
    ],
)
def test_a_wrong_shape_is_refused(body: Any, field: str | None, part: str) -> None:
    with pytest.raises(InvalidInputError, match=part) as refused:
        DECODER.decode(json.dumps(body).encode())
    assert refused.value.field == field


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"instances": [NaN', b'{"inputs": {"temp": [Infinity]}}', b"\xff", b"nul"]
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        DECODER.decode(body)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_body_raises_anything_else(body: bytes) -> None:
    for content in (body, b'{"instances":' + body + b"}", b'{"dataframe_split":{"data":' + body + b"}}"):
        with contextlib.suppress(InvalidInputError):
            DECODER.decode(content)


TENSOR = ModelSignature((ModelFeature("", "float", shape=(2,)),), columns=False)


def test_tensors_are_nested_lists_of_the_declared_shape() -> None:
    decoder = InvocationDecoder(TENSOR)
    for form in ("instances", "inputs"):
        [array] = decoder.decode(json.dumps({form: [[1, 2], [3, 4.5]]}).encode()).arrays(TENSOR)
        assert array.dtype == np.float32
        assert array.tolist() == [[1, 2], [3, 4.5]]


@pytest.mark.parametrize("value", [[[1, 2, 3]], [1, 2], [["a", "b"]], [[1], [2, 3]], "x", None, {"a": 1}, []])
def test_other_tensors_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError):
        InvocationDecoder(TENSOR).decode(json.dumps({"inputs": value}).encode())


def test_named_tensors_are_all_needed_and_equally_long() -> None:
    pair = ModelSignature(
        (ModelFeature("a", "double", shape=(-1,)), ModelFeature("b", "string", shape=())), columns=False
    )
    decoder = InvocationDecoder(pair)
    payload = decoder.decode(b'{"inputs": {"a": [[1, 2], [3, 4]], "b": ["x", "y"]}}')
    assert [array.tolist() for array in payload.arrays(pair)] == [[[1, 2], [3, 4]], ["x", "y"]]
    for wrong in (b'{"inputs": {"a": [[1]]}}', b'{"inputs": {"a": [[1]], "b": ["x", "y"]}}', b'{"inputs": [[1]]}'):
        with pytest.raises(InvalidInputError):
            decoder.decode(wrong)
