"""Values of another type than the column's: taken where they are the same number, else refused, in every form alike."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from falaj.dataplane.model_server.invocations import InvocationDecoder
from falaj.dataplane.model_server.oip import DTYPES, InferDecoder
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature, ModelSignature, parse_signature

WHOLE = {name: dtype for name, dtype in DTYPES.items() if "INT" in name}
REFUSED = "refused"
columns = st.builds(ModelFeature, st.just("n"), st.sampled_from(["integer", "long"]), st.booleans())


def infer(feature: ModelFeature, datatype: str, value: Any, *, binary: bool, table: bool = True) -> Any:
    """What the model is given for one value, or that it was refused."""
    data = np.array([value], DTYPES[datatype]).tobytes() if binary else b""
    tensor: dict[str, Any] = {"name": "n", "shape": [1], "datatype": datatype}
    tensor |= {"parameters": {"binary_data_size": len(data)}} if binary else {"data": [value]}
    head = json.dumps({"inputs": [tensor]}).encode()
    decoder = InferDecoder(ModelSignature((feature,), columns=table))
    try:
        [array] = decoder.decode(head + data, len(head) if binary else None).payload.arrays(
            ModelSignature((), columns=table)
        )
    except InvalidInputError as refused:
        return REFUSED if refused.field == "n" else refused
    assert array.dtype == np.dtype(feature.dtype)
    return None if array.dtype.kind == "f" and np.isnan(array[0]) else array[0].item()


def invoke(feature: ModelFeature, value: Any, form: str) -> Any:
    body = {"dataframe_records": [{"n": value}], "inputs": {"n": [value]}}.get(form, [[value]])
    body = {"columns": ["n"], "data": body} if form == "dataframe_split" else body
    signature = ModelSignature((feature,), columns=True)
    try:
        [array] = InvocationDecoder(signature).decode(json.dumps({form: body}).encode()).arrays(signature)
    except InvalidInputError as refused:
        return REFUSED if (refused.field, refused.row) == ("n", 0) else refused
    return None if array.dtype.kind == "f" and np.isnan(array[0]) else array[0].item()


def whole_numbers(datatype: str) -> st.SearchStrategy[int]:
    limits = np.iinfo(WHOLE[datatype])
    edges = [limits.min, limits.max, *(n for n in (2**31, 2**32 + 5, 2**53, 2**53 + 1) if n <= limits.max)]
    return st.integers(int(limits.min), int(limits.max)) | st.sampled_from([int(edge) for edge in edges])


@given(columns, st.sampled_from(sorted(WHOLE)), st.data())
def test_a_whole_number_is_the_same_or_refused_in_both_forms(column: ModelFeature, datatype: str, data: Any) -> None:
    value = data.draw(whole_numbers(datatype))
    low, high = column.bounds
    expected = value if low <= value <= high else REFUSED
    assert infer(column, datatype, value, binary=True) == expected
    assert infer(column, datatype, value, binary=False) == expected


@pytest.mark.parametrize("datatype", sorted(WHOLE))
@pytest.mark.parametrize("table", [True, False])
def test_a_number_beyond_what_the_request_declares_is_refused(datatype: str, table: bool) -> None:
    limits, column = np.iinfo(WHOLE[datatype]), ModelFeature("n", "long")
    for beyond in (int(limits.min) - 1, int(limits.max) + 1):
        assert infer(column, datatype, beyond, binary=False, table=table) == REFUSED


@pytest.mark.parametrize("kind", ["integer", "long", "uint8", "int16", "uint64"])
def test_a_tensor_of_whole_numbers_does_not_wrap(kind: str) -> None:
    tensor = ModelFeature("n", kind)
    low, high = tensor.bounds
    decoder = InvocationDecoder(ModelSignature((tensor,), columns=False))
    [tensor_array] = decoder.decode(json.dumps({"inputs": [low, high]}).encode()).arrays(
        ModelSignature((), columns=False)
    )
    assert tensor_array.tolist() == [low, high]
    for value in (low - 1, high + 1, 2**70):
        with pytest.raises(InvalidInputError):
            decoder.decode(json.dumps({"inputs": [0, value]}).encode())
        if value < 2**64:
            assert infer(tensor, "UINT64" if value > 0 else "INT64", value, binary=False, table=False) == REFUSED


floats = st.floats() | st.integers(-(2**63), 2**63 - 1).map(float) | st.sampled_from([3.0, -0.0, 2.0**31, 2.0**63])
FORMS = ("dataframe_records", "dataframe_split", "instances", "inputs")


@given(columns, floats)
@example(ModelFeature("n", "long"), 2.0**63)
@example(ModelFeature("n", "integer"), 2.5)
@example(ModelFeature("n", "integer", required=False), math.nan)
def test_a_whole_float_is_a_whole_number_in_every_form(column: ModelFeature, value: float) -> None:
    low, high = column.bounds
    expected: Any = int(value) if value.is_integer() and low <= value < high + 1 else REFUSED
    if math.isnan(value) and not column.required:
        expected = None
    answers = [infer(column, "FP64", value, binary=binary) for binary in (True, False)]
    assert [*answers, *(invoke(column, value, form) for form in FORMS)] == [expected] * 6


def test_whole_floats_beside_large_whole_numbers_lose_no_digit() -> None:
    table = ModelSignature(
        (ModelFeature("a", "long"), ModelFeature("b", "long", required=False), ModelFeature("c", "string")),
        columns=True,
    )
    records = [{"a": 2**53 + 1, "b": 3.0, "c": "x"}, {"a": 5.0, "b": None, "c": "y"}, {"a": 7, "c": "z"}]
    a, b, c = InvocationDecoder(table).decode(json.dumps({"dataframe_records": records}).encode()).arrays(table)
    assert a.tolist() == [2**53 + 1, 5, 7]
    assert b[0] == 3 and np.isnan(b[1:]).all()
    assert c.tolist() == ["x", "y", "z"]
    tensor = ModelSignature((ModelFeature("", "long"),), columns=False)
    [values] = InvocationDecoder(tensor).decode(b'{"instances": [9007199254740993, 3.0]}').arrays(tensor)
    assert values.tolist() == [2**53 + 1, 3]


def test_a_float_that_is_not_whole_names_its_row() -> None:
    table = ModelSignature((ModelFeature("a", "double"), ModelFeature("hour", "long")), columns=True)
    body = {"instances": [[0.5, 3.0], [0.5, 3.5]]}
    with pytest.raises(InvalidInputError, match=r"row 1, column 'hour': 3.5 is not a whole number"):
        InvocationDecoder(table).decode(json.dumps(body).encode())
    with pytest.raises(InvalidInputError, match="row 1, column 'hour': Expected `int`, got `str`"):
        InvocationDecoder(table).decode(b'{"instances": [[0.5, 3.0], [0.5, "4"]]}')


@pytest.mark.parametrize("kind", ["float", "double"])
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, 1e300, 1.5])
def test_numbers_that_are_missing_or_not_finite_are_treated_alike(kind: str, required: bool, value: Any) -> None:
    column = ModelFeature("n", kind, required)
    sent_value = math.nan if value is None else value
    missing = None if not required else REFUSED
    expected_by_value = {1.5: 1.5, 1e300: 1e300 if kind == "double" else REFUSED}
    expected = missing if math.isnan(sent_value) else expected_by_value.get(sent_value, REFUSED)
    answers = [infer(column, "FP64", sent_value, binary=True), infer(column, "FP64", value, binary=False)]
    assert [*answers, *(invoke(column, value, form) for form in FORMS)] == [expected] * 6


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, 1.5])
def test_numbers_of_tensors_are_treated_alike(value: float) -> None:
    tensor = ModelFeature("n", "float")
    expected = {math.inf: REFUSED, 1e300: REFUSED, 1.5: 1.5}.get(value)
    assert [infer(tensor, "FP64", value, binary=each, table=False) for each in (True, False)] == [expected] * 2


def test_a_number_out_of_range_is_not_taken_for_a_missing_one() -> None:
    table = ModelSignature((ModelFeature("a", "double", False), ModelFeature("b", "double", False)), columns=True)
    for body in (b'{"instances": [[NaN, 1e999]]}', b'{"instances": [[null, 1e999]]}'):
        with pytest.raises(InvalidInputError, match="out of range"):
            InvocationDecoder(table).decode(body)


@pytest.mark.parametrize(
    ("datatype", "kind"), [("BOOL", "long"), ("BOOL", "double"), ("BYTES", "long"), ("INT64", "string")]
)
@pytest.mark.parametrize("binary", [True, False])
def test_another_kind_of_value_is_refused(datatype: str, kind: str, binary: bool) -> None:
    if datatype == "BYTES" and binary:
        return  # its bytes would not be numbers
    assert infer(ModelFeature("n", kind), datatype, 1 if datatype != "BOOL" else True, binary=binary) == REFUSED


NUMERIC = ModelSignature(
    (
        ModelFeature("a", "double"),
        ModelFeature("b", "long"),
        ModelFeature("c", "integer", False),
        ModelFeature("d", "boolean"),
    ),
    columns=True,
)


@pytest.mark.parametrize("datatype", [*sorted(WHOLE), "FP32", "FP64", "FP16"])
@pytest.mark.parametrize("binary", [True, False])
def test_one_matrix_of_any_numbers_is_a_table(datatype: str, binary: bool) -> None:
    matrix = np.array([[1, 2, 3, 0], [5, 6, 7, 1]], DTYPES[datatype])
    tensor: dict[str, Any] = {"name": "input-0", "shape": [2, 4], "datatype": datatype}
    tail = matrix.tobytes() if binary else b""
    tensor |= {"parameters": {"binary_data_size": len(tail)}} if binary else {"data": matrix.tolist()}
    head = json.dumps({"inputs": [tensor]}).encode()
    payload = InferDecoder(NUMERIC).decode(head + tail, len(head) if binary else None).payload
    column_arrays = payload.arrays(NUMERIC)
    assert [array.tolist() for array in column_arrays] == [[1, 5], [2, 6], [3, 7], [False, True]]
    assert [array.dtype.str for array in column_arrays] == ["<f8", "<i8", "<f8", "|b1"]


@pytest.mark.parametrize(("row", "column"), [([1, 2.5, 3, 0], "b"), ([1, 2, 2.0**31, 0], "c"), ([1, 2, 3, 2], "d")])
def test_a_value_of_a_matrix_that_does_not_fit_its_column_is_named(row: list[float], column: str) -> None:
    tensor = {"name": "input-0", "shape": [2, 4], "datatype": "FP32", "data": [[1, 2, 3, 0], row]}
    with pytest.raises(InvalidInputError) as refused:
        InferDecoder(NUMERIC).decode(json.dumps({"inputs": [tensor]}).encode(), None)
    assert (refused.value.row, refused.value.field) == (1, column)


def test_a_missing_number_of_a_matrix_is_taken_where_the_column_may_miss_it() -> None:
    tensor = {"name": "input-0", "shape": [1, 4], "datatype": "FP32", "data": [[1, 2, None, 0]]}
    column_arrays = (
        InferDecoder(NUMERIC).decode(json.dumps({"inputs": [tensor]}).encode(), None).payload.arrays(NUMERIC)
    )
    assert np.isnan(column_arrays[2][0])


@pytest.mark.parametrize("data", ["[[1, 2, 3, 1e999]]", "[[1, 2, 3, 1e999], [NaN, 1, 1, 1]]", '[[1, 2, 3, "x"]]'])
def test_a_matrix_of_something_else_is_refused(data: str) -> None:
    body = '{"inputs": [{"name": "input-0", "shape": [1, 4], "datatype": "FP32", "data": %s}]}' % data  # noqa: UP031
    with pytest.raises(InvalidInputError) as refused:
        InferDecoder(NUMERIC).decode(body.encode(), None)
    assert refused.value.field == "input-0"


def test_tensors_of_any_numbers_have_a_signature() -> None:
    spec = {"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, 2]}}
    [feature] = parse_signature(json.dumps([spec])).features
    assert (feature.dtype, feature.datatype, feature.bounds) == ("|u1", "UINT8", (0, 255))
