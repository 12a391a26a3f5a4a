"""A scikit-learn estimator as ONNX bytes, and how the server feeds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.models.signature import ModelSignature

# The newest sets of operators that skl2onnx writes; ONNX Runtime reads them and all later ones.
_OPSETS = {"": 21, "ai.onnx.ml": 3}


class ConversionError(Exception):
    """The estimator has no ONNX form that we know; the message is for the packaging result."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """An ONNX graph and its use.

    Attributes:
        graph: Serialized model.
        layout: `columns`: one `[n, 1]` input a feature; `matrix`: one `[n, k]` input.
        outputs: Graph output by output name.
        answer: Output that `/invocations` gives.
    """

    graph: bytes
    layout: str
    outputs: dict[str, str]
    answer: str


def convert(estimator: Any, signature: ModelSignature, predict_method: str) -> Conversion:
    """Convert an estimator.

    Args:
        estimator: A fitted scikit-learn estimator or pipeline.
        signature: Inputs of the model.
        predict_method: `predict` or `predict_proba`, what MLflow calls.

    Returns:
        The conversion.

    Raises:
        ConversionError: An estimator in it cannot be converted.
    """
    from skl2onnx import convert_sklearn

    from falaj.build.packaging.hist_gradient_boosting import raise_opset, register

    if isinstance(getattr(estimator, "classes_", None), list):
        raise ConversionError("no conversion to ONNX: several labels a row")
    register()
    classifies = hasattr(estimator, "predict_proba")
    named = signature.columns and _takes_columns(estimator)
    options = {id(_last(estimator)): {"zipmap": False}} if classifies else None
    try:
        graph = convert_sklearn(
            estimator, name="model", initial_types=_types(signature, named=named), options=options, target_opset=_OPSETS
        )
    except Exception as error:  # converters raise whatever they meet
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConversionError(f"no conversion to ONNX: {text[:300].removeprefix('no conversion to ONNX: ')}") from error
    raise_opset(graph)
    _order_opsets(graph)
    output_names = [output.name for output in graph.graph.output]
    names = ("label", "probability") if classifies else ("prediction",)
    return Conversion(
        graph.SerializeToString(),
        "columns" if named else "matrix",
        dict(zip(names, output_names, strict=False)),
        "probability" if classifies and predict_method == "predict_proba" else names[0],
    )


def _order_opsets(graph: Any) -> None:
    """Order the declared operator sets in place: they come out of a set, and equal models must be equal bytes."""
    ordered = sorted(graph.opset_import, key=lambda opset: opset.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(ordered)


def _takes_columns(estimator: Any) -> bool:
    """True if the first transformer picks columns by name; every other estimator takes one matrix."""
    first = estimator.steps[0][1] if hasattr(estimator, "steps") else estimator
    return type(first).__name__ == "ColumnTransformer" and hasattr(estimator, "feature_names_in_")


def _last(estimator: Any) -> Any:
    return estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator


def _types(signature: ModelSignature, *, named: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    if named:
        return [
            (f.name, StringTensorType([None, 1]) if f.kind == "string" else FloatTensorType([None, 1]))
            for f in signature.features
        ]
    if any(feature.kind == "string" for feature in signature.features):
        raise ConversionError("no conversion to ONNX: text columns of an estimator trained without names")
    if not signature.columns and (len(signature.features) != 1 or len(signature.features[0].shape) != 1):
        raise ConversionError("no conversion to ONNX: not one two-dimensional tensor")
    width = len(signature.features) if signature.columns else signature.features[0].shape[0]
    return [("input", FloatTensorType([None, width]))]
