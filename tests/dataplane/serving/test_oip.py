"""Open Inference Protocol: JSON and binary tensors in, results out."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.model_server.oip import InferDecoder
from falaj.dataplane.model_server.oip_response import encode_response
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelFeature, ModelSignature

TABLE = ModelSignature(
    (ModelFeature("hour", "long"), ModelFeature("temp", "double", required=False), ModelFeature("carrier", "string")),
    columns=True,
)
NUMBERS = ModelSignature((ModelFeature("a", "double"), ModelFeature("b", "double")), columns=True)
DECODER = InferDecoder(TABLE)


def tensor(name: str, datatype: str, data: Any, shape: Any = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def request(*inputs: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **members}).encode()


GOOD = (
    tensor("carrier", "BYTES", ["UA", "AA"], [2, 1]),
    tensor("hour", "INT64", [5, 6]),
    tensor("temp", "FP64", [1.5, None]),
)


def test_json_columns_come_in_any_order() -> None:
    hour, temp, carrier = DECODER.decode(request(*GOOD), None).payload.arrays(TABLE)
    assert (hour.tolist(), carrier.tolist()) == ([5, 6], ["UA", "AA"])
    assert temp[0] == 1.5 and math.isnan(temp[1])


texts = st.lists(st.text(max_size=8), min_size=1, max_size=6)


@given(texts)
def test_binary_tensors_arrive_as_they_were_sent(carriers: list[str]) -> None:
    hours = np.arange(len(carriers), dtype="<i8")
    encoded = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in carriers)
    head = (
        json.dumps(
            {
                "inputs": [
                    tensor("hour", "INT64", carriers)
                    | {"parameters": {"binary_data_size": hours.nbytes}, "data": None},
                    tensor("carrier", "BYTES", carriers)
                    | {"parameters": {"binary_data_size": len(encoded)}, "data": None},
                ]
            }
        )
        .replace(', "data": null', "")
        .encode()
    )
    column_arrays = DECODER.decode(head + hours.tobytes() + encoded, len(head)).payload.arrays(TABLE)
    assert column_arrays[0].tolist() == hours.tolist()
    assert np.isnan(column_arrays[1]).all()
    assert column_arrays[2].tolist() == carriers


def test_one_matrix_stands_for_all_columns_of_a_numeric_table() -> None:
    body = request(tensor("input-0", "FP32", [1, 2, 3, 4], [2, 2]))
    assert [a.tolist() for a in InferDecoder(NUMBERS).decode(body, None).payload.arrays(NUMBERS)] == [[1, 3], [2, 4]]


def test_whole_numbers_serve_as_floats_but_not_the_other_way() -> None:
    body = request(tensor("a", "INT64", [1]), tensor("b", "FP32", [2.5]))
    assert [a.dtype.str for a in InferDecoder(NUMBERS).decode(body, None).payload.arrays(NUMBERS)] == ["<f8", "<f8"]
    with pytest.raises(InvalidInputError, match="row 0, column 'hour'"):
        DECODER.decode(request(*GOOD[:1], tensor("hour", "FP64", [5.5, 6.0]), GOOD[2]), None)


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ((tensor("tail", "INT64", [1]),), "tail"),
        ((GOOD[0], GOOD[0], GOOD[1]), "carrier"),
        ((GOOD[0],), "hour"),
        ((GOOD[0], tensor("hour", "INT64", [5])), "hour"),
        ((GOOD[0], tensor("hour", "INT64", [5, 6], [3])), "hour"),
        ((GOOD[0], tensor("hour", "INT64", [5, 6], [-1])), "hour"),
        ((GOOD[0], tensor("hour", "INT64", [5, 6, 7, 8], [2, 2])), "hour"),
        ((GOOD[0], {"name": "hour", "shape": [], "datatype": "INT64", "data": [5]}), "hour"),
        ((GOOD[0], tensor("hour", "WORD", [5, 6])), "hour"),
        ((GOOD[0], {"name": "hour", "shape": [2], "datatype": "INT64"}), "hour"),
        ((GOOD[0], tensor("hour", "INT64", ["x", 6])), "hour"),
        ((GOOD[0], tensor("hour", "INT64", [5, None])), "hour"),
        ((tensor("carrier", "BYTES", ["UA", None]), GOOD[1]), "carrier"),
    ],
)
def test_a_wrong_input_is_named(inputs: tuple[dict[str, Any], ...], field: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        DECODER.decode(request(*inputs), None)
    assert refused.value.field == field


@pytest.mark.parametrize(("value", "allowed"), [(math.nan, False), (math.inf, False), (1.0, True)])
def test_binary_nan_is_refused_where_a_value_is_required(value: float, allowed: bool) -> None:
    data = np.array([1.0, value])
    inputs = [{"name": n, "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}} for n in ("a", "b")]
    head = json.dumps({"inputs": inputs}).encode()
    body = head + np.ones(2).tobytes() + data.tobytes()
    if allowed:
        assert InferDecoder(NUMBERS).decode(body, len(head)).payload.count == 2
        return
    with pytest.raises(InvalidInputError) as refused:
        InferDecoder(NUMBERS).decode(body, len(head))
    assert (refused.value.row, refused.value.field) == (1, "b")


@given(st.binary(max_size=80), st.integers(-5, 90))
def test_no_body_raises_anything_else(body: bytes, length: int) -> None:
    head = b'{"inputs":[{"name":"carrier","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":9}}]}'
    for content, header_length in ((body, length), (head + body, len(head)), (head + body, length)):
        with pytest.raises(InvalidInputError):
            DECODER.decode(content, header_length)


OUTPUTS = {"label": np.array([1, 0]), "probability": np.array([[0.25, 0.75], [1, 0]], dtype=np.float32)}


def decoded(outputs: list[dict[str, Any]] | None, **members: Any) -> Any:
    chosen = {} if outputs is None else {"outputs": outputs}
    return DECODER.decode(request(*GOOD, **chosen, **members), None)


def test_outputs_are_json_by_default() -> None:
    body, head = encode_response(decoded(None), OUTPUTS, model="m", version="1", request_id="r")
    document = json.loads(body)
    assert head is None and document["id"] == "r"
    assert document["outputs"] == [
        {"name": "label", "shape": [2], "datatype": "INT64", "data": [1, 0]},
        {"name": "probability", "shape": [2, 2], "datatype": "FP32", "data": [0.25, 0.75, 1.0, 0.0]},
    ]


def test_outputs_can_be_chosen_and_be_binary() -> None:
    infer_request = decoded([{"name": "probability", "parameters": {"binary_data": True}}], id="mine")
    body, head = encode_response(infer_request, OUTPUTS, model="m", version="1", request_id="r")
    assert json.loads(body[:head])["id"] == "mine"
    assert np.frombuffer(body[head:], np.float32).tolist() == [0.25, 0.75, 1.0, 0.0]
    everything = decoded(None, parameters={"binary_data_output": True})
    texts = {"label": np.array(["on", "late"], dtype=object)}
    body, head = encode_response(everything, texts, model="m", version="1", request_id="r")
    assert body[head:] == b"\x02\0\0\0on\x04\0\0\0late"


def test_an_output_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidInputError, match="no output 'score'"):
        encode_response(decoded([{"name": "score"}]), OUTPUTS, model="m", version="1", request_id="r")
