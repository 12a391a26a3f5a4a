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

_TENSORS = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(bool)": "bool", "tensor(string)": "object",
    **{f"tensor({name})": name for name in ("float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16",
                                            "uint8")},
}  # fmt: skip
"""Types of ONNX that requests may hold, and NumPy's names of them."""
EXAMPLE_ROWS = 5
COMPARED_ROWS = 1000
PARAMETERS = "statsmodels_parameters"
_FLAVORS = ("xgboost", "lightgbm", "catboost", "sklearn", "statsmodels", "prophet")
"""Libraries with a way of their own to save a model; a class that is several things is the first of them."""
_PINNED = ("mlflow", "mlflow-skinny", "numpy", "pandas", "polars", "scipy", "scikit-learn", "skops", "cloudpickle")
_ARGUMENTS = {"xgboost": "xgb_model", "lightgbm": "lgb_model", "catboost": "cb_model", "sklearn": "sk_model"}


def load_model(path: str, form: str) -> Any:
    """A model as what it was saved from; as `mlflow.pyfunc.PyFuncModel` when `form` is `pyfunc`."""
    with open(os.path.join(path, "MLmodel")) as file:
        flavors = import_module("yaml").safe_load(file)["flavors"]
    if PARAMETERS in flavors:
        return _read_parameters(os.path.join(path, flavors[PARAMETERS]["data"]))
    if "onnx" in flavors:
        return import_module("onnxruntime").InferenceSession(os.path.join(path, flavors["onnx"]["data"]))
    native = next((name for name in _FLAVORS if name in flavors), "pyfunc")
    flavor = "pyfunc" if form == "pyfunc" else native
    described = flavors.get(flavor, {})
    name = str(described.get("pickled_model") or described.get("data"))
    if name.endswith(".skops") and not described.get("code"):
        return _read_skops(os.path.join(path, name), described)
    return import_module(f"mlflow.{flavor}").load_model(path)


def _read_parameters(file: str) -> Any:
    """What `statsmodels` has fitted, as parameters: it answers, and tells no statistics."""
    _adapters()
    with open(file) as stream:
        return import_module("falaj_models.parameters").read(import_module("json").load(stream))


def _read_skops(file: str, described: dict[str, Any]) -> Any:
    """As MLflow reads it, whose import takes longer than all else that a step does with a model."""
    return import_module("skops.io").load(file, trusted=described.get("skops_trusted_types"))


def save_model(value: Any, target: str, arguments: dict[str, Any], worktree: str) -> None:
    """Write a model to `target`.

    Args:
        value: An estimator fitted on a table with named columns, or the path of an MLflow model.
        target: The folder to make.
        arguments: What the step's function was called with; the first table that has the model's columns gives the
            signature, the input example and the form in which the model takes tables.
        worktree: The project's folder; modules in it that the model refers to are saved with it.

    Raises:
        Problem: The value is no model, cannot be saved, or no table has its columns.
    """
    if hasattr(value, "__fspath__") or isinstance(value, str):
        if os.fspath(value).endswith(".onnx"):
            _save_graph(os.fspath(value), target, arguments)
        else:
            _keep(os.fspath(value), target)
        return
    flavor = _flavor(value)
    if flavor == "statsmodels":
        _save_parameters(value, target, arguments)
        return
    _refuse_local_functions(value)
    table = _table(value, arguments)
    _save(value, flavor, target, table, [])
    code, libraries = _other_modules(target, worktree)
    if code:
        shutil.rmtree(target)
        _save(value, flavor, target, table, code)
    if libraries:
        _name_libraries(target, flavor, libraries)


def _keep(path: str, target: str) -> None:
    from .paths import keep_path

    if not os.path.exists(os.path.join(path, "MLmodel")):  # noqa: PTH110
        raise Problem("step.wrong-output", f"`{path}` is not an MLflow model: it has no MLmodel file")
    keep_path(path, target)


