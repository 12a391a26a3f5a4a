"""Writes `falaj/models/allowed_names.txt`: `python -m tests.models.allowed_names`.

Every estimator of scikit-learn is fitted on small tables, with each of its options in turn, pickled by every protocol
and saved with skops; the names in the files are the list, with the plain containers and numbers that parameters may be.
A name is written once for each release of NumPy that calls its module otherwise. What could do more than make data is
left out by hand, and said. Names that are there already stay: other releases of scikit-learn have them
(`uv run --with scikit-learn==1.5.2 ...`).
"""

from __future__ import annotations

import inspect
import io
import pickle
import warnings
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from falaj import models

FILE = Path(models.__file__).with_name("allowed_names.txt")

LEFT_OUT = frozenset({"builtins.getattr", "builtins.eval", "builtins.exec", "builtins.map", "builtins.filter"})
"""Names that some estimator would need and that reach further than data."""

_PLAIN = {
    "builtins": (
        "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple NoneType"
    ),
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "functools": "partial",  # of a function that is on the list itself
    "mlflow.models.signature": "_TypeHints",  # what `mlflow.pyfunc.save_model` leaves in a PythonModel
    "uuid": "UUID",
    "_codecs": "encode",
    "copyreg": "_reconstructor",
    "numpy": "bool bool_ bytes_ datetime64 dtype float16 float32 float64 int16 int32 int64 int8 ndarray str_ "
    "timedelta64 uint16 uint32 uint64 uint8",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy._core.numeric": "_frombuffer",
}
_ENOUGH = 3
_NEEDED: dict[str, Any] = {
    "estimator": LogisticRegression(),
    "base_estimator": LogisticRegression(),
    "estimators": [("a", LogisticRegression()), ("b", DecisionTreeClassifier())],
    "transformers": [("s", "passthrough", [0, 1])],
    "steps": [("s", LogisticRegression())],
    "transformer_list": [("s", "passthrough")],
    "param_grid": {"C": [1, 2]},
    "param_distributions": {"C": [1, 2]},
    "regressor": Ridge(),
    "dictionary": np.eye(4),
}
_MORE_OPTIONS: dict[str, list[Any]] = {
    "categorical_features": [[0], "from_dtype"],  # a column transformer within the estimator
    "dtype": [np.float32, np.float64, np.int64],
    "handle_unknown": ["ignore", "use_encoded_value"],
}


def names() -> list[str]:
    """Every name, sorted."""
    gathered = {f"{module}.{name}" for module, text in _PLAIN.items() for name in text.split()}
    gathered |= {f"numpy.{name}" for name in dir(np) if isinstance(getattr(np, name), np.ufunc)}
    for model in estimators():
        gathered |= set(_names(model))
    gathered |= {name.replace("numpy._core", "numpy.core") for name in gathered}
    return sorted(name for name in (gathered | models.ALLOWED) - LEFT_OUT if not name.startswith("skops."))


def estimators() -> Iterator[Any]:
    """Fitted estimators of every class, with each option, on several kinds of tables; refusals are passed over."""
    warnings.simplefilter("ignore")
    tables = list(_tables())
    for _, kind in all_estimators():
        for options in _options(kind):
            yield from _fitted(kind, options, tables)
    yield make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(*tables[0])
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array, sparse.csc_array):
        yield kind(np.eye(3))


def _fitted(kind: Any, options: dict[str, Any], tables: list[tuple[Any, ...]]) -> Iterator[Any]:
    enough = _ENOUGH
    for table in tables:
        try:
            yield kind(**options).fit(*deepcopy(table))  # some options work in place
        except Exception:  # most estimators refuse some tables
            continue
        enough -= 1
        if not enough:
            return


def _options(kind: Any) -> Iterator[dict[str, Any]]:
    """The defaults, and each other value that a parameter may have by its declared constraints."""
    parameters = inspect.signature(kind).parameters
    needed = {name: _NEEDED[name] for name, one in parameters.items() if one.default is one.empty and name in _NEEDED}
    yield needed
    for name, constraints in getattr(kind, "_parameter_constraints", {}).items():
        if name in parameters:
            yield from ({**needed, name: value} for value in _values(name, constraints))


def _values(name: str, constraints: Any) -> Iterator[Any]:
    yield from _MORE_OPTIONS.get(name, ())
    for constraint in constraints if isinstance(constraints, list) else ():
        if constraint == "boolean":
            yield from (True, False)
        yield from sorted(map(str, getattr(constraint, "options", ())))


def _tables() -> Iterator[tuple[Any, ...]]:
    rows = np.random.default_rng(0).random((40, 4))
    label, value = (rows[:, 0] > 0.5).astype(int), rows @ np.arange(4)
    words = ["fine weather", "late flight"] * 20
    yield rows, label
    yield rows, np.digitize(value, [2, 3])
    yield pd.DataFrame(rows, columns=list("abcd")), label.astype(str)
    yield pd.DataFrame({"a": pd.Categorical(words), "b": label}), label
    yield pd.DataFrame({"a": words, "b": label}), label
    yield rows, value
    yield rows, np.c_[label, 1 - label]
    yield rows, np.c_[value, value]
    yield (rows,)
    yield words, label


def _names(model: Any) -> Iterator[str]:
    for protocol in (2, 5):
        try:
            data = pickle.dumps(model, protocol)
        except Exception:  # holds a local function: cannot be a model file either
            return
        yield from map(str, models.pickle_imports(data))
    try:
        yield from map(str, models.skops_imports(io.BytesIO(skops.io.dumps(model))))
    except Exception:  # skops does not know every type
        return


if __name__ == "__main__":
    FILE.write_text("\n".join(names()) + "\n")
