"""What computes predictions: one Protocol and one module for each way to run a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from falaj.models import NATIVE
from falaj.models.errors import ModelError
from falaj.models.model_folder import ModelFolder
from falaj.models.tables import Array

__all__ = ["Backend", "open_backend", "outputs_of_classifier"]


class Backend(Protocol):
    """A loaded model.

    Attributes:
        platform: What computes, for the metadata.
        answer: Name of the output that `/invocations` gives as `predictions`.
        classes: What the columns of the output `probability` stand for; None where that is not known.
    """

    platform: str
    answer: str
    classes: Sequence[Any] | None

    def predict(self, columns: Sequence[Array]) -> Mapping[str, Array]:
        """Compute the outputs of a batch.

        Args:
            columns: One array per feature of the signature, in its order.

        Returns:
            Arrays by output name; the first dimension is the row.
        """


def open_backend(folder: ModelFolder, threads: int) -> Backend:
    """Load the model with the leanest backend that its folder allows.

    Args:
        folder: The parsed model folder.
        threads: Threads that one prediction may use.

    Returns:
        ONNX Runtime if packaging left a conversion, the estimator's own library if MLflow saved one, else pyfunc.

    Raises:
        ModelError: The model cannot be loaded here.
    """
    flavor = folder.packaging.get("flavor")
    if flavor == "onnx":
        from falaj.models.backends.onnx import OnnxBackend

        return OnnxBackend(folder, threads)
    native = next((name for name in NATIVE if name in folder.flavors), None)
    if native == "onnx" and flavor in (None, "native"):
        from falaj.models.backends.graph import GraphBackend

        return GraphBackend(folder, threads)
    if native is not None and flavor in (None, "native"):
        from falaj.models.backends.native import NativeBackend

        return NativeBackend(folder, native)
    if "python_function" in folder.flavors:
        from falaj.models.backends.pyfunc import PyfuncBackend

        return PyfuncBackend(folder)
    raise ModelError(f"no way to serve flavors {', '.join(folder.flavors) or '(none)'}", where=str(folder.path))


def outputs_of_classifier(labels: Array, probabilities: Any) -> dict[str, Array]:
    """Outputs of a classifier under the names every backend uses."""
    return {"label": labels} if probabilities is None else {"label": labels, "probability": probabilities}
