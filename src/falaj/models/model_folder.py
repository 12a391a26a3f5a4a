"""Reading an MLflow model folder without MLflow: MLmodel, input example, and what packaging left beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.models import TrainingTable, from_metadata
from falaj.models.errors import ModelError
from falaj.models.signature import ModelSignature, parse_signature

SERVING_FILE = "serving.json"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder, parsed.

    Attributes:
        path: The folder.
        signature: Inputs of the model.
        flavors: MLmodel's flavors by name.
        packaging: Content of `serving.json`; empty when the model was not packaged.
        example: Rows of the input example in signature order; empty when the model has none.
        trained_on: The form of the table that the model takes; None where it was not saved by a step.
    """

    path: Path
    signature: ModelSignature
    flavors: Mapping[str, Mapping[str, Any]]
    packaging: Mapping[str, Any]
    example: tuple[tuple[Any, ...], ...]
    trained_on: TrainingTable | None = None

    @property
    def answer(self) -> str | None:
        """What the project wants responses to hold: label, probabilities or both; None where it does not say."""
        return self.packaging.get("responses")

    @property
    def predict_method(self) -> str:
        """The estimator's method that `/invocations` answers with: `predict` or `predict_proba`."""
        return str(self.flavors.get("python_function", {}).get("predict_fn") or "predict")


def read_model_folder(path: Path) -> ModelFolder:
    """Read an MLflow model folder.

    Args:
        path: Folder that holds `MLmodel`.

    Returns:
        The parsed folder.

    Raises:
        ModelError: There is no MLmodel file, it cannot be read, or it has no signature.
    """
    document = _load_mlmodel(path)
    inputs = (document.get("signature") or {}).get("inputs")
    if not inputs:
        raise ModelError(
            "the model has no signature, so requests could not be validated",
            where=str(path / "MLmodel"),
            hint="save it with signature=infer_signature(table)",
            code="serving.no-signature",
        )
    signature = parse_signature(inputs)
    example = _example(path, document.get("saved_input_example_info") or {}, signature)
    flavors = document.get("flavors") or {}
    return ModelFolder(path, signature, flavors, _packaging(path), example, from_metadata(document))


def _load_mlmodel(path: Path) -> Mapping[str, Any]:
    import yaml

    file = path / "MLmodel"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(file.read_text(), Loader=loader)  # noqa: S506 (a safe loader, in C)
    except FileNotFoundError:
        raise ModelError("this is not an MLflow model folder: no MLmodel file", where=str(path)) from None
    except (OSError, yaml.YAMLError) as error:
        raise ModelError(f"MLmodel cannot be read: {error}", where=str(file)) from error
    if not isinstance(document, dict):
        raise ModelError("MLmodel is not a mapping", where=str(file))
    return document


def _packaging(path: Path) -> Mapping[str, Any]:
    file = path / SERVING_FILE
    if not file.exists():
        return {}
    try:
        document: Mapping[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{SERVING_FILE} cannot be read: {error}", where=str(file)) from error
    return document


def _example(path: Path, info: Mapping[str, Any], signature: ModelSignature) -> tuple[tuple[Any, ...], ...]:
    """Rows of the example table; an unreadable example only costs the warm-up, so it is passed over."""
    if not (signature.columns and info.get("pandas_orient") == "split") and info.get("type") != "ndarray":
        return ()
    try:
        table = json.loads((path / info["artifact_path"]).read_text())
        if not signature.columns:
            return tuple((row,) for row in table) if isinstance(table, list) else ()
        order = [table["columns"].index(name) for name in signature.names]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(tuple(_missing_as_none(row[index]) for index in order) for row in table["data"])


def _missing_as_none(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
