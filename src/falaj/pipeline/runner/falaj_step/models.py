# pathlib takes longer to import than a small step takes to run.
# ruff: noqa: PTH118, PTH119, PTH120, PTH123
"""Saves models as MLflow models with a real signature and input example, and loads them again.

MLflow is the project's own, from its lockfile.
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib import import_module

from . import forms
from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

EXAMPLE_ROWS = 5
_FLAVORS = ("xgboost", "lightgbm", "catboost", "sklearn", "statsmodels", "prophet")
"""Libraries with a way of their own to save a model; a class that is several things is the first of them."""
_COLUMNS = ("feature_names_in_", "feature_name_", "feature_names_", "feature_names")
_PINNED = ("mlflow", "mlflow-skinny", "numpy", "pandas", "polars", "scipy", "scikit-learn", "skops", "cloudpickle")
_ARGUMENTS = {"xgboost": "xgb_model", "lightgbm": "lgb_model", "catboost": "cb_model", "sklearn": "sk_model"}


def load_model(path: str, form: str) -> Any:
    """A model as what it was saved from; as `mlflow.pyfunc.PyFuncModel` when `form` is `pyfunc`."""
    with open(os.path.join(path, "MLmodel")) as file:
        flavors = import_module("yaml").safe_load(file)["flavors"]
    native = next((name for name in _FLAVORS if name in flavors), "pyfunc")
    flavor = "pyfunc" if form == "pyfunc" else native
    described = flavors.get(flavor, {})
    if described.get("serialization_format") == "skops" and not described.get("code"):
        return _read_skops(path, described)
    return import_module(f"mlflow.{flavor}").load_model(path)


def _read_skops(path: str, described: dict[str, Any]) -> Any:
    """As MLflow reads it, whose import takes longer than all else that a step does with a model."""
    file = os.path.join(path, described["pickled_model"])
    return import_module("skops.io").load(file, trusted=described.get("skops_trusted_types"))


def save_model(value: Any, target: str, arguments: dict[str, Any], worktree: str) -> None:
    """Write a model to `target`.

    Args:
        value: An estimator fitted on a table with named columns, or the path of an MLflow model.
        target: The folder to make.
        arguments: What the step's function was called with; the first table that has the model's columns gives the
            signature and the input example.
        worktree: The project's folder; modules in it that the model refers to are saved with it.

    Raises:
        Problem: The value is no model, or no table has its columns.
    """
    if hasattr(value, "__fspath__") or isinstance(value, str):
        _keep(os.fspath(value), target)
        return
    flavor = _flavor(value)
    sample = _sample(_columns(value), arguments)
    _save(value, flavor, target, sample, [])
    code = _project_code(target, worktree)
    if code:
        shutil.rmtree(target)
        _save(value, flavor, target, sample, code)


def _keep(path: str, target: str) -> None:
    from .paths import keep_path

    if not os.path.exists(os.path.join(path, "MLmodel")):  # noqa: PTH110
        raise Problem("step.wrong-output", f"`{path}` is not an MLflow model: it has no MLmodel file")
    keep_path(path, target)


def _flavor(value: Any) -> str:
    libraries = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    found = next((name for name in _FLAVORS if name in libraries), None)
    if found is None:
        raise Problem(
            "step.wrong-output",
            f"returned a {type(value).__name__}, which is not a model that can be saved",
            f"return an estimator of {', '.join(_FLAVORS)}, or the Path of a folder that MLflow saved",
        )
    return found


def _columns(value: Any) -> list[str]:
    for name in _COLUMNS:
        found = getattr(value, name, None)  # a property that raises AttributeError before `fit`
        if found is not None and len(found):
            return [str(each) for each in found]
    raise Problem(
        "step.wrong-output",
        f"the {type(value).__name__} does not know the names of its columns",
        "fit it on a table with column names, not on an array; or is it not fitted?",
    )


def _sample(columns: list[str], arguments: dict[str, Any]) -> Any:
    """The rows of a model's columns as a pandas table, without needing pyarrow."""
    import pandas as pd

    for table in arguments.values():
        form = forms.form(type(table))
        if form == "polars-lazy":
            table = table.collect()
        names = getattr(table, "column_names", None) or list(getattr(table, "columns", []))
        if form not in ("any", "path") and {*columns} <= {*names}:
            if form == "pandas":
                return table[columns]
            chosen = table.select(columns)
            return pd.DataFrame(chosen.to_pydict() if form == "arrow" else chosen.to_dict(as_series=False))
    raise Problem(
        "step.wrong-output",
        "no table among the step's inputs has the columns that the model was fitted on",
        "name the table that has them in `inputs`; its rows give the model's signature and input example",
    )


def _save(value: Any, flavor: str, target: str, sample: Any, code: list[str]) -> None:
    form = _format(value) if flavor == "sklearn" else {}  # skops looks through all modules that are there: so first
    import mlflow.models

    example = sample.head(EXAMPLE_ROWS).reset_index(drop=True)
    options = {
        "path": target,
        "signature": mlflow.models.infer_signature(sample, value.predict(example)),
        "input_example": example,
        "conda_env": _environment(flavor),
        "code_paths": code or None,
        **form,
    }
    model = {_ARGUMENTS.get(flavor, f"{flavor}_model"): value}
    import_module(f"mlflow.{flavor}").save_model(**model, **options)


def _environment(flavor: str) -> dict[str, Any]:
    """What the model needs. Given whole, because MLflow warns of each environment in which `pip` is not installed."""
    python = ".".join(map(str, sys.version_info[:3]))
    dependencies = [f"python={python}", "pip", {"pip": _pins(flavor)}]
    return {"name": "mlflow-env", "channels": ["conda-forge"], "dependencies": dependencies}


def _pins(flavor: str) -> list[str]:
    """Packages at the versions that made the model. MLflow would find out by loading it in a new process."""
    from importlib.metadata import PackageNotFoundError, version

    pins = []
    for name in dict.fromkeys((*_PINNED, flavor if flavor != "sklearn" else "scikit-learn")):
        try:
            pins.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return pins


def _format(value: Any) -> dict[str, Any]:
    """The file format of a scikit-learn model: skops, which runs nothing when read, where it is installed."""
    try:
        skops = import_module("skops.io")
    except ImportError:
        return {"serialization_format": "cloudpickle"}
    try:
        types = skops.get_untrusted_types(data=skops.dumps(value))
    except Exception:  # skops does not know every type
        return {"serialization_format": "cloudpickle"}
    return {"serialization_format": "skops", "skops_trusted_types": types}  # made here, a moment ago


def _project_code(target: str, worktree: str) -> list[str]:
    """Packages and modules of the project that a saved model refers to by name."""
    names = [name for name in ("model.pkl", "model.skops") if os.path.exists(os.path.join(target, name))]  # noqa: PTH110
    found: dict[str, None] = {}
    for name in names:
        with open(os.path.join(target, name), "rb") as file:
            data = file.read()
        for module, loaded in list(sys.modules.items()):
            place = getattr(loaded, "__file__", None) or ""
            if place.startswith(os.path.join(worktree, "")) and module.encode() in data:
                found[_top(module, place)] = None
    return list(found)


def _top(module: str, place: str) -> str:
    """The file or folder that the outermost package of a module lies in."""
    depth = module.count(".") + (os.path.basename(place) == "__init__.py")
    for _ in range(depth):
        place = os.path.dirname(place)
    return place
