"""Serving: the model server, its prediction log, and the packaging that prepares a model for it.

`modelserver` is one lean process per replica and imports nothing of the control plane; `packaging` converts a model
folder to ONNX in the project's own environment and keeps the conversion only when it agrees with the original on
real rows; `predictionlog` is the write-ahead log of every answered request and its reader.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from falaj.serving.packaging import PackagingError, PackagingResult, Parity, package_model
    from falaj.serving.predictionlog import PredictionRecord, find_prediction, read_segment

_HOMES = {
    "PackagingError": "falaj.serving.packaging",
    "PackagingResult": "falaj.serving.packaging",
    "Parity": "falaj.serving.packaging",
    "package_model": "falaj.serving.packaging",
    "PredictionRecord": "falaj.serving.predictionlog",
    "find_prediction": "falaj.serving.predictionlog",
    "read_segment": "falaj.serving.predictionlog",
}

__all__ = [
    "PackagingError",
    "PackagingResult",
    "Parity",
    "PredictionRecord",
    "find_prediction",
    "package_model",
    "read_segment",
]


def __getattr__(name: str) -> Any:
    """Import the module that defines `name` only when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
