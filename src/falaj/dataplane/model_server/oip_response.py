"""Open Inference Protocol V2: results, metadata of the model and of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from falaj.dataplane.model_server.oip import DTYPES, InferRequest
from falaj.models.answers import PROBABILITY
from falaj.models.errors import InvalidInputError
from falaj.models.signature import ModelSignature
from falaj.models.tables import Array

_DATATYPES = {np.dtype(dtype): name for name, dtype in DTYPES.items() if dtype != "O"}


def encode_response(
    request: InferRequest,
    outputs: Mapping[str, Array],
    *,
    model: str,
    version: str,
    request_id: str,
    default: tuple[str, ...] | None = None,
) -> tuple[bytes, int | None]:
    """Encode the outputs of one request.

    Args:
        request: What was asked: which outputs, and which of them as binary tensors.
        outputs: Arrays by output name, rows of this request only.
        model: Model name.
        version: Release number as text.
        request_id: Id of the prediction.
        default: Names of the outputs where the request does not name any; None for all.

    Returns:
        The body, and the length of its JSON part when binary tensors follow.

    Raises:
        InvalidInputError: An output was asked for that the model does not give.
    """
    names = next((each for each in (request.outputs, default) if each is not None), tuple(outputs))
    for name in names:
        if name not in outputs:
            raise InvalidInputError(f"there is no output {name!r}: {', '.join(outputs)}", field=name)
    tails: list[bytes] = []
    described = [_describe(name, outputs[name], request.binary, tails) for name in names]
    head = msgspec.json.encode(
        {"model_name": model, "model_version": version, "id": request.id or request_id, "outputs": described}
    )
    return (head + b"".join(tails), len(head)) if tails else (head, None)


def _describe(name: str, array: Array, binary: frozenset[str] | None, tails: list[bytes]) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype_of(array)}
    if binary is None or name in binary:
        tails.append(_bytes_of(array))
        described["parameters"] = {"binary_data_size": len(tails[-1])}
    else:
        described["data"] = array.reshape(-1).tolist()
    return described


def datatype_of(array: Array) -> str:
    """Open Inference Protocol datatype of an output."""
    return _DATATYPES.get(array.dtype, "BYTES")


def _bytes_of(array: Array) -> bytes:
    if array.dtype in _DATATYPES:
        return np.ascontiguousarray(array).tobytes()
    texts = [str(value).encode() for value in array.reshape(-1).tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def model_metadata(
    signature: ModelSignature,
    outputs: Mapping[str, tuple[str, Sequence[int]]],
    *,
    model: str,
    version: str,
    platform: str,
    classes: Sequence[Any] | None = None,
) -> bytes:
    """Return the model metadata document.

    Args:
        signature: Inputs of the model.
        outputs: Datatype and shape after the row dimension, by output name.
        model: Model name.
        version: Release number as text.
        platform: What computes: `onnx`, `sklearn`, `lightgbm`, `xgboost`, `mlflow`.
        classes: What the probabilities are of, in their order; None where that is not known.

    Returns:
        JSON.
    """
    inputs = [
        {"name": feature.name or "input", "datatype": feature.datatype, "shape": [-1, *feature.shape]}
        for feature in signature.features
    ]
    output_tensors: list[dict[str, Any]] = [
        {"name": name, "datatype": kind, "shape": [-1, *shape]} for name, (kind, shape) in outputs.items()
    ]
    for output in output_tensors:
        if output["name"] == PROBABILITY and classes is not None:
            output["parameters"] = {"classes": classes}
    return msgspec.json.encode(
        {"name": model, "versions": [version], "platform": platform, "inputs": inputs, "outputs": output_tensors}
    )