def _save_graph(path: str, target: str, arguments: dict[str, Any]) -> None:
    """Write a graph of ONNX as a model: its inputs are columns of a table of the step where they are named so.

    Raises:
        Problem: It cannot be read, or an input has a type that no request has.
    """
    from mlflow.models import Model, ModelSignature, infer_signature
    from mlflow.models.utils import _save_example

    inputs, outputs = _graph(path)
    table = _table_with(arguments, [name for name, _, _ in inputs])
    flat = all(len(shape) < 2 or (len(shape) == 2 and shape[1] == 1) for _, _, shape in inputs)
    if table is not None and flat:
        sample, trained = _as_pandas(table), import_module("falaj_models.training_table")
        signature, example = infer_signature(sample), sample.head(EXAMPLE_ROWS).reset_index(drop=True)
        metadata = {"falaj": {"table": trained.describe(table).to_json()}}
    else:
        signature, example, metadata = ModelSignature(inputs=_tensors(inputs)), _zeros(inputs), None
    signature.outputs = _tensors(outputs)
    described = Model(signature=signature, metadata=metadata)
    described.add_flavor("onnx", data="model.onnx")
    os.makedirs(target)  # noqa: PTH103
    if example is not None:
        _save_example(described, example, target)
    shutil.copyfile(path, os.path.join(target, "model.onnx"))
    described.save(os.path.join(target, "MLmodel"))


