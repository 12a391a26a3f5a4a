"""The one way to load the estimator of an MLflow model folder.

First every name that the file reaches is held against the list, then the file is loaded by a loader that looks names up
in the same list again. Code of the project (`code` in the folder) is imported only by a process that the kernel
confines.
"""

from __future__ import annotations

import importlib
import io
import json
import pickle
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from falaj.core import sandbox
from falaj.models import parameters, pickle_names, skops_names
from falaj.models.names import BOOSTERS, Import, forbidden, is_allowed, only_own

MAX_FILE_BYTES = 4_000_000_000
_XGBOOST = frozenset(name for name in BOOSTERS if name.startswith("xgboost."))
_CATBOOST = frozenset(name.rpartition(".")[2] for name in BOOSTERS if name.startswith("catboost."))
_BOOSTER = "lightgbm.basic.Booster"


class ModelFileError(Exception):
    """A model file reaches something that no model needs, or cannot be looked into; nothing of it was run."""


def load_estimator(folder: Path, flavor: Mapping[str, Any], name: str) -> Any:
    """Load the estimator that MLflow saved, without MLflow.

    Args:
        folder: The model folder.
        flavor: The flavor's entry in MLmodel.
        name: One of `NATIVE`.

    Raises:
        ModelFileError: The file reaches more than the list; nothing of it was run.
        Exception: Whatever the library raises for a file that it cannot read.
    """
    return _LOADERS[name](folder, flavor)


def own_modules(folder: Path, flavor: Mapping[str, Any]) -> frozenset[str]:
    """Modules beyond the list that a model needs: of the project (`code_paths` of MLflow), and of other libraries."""
    code = _code(folder, flavor)
    return (top_level_modules([code]) if code else frozenset()) | libraries_of(flavor)


def libraries_of(flavor: Mapping[str, Any]) -> frozenset[str]:
    """Modules of installed libraries, none of the known ones, that a model file names."""
    entry = flavor.get("libraries")
    names = entry if isinstance(entry, list) else []
    return only_own(str(name) for name in names if str(name).isidentifier())


def top_level_modules(roots: Iterable[Path]) -> frozenset[str]:
    """Names of the packages and modules that lie in folders, but for those that Python or a library has."""
    module_names = {path.parent.name for root in roots for path in root.glob("*/__init__.py")}
    module_names |= {path.stem for root in roots for path in root.glob("*.py")}
    return only_own(name for name in module_names if name.isidentifier())


def _load_sklearn(folder: Path, flavor: Mapping[str, Any]) -> Any:
    file, own = _inside(folder, flavor["pickled_model"]), _with_code(folder, flavor)
    form = flavor.get("serialization_format", "cloudpickle")
    return _load_skops(file, own) if form == "skops" else load_pickle(file, own)


def _load_lightgbm(folder: Path, flavor: Mapping[str, Any]) -> Any:
    file = _inside(folder, flavor["data"])
    if flavor.get("model_class", _BOOSTER) == _BOOSTER:
        return importlib.import_module("lightgbm").Booster(model_file=str(file))
    if flavor.get("serialization_format") != "skops":
        raise ModelFileError("the model of LightGBM is a pickle; return the estimator itself, or save it with skops")
    return _load_skops(file, _with_code(folder, flavor))


def _load_xgboost(folder: Path, flavor: Mapping[str, Any]) -> Any:
    named = flavor.get("model_class", "xgboost.core.Booster")
    if named not in _XGBOOST:
        raise ModelFileError(f"the model names the class {named}, which is none of XGBoost's models")
    module, _, name = named.rpartition(".")
    model = getattr(importlib.import_module(module), name)()
    model.load_model(str(_inside(folder, flavor["data"])))
    return model


def _load_catboost(folder: Path, flavor: Mapping[str, Any]) -> Any:
    named = flavor.get("model_type", "CatBoost")
    if named not in _CATBOOST:
        raise ModelFileError(f"the model names the class {named}, which is none of CatBoost's models")
    model = getattr(importlib.import_module("catboost"), named)()
    return model.load_model(str(_inside(folder, flavor["data"])), format=flavor.get("save_format", "cbm"))


def _load_parameters(folder: Path, flavor: Mapping[str, Any]) -> Any:
    return parameters.read(json.loads(_read(_inside(folder, flavor["data"]))))


_LOADERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Any]] = {
    "sklearn": _load_sklearn,
    "lightgbm": _load_lightgbm,
    "xgboost": _load_xgboost,
    "catboost": _load_catboost,
    "statsmodels_parameters": _load_parameters,
}
NATIVE = (*_LOADERS, "onnx")
"""Flavors of MLflow that are loaded without it, the first of several that a model has. A graph of ONNX is no estimator:
ONNX Runtime reads it."""


def load_pickle(file: Path, own: Collection[str] = ()) -> Any:
    """Load a pickle, cloudpickle included, that holds an estimator of a known library.

    Args:
        file: The pickle.
        own: Top-level modules of the project that it may name.

    Raises:
        ModelFileError: It names something else; nothing of it was run.
        pickle.UnpicklingError: The file is no pickle, or broken.
    """
    data = _read(file)
    try:
        _refuse(forbidden(pickle_names.imports(data), own=own))
    except pickle_names.NotAPickleError as error:
        raise ModelFileError(f"the pickle cannot be looked into: {error}") from error
    return _Unpickler(io.BytesIO(data), frozenset(own)).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, own: frozenset[str]) -> None:
        super().__init__(stream)
        self._own = own

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up if it is on the list; the second lock, should the first have read the opcodes wrongly."""
        named = Import(pickle_names.PYTHON_2.get(module, module), name)
        if not is_allowed(named, self._own):
            _refuse([named])
        return super().find_class(module, name)


def _load_skops(file: Path, own: Collection[str]) -> Any:
    data = _read(file)
    try:
        names = [*skops_names.imports(io.BytesIO(data))]
    except skops_names.NotASkopsFileError as error:
        raise ModelFileError(f"the skops file cannot be looked into: {error}") from error
    _refuse(forbidden(names, own=own, also=BOOSTERS))
    return importlib.import_module("skops.io").loads(data, trusted=sorted({str(one) for one in names}))


def _refuse(names: Collection[Import]) -> None:
    if names:
        shown = ", ".join(sorted({str(one) for one in names})[:5])
        raise ModelFileError(f"the model file names {shown}, which is not part of a known estimator")


def _with_code(folder: Path, flavor: Mapping[str, Any]) -> frozenset[str]:
    """Modules beyond the list; the project's are made importable behind all that is installed.

    Raises:
        ModelFileError: There are some, and the kernel does not confine this process.
    """
    code, libraries = _code(folder, flavor), libraries_of(flavor)
    if code is None and not libraries:
        return frozenset()
    if not sandbox.in_force().complete:
        owner = "the project" if code else ", ".join(sorted(libraries))
        raise ModelFileError(f"the model brings code of {owner}, which is loaded only by a confined process")
    if code and str(code) not in sys.path:
        sys.path.append(str(code))
    return own_modules(folder, flavor)


def _code(folder: Path, flavor: Mapping[str, Any]) -> Path | None:
    named = flavor.get("code")
    return _inside(folder, named) if isinstance(named, str) and named else None


def _inside(folder: Path, named: str) -> Path:
    path = (folder / named).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ModelFileError(f"the model names {named!r}, which is not in its folder")
    return path


def _read(file: Path) -> bytes:
    if file.stat().st_size > MAX_FILE_BYTES:
        raise ModelFileError("the model file is too large to be looked into")
    return file.read_bytes()
