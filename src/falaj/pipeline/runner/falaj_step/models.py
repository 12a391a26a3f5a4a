"""Saves models as MLflow models with a real signature and input example, and loads them again."""

from __future__ import annotations

from typing import Any

from .problem import Problem

EXAMPLE_ROWS = 5
SIGNATURE_ROWS = 1000
"""Rows that the types of the signature are read from; more would show nothing new."""
_FLAVORS = ("sklearn", "xgboost", "lightgbm", "catboost", "statsmodels", "prophet", "pyfunc")
_NAMES = ("feature_names_in_", "feature_name_", "feature_names_")


def load_model(path: str) -> Any:
    """The model in the form that it was saved from: a scikit-learn estimator comes back as one."""
    import mlflow
    from mlflow.models import Model

    flavors = Model.load(path).flavors
    own = next((name for name in _FLAVORS if name in flavors), "pyfunc")
    if own == "pyfunc" and "pyfunc" in _FLAVORS:
        own = next((name for name in flavors if name != "python_function"), "pyfunc")
    if own in ("pyfunc", "python_function"):
        return mlflow.pyfunc.load_model(path)
    return getattr(mlflow, own).load_model(path)


def save_model(value: Any, target: str, arguments: dict[str, Any]) -> str:
    """Write a model to `target`; return its kind.

    Args:
        value: An estimator fitted on a table with named columns, or the Path of an MLflow model.
        target: The folder to make.
        arguments: What the step's function was called with; its first table with the model's columns gives the
            input example.

    Raises:
        Problem: The value is no model, or no table has its columns.
    """
    if hasattr(value, "__fspath__") or isinstance(value, str):
        return _keep(str(value), target)
    library = type(value).__module__.partition(".")[0]
    flavor = _flavor(value, library)
    table = _table(_columns(value), arguments)
    _save(value, flavor, target, table)
    return "model"


def _keep(path: str, target: str) -> str:
    from .paths import keep_path

    if keep_path(path, target) != "model":
        raise Problem("step.wrong-output", f"`{path}` is not an MLflow model: it has no MLmodel file")
    return "model"