def _graph(path: str) -> tuple[Any, Any]:
    """Name, type and shape of each input and output; outputs that are no tensors are left out."""
    try:
        session = import_module("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    except ImportError:
        hint = "add onnxruntime to the dependencies in pyproject.toml"
        raise Problem("step.wrong-output", "a graph of ONNX is read by onnxruntime", hint) from None
    except Exception as error:
        raise Problem("step.wrong-output", f"`{path}` cannot be read as a graph of ONNX: {error}") from error
    inputs = [(each.name, each.type, each.shape) for each in session.get_inputs()]
    outputs = [(each.name, each.type, each.shape) for each in session.get_outputs()]
    for name, kind, _ in inputs:
        if kind not in _TENSORS:
            raise Problem("step.wrong-output", f"the graph's input `{name}` is a {kind}, which no request holds")
    return inputs, [each for each in outputs if each[1] in _TENSORS]


def _tensors(described: Any) -> Any:
    import numpy as np
    from mlflow.types import Schema, TensorSpec

    specs = [
        TensorSpec(np.dtype(_TENSORS[kind]), (-1, *(each if isinstance(each, int) else -1 for each in shape[1:])), name)
        for name, kind, shape in described
    ]
    return Schema(specs) if specs else None


def _zeros(inputs: Any) -> Any:
    """Two rows of zeros for a graph of one tensor, by which it is tried; of several nothing."""
    import numpy as np

    if len(inputs) != 1 or _TENSORS[inputs[0][1]] == "object":
        return None
    _, kind, shape = inputs[0]
    return np.zeros((2, *(each if isinstance(each, int) else 1 for each in shape[1:])), _TENSORS[kind])


def _flavor(value: Any) -> str:
    libraries = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    flavor = next((name for name in _FLAVORS if name in libraries), None)
    if flavor is None:
        raise Problem(
            "step.wrong-output",
            f"returned a {type(value).__name__}, which is not a model that can be saved",
            f"return an estimator of {', '.join(_FLAVORS)}, or the Path of a folder that MLflow saved",
        )
    return flavor


def _adapters() -> Any:
    """The part of Falaj that knows how models of each library are asked; standard library only."""
    import types

    if "falaj_models" not in sys.modules:
        package = types.ModuleType("falaj_models")
        package.__path__ = [os.path.join(os.path.dirname(__file__), "..", "..", "..", "..", "models")]
        sys.modules["falaj_models"] = package
    return import_module("falaj_models.families")


def _table(value: Any, arguments: dict[str, Any]) -> Any:
    """The model's columns of the step's first table that has them, as the step got it."""
    columns = _adapters().adapter(value).columns()
    if not columns:
        raise Problem(
            "step.wrong-output",
            f"the {type(value).__name__} does not know the names of its columns",
            _without_names(value, arguments),
        )
    table = _table_with(arguments, columns)
    if table is not None:
        return table
    raise Problem(
        "step.wrong-output",
        "no table among the step's inputs has the columns that the model was fitted on: " + ", ".join(columns[:10]),
        "name the table that has them in `inputs`; its rows give the model's signature and input example",
    )


def _without_names(value: Any, arguments: dict[str, Any]) -> str:
    """What to do about a model that does not know the names of its columns."""
    tables = [each for each in arguments.values() if forms.form(type(each)) == "pandas"]
    numbered = next((each for each in tables if not any(isinstance(name, str) for name in each.columns)), None)
    if numbered is not None:
        return (
            "the columns of its table have numbers for names: `table.columns = [f'x{name}' for name in table.columns]`"
        )
    if type(value).__module__.partition(".")[0] not in import_module("falaj_models.names").LIBRARIES:
        return "set `self.feature_names_in_ = list(X.columns)` in its `fit`, as estimators of scikit-learn do"
    return "fit it on a table with column names, not on an array; or is it not fitted?"


def _table_with(arguments: dict[str, Any], columns: list[str]) -> Any:
    """Those columns of the step's first table that has them; None where none does."""
    families = _adapters()
    for table in arguments.values():
        form = forms.form(type(table))
        if form in ("any", "path"):
            continue
        if form == "polars-lazy":
            table = table.collect()
        names = [str(each) for each in getattr(table, "column_names", None) or table.columns]
        chosen = families.columns_of_table(columns, names)
        if chosen is not None:
            return table[chosen] if form == "pandas" else table.select(chosen)
    return None


def _as_pandas(table: Any) -> Any:
    """The rows as a pandas table, without needing pyarrow; that is what signatures are made from."""
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        sample = table
    else:
        columns = table.to_pydict() if hasattr(table, "to_pydict") else table.to_dict(as_series=False)
        sample = pd.DataFrame(columns)
    for name in sample.columns:
        _refuse_column(name, sample[name])
    return sample


def _refuse_column(name: Any, values: Any) -> None:
    """A column that no request could name, or whose values it could not hold.

    Raises:
        Problem: It is one.
    """
    if not str(name):
        raise Problem("step.wrong-output", "a column of the table has no name", "name it where the table is made")
    first = next((value for value in values if value is not None), None)
    content, cast = "", "a float"
    if type(first).__name__ == "Decimal":
        content = "decimals"
    elif values.dtype.kind == "m":
        content, cast = "time spans", "a float, such as `.dt.total_seconds()`"
    elif str(values.dtype).lower() == "uint64":
        content, cast = "whole numbers without a sign of 64 bits", "int64, or a float"
    elif values.dtype.kind == "c":
        content, cast = "complex numbers", "two columns of floats"
    if content:
        raise Problem(
            "step.wrong-output",
            f"the column `{name}` holds {content}, for which the signature of a model has no type",
            f"cast it to {cast} where the table is made",
        )


def _refuse_local_functions(value: Any) -> None:
    """A function that no module has cannot be found again by whoever loads the model.

    Raises:
        Problem: The model holds one.
    """
    holder, function = _local_function(value, set())
    if function is not None:
        raise Problem(
            "step.wrong-output",
            f"the {holder} holds the function `{function}`, which is in no module and so cannot be saved",
            "define it with `def` at the top of a module of the project",
        )


def _local_function(value: Any, visited: set[int], holder: str = "") -> tuple[str, str | None]:
    if id(value) in visited or isinstance(value, (str, bytes, int, float, type)) or value is None:
        return "", None
    visited.add(id(value))
    name = getattr(value, "__qualname__", "")
    if callable(value) and "<" in name and hasattr(value, "__code__"):
        return holder, name
    owner = type(value).__name__ if hasattr(value, "get_params") else holder
    inside = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else None
    parts = vars(value).values() if inside is None and hasattr(value, "get_params") else inside or ()
    candidates = (_local_function(part, visited, owner) for part in parts)
    return next((each for each in candidates if each[1] is not None), ("", None))


def _save_parameters(value: Any, target: str, arguments: dict[str, Any]) -> None:
    """Write what answers of statsmodels' results are made of; its own file is a pickle with the training table.

    Raises:
        Problem: They are made of more than parameters, or the parameters do not answer as the results do.
    """
    _adapters()
    parameters = import_module("falaj_models.parameters")
    hint = "or wrap it: return the Path of a folder that mlflow.pyfunc.save_model wrote"
    try:
        document = parameters.describe(value)
        model = parameters.read(document)
    except parameters.FormulaError as error:
        raise Problem("step.wrong-output", f"{error}", f"write the columns in a step before it, {hint}") from None
    table = _table(model, arguments)
    _compare_parameters(value, model, table)
    options = _options(model, table)
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    described = Model(signature=options["signature"], metadata=options["metadata"])
    described.add_flavor(PARAMETERS, data="parameters.json", model=document["model"])
    os.makedirs(target)  # noqa: PTH103
    _save_example(described, options["input_example"], target)
    with open(os.path.join(target, "parameters.json"), "w") as file:
        import_module("json").dump(document, file, indent=1)
    described.save(os.path.join(target, "MLmodel"))


def _compare_parameters(results: Any, model: Any, table: Any) -> None:
    """Hold what the parameters answer beside what the results answer, on the first rows."""
    import numpy as np

    rows = _as_pandas(table).head(COMPARED_ROWS)
    design_rows = rows
    if not hasattr(results.model, "formula"):
        design_rows = rows.reindex(columns=list(results.model.exog_names), fill_value=1.0)
    expected = np.asarray(results.predict(design_rows))
    actual = np.asarray(model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows))
    same = expected.shape == actual.shape and np.allclose(expected, actual, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not same:
        raise Problem(
            "step.wrong-output",
            f"the parameters of the {type(results.model).__name__} do not answer as statsmodels does",
            "return the Path of a folder that mlflow.pyfunc.save_model wrote",
        )


def _save(value: Any, flavor: str, target: str, table: Any, code: list[str]) -> None:
    # skops looks through all modules that are there: so first
    form = _format(value) if flavor == "sklearn" or (flavor == "lightgbm" and hasattr(value, "get_params")) else {}
    options = {
        **_options(value, table), "path": target, "conda_env": _environment(flavor), "code_paths": code or None,
        **form,
    }  # fmt: skip
    model = {_ARGUMENTS.get(flavor, f"{flavor}_model"): value}
    import_module(f"mlflow.{flavor}").save_model(**model, **options)


def _options(value: Any, table: Any) -> dict[str, Any]:
    """What MLmodel says of a model: its signature, an example, and the form of its table."""
    import warnings

    import mlflow.models

    sample = _as_pandas(table)
    rows, trained, answers = _answers(value, table)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Hint: Inferred schema contains integer")  # said of every whole number
        signature = mlflow.models.infer_signature(sample, answers)
    _refuse_untyped(signature, sample)
    example = sample.head(rows).reset_index(drop=True)
    return {"signature": signature, "input_example": example, "metadata": {"falaj": {"table": trained.to_json()}}}


def _refuse_untyped(signature: Any, sample: Any) -> None:
    """What MLflow finds no type for, it describes as one column of anything.

    Raises:
        Problem: It did; the column is named.
    """
    import mlflow.models

    if [str(name) for name in signature.inputs.input_names()] == [str(name) for name in sample.columns]:
        return
    for name in sample.columns:
        inputs = mlflow.models.infer_signature(sample[[name]]).inputs
        if inputs.input_names() != [str(name)]:
            kinds = ", ".join(sorted({type(value).__name__ for value in sample[name]}))
            raise Problem(
                "step.wrong-output",
                f"the column `{name}` holds {kinds}, for which the signature of a model has no type",
                "make it one of text, whole numbers, floats, bools or times where the table is made",
            )


def _answers(value: Any, table: Any) -> tuple[int, Any, Any]:
    """How many rows the example has, the form in which the model takes tables, and what it says of those rows.

    Raises:
        Problem: It answers in no form.
    """
    families = _adapters()
    adapter = families.adapter(value)
    trained = import_module("falaj_models.training_table")
    rows = table.slice(0, EXAMPLE_ROWS) if hasattr(table, "slice") else table.head(EXAMPLE_ROWS)
    try:
        form = adapter.trained_on(trained.describe(table))
    except ValueError as error:
        hint = "give the step a table whose columns are of the type category already"
        raise Problem("step.wrong-output", str(error), hint) from None
    if form != trained.describe(table):
        rows = form.frame(_arrays(_as_pandas(rows)))
    try:
        return EXAMPLE_ROWS, form, adapter.predict(rows)
    except Exception as error:
        if form.library == "pandas":
            raise Problem(
                "step.wrong-output",
                f"the model does not answer the rows of the table that it was fitted on: {error}",
                "give the step the table in the form in which the model takes it",
            ) from error
    rows = _as_pandas(table)
    return EXAMPLE_ROWS, trained.describe(rows), adapter.predict(rows.head(EXAMPLE_ROWS))


def _arrays(sample: Any) -> dict[str, Any]:
    import numpy as np

    arrays = {}
    for name in sample.columns:
        values = sample[name].astype(object).tolist()
        missing = [value is None or value != value for value in values]
        text = any(isinstance(value, str) for value in values)
        plain = [(None if text else np.nan) if gone else value for value, gone in zip(values, missing)]  # noqa: B905
        arrays[str(name)] = np.array(plain, dtype=object if text or all(missing) else None)
    return arrays


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
    """The file format of a scikit-learn model: skops, which runs nothing when read, where it is installed.

    Raises:
        Problem: It is a model of LightGBM, which is loaded from no pickle.
    """
    try:
        skops = import_module("skops.io")
    except ImportError:
        if type(value).__module__.startswith("lightgbm"):
            hint = "add skops to the dependencies in pyproject.toml, or return the `booster_` of the model"
            raise Problem("step.wrong-output", f"a {type(value).__name__} is saved with skops", hint) from None
        return {"serialization_format": "cloudpickle"}
    try:
        types = skops.get_untrusted_types(data=skops.dumps(value))
    except Exception:  # skops does not know every type
        return {"serialization_format": "cloudpickle"}
    return {"serialization_format": "skops", "skops_trusted_types": types}  # made here, a moment ago


def _other_modules(target: str, worktree: str) -> tuple[list[str], list[str]]:
    """What a saved model names beyond the known libraries: files of the project, and modules of other libraries."""
    code: dict[str, None] = {}
    libraries: dict[str, None] = {}
    for module in _named_modules(target):
        place = getattr(sys.modules.get(module), "__file__", None) or ""
        if place.startswith(os.path.join(worktree, "")):
            code[_top(module, place)] = None
        elif place:
            libraries[module.partition(".")[0]] = None
    own = import_module("falaj_models.names").only_own(libraries)
    return list(code), [name for name in libraries if name in own]


def _named_modules(target: str) -> list[str]:
    """Modules of the names in a model's file that are not on the list."""
    _adapters()
    names = import_module("falaj_models.names")
    imports: list[Any] = []
    for name, form in (("model.pkl", "pickle_names"), ("model.skops", "skops_names")):
        path = os.path.join(target, name)
        if not os.path.exists(path):  # noqa: PTH110
            continue
        with open(path, "rb") as file:
            reader = import_module(f"falaj_models.{form}")
            imports += reader.imports(file.read() if form == "pickle_names" else file)
    return [each.module for each in names.forbidden(imports, also=names.BOOSTERS)]


def _name_libraries(target: str, flavor: str, libraries: list[str]) -> None:
    """Write into MLmodel whose code the file names besides, which is loaded only by a confined process."""
    from mlflow.models import Model

    described = Model.load(target)
    described.flavors[flavor]["libraries"] = libraries
    described.save(os.path.join(target, "MLmodel"))


def _top(module: str, place: str) -> str:
    """The file or folder that the outermost package of a module lies in."""
    depth = module.count(".") + (os.path.basename(place) == "__init__.py")
    for _ in range(depth):
        place = os.path.dirname(place)
    return place
