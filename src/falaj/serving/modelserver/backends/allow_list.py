"""Unpickling that builds estimators and arrays, and nothing else.

A pickle is a program: it may call whatever it can name. Here it can name the classes of the numerical libraries, their
own rebuilding functions, and plain containers; every other name ends the load before it is called. Scanners that
look for bad names know only those that somebody listed, so they are a second opinion.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIBRARIES = frozenset({"catboost", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "xgboost"})

_PLAIN: Mapping[str, frozenset[str]] = {
    "builtins": frozenset(
        {
            "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range",
            "set", "slice", "str", "tuple",
        }
    ),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "functools": frozenset({"partial"}),  # of a function that is on the list itself
    "decimal": frozenset({"Decimal"}),
    "uuid": frozenset({"UUID"}),
    "_codecs": frozenset({"encode"}),
    "copyreg": frozenset({"_reconstructor"}),
}  # fmt: skip

_REBUILDING = frozenset(
    {
        "_reconstruct", "scalar", "_frombuffer", "__bit_generator_ctor", "__generator_ctor", "__randomstate_ctor",
        "_new_Index", "_unpickle_block", "_unpickle_timestamp", "_restore_array", "py_buffer", "type_for_alias",
        "newObj", "check_array",
    }
)  # fmt: skip
"""Functions by which the libraries rebuild or check their own objects; none of them calls what it is given."""

_CYTHON = re.compile(r"__pyx_unpickle_\w+")


class PickleRefusedError(Exception):
    """A pickle names something that is not on the list."""

    def __init__(self, module: str, name: str) -> None:
        super().__init__(
            f"the pickle names {module}.{name}, which is no part of an estimator; save the model as ONNX or with skops"
        )


def load_allowed(file: Path) -> Any:
    """Load a pickle, cloudpickle included, that holds an estimator of a known library.

    Raises:
        PickleRefusedError: It names something else; none of its calls to that was made.
        pickle.UnpicklingError: The file is no pickle, or broken.
    """
    with file.open("rb") as stream:
        return _Unpickler(stream).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Look a name up if it is on the list."""
        if name in _PLAIN.get(module, ()):
            return super().find_class(module, name)
        # A dotted name walks through attributes, `numpy` + `os.system` among them.
        if "." in name or module.partition(".")[0] not in LIBRARIES:
            raise PickleRefusedError(module, name)
        found = super().find_class(module, name)
        if not _allowed(found, name):
            raise PickleRefusedError(module, name)
        return found


def _allowed(found: Any, name: str) -> bool:
    """Whether it is a class of a known library, a ufunc, or a rebuilding function of one."""
    if isinstance(found, type):
        return _is_theirs(found)
    if type(found).__module__ == "numpy" and type(found).__name__ == "ufunc":
        return True
    return name in _REBUILDING or _CYTHON.fullmatch(name) is not None


def _is_theirs(found: type) -> bool:
    """Not one that the library merely imported, such as `subprocess.Popen` under its name."""
    return found.__module__.partition(".")[0] in LIBRARIES
