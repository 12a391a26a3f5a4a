"""Package one model in the environment of its project: convert it, compare the two, and write the result."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from falaj.build.packaging.answer_comparison import compared, without_probabilities
from falaj.build.packaging.conversion import ConversionError, convert
from falaj.build.packaging.parity import compare
from falaj.build.packaging.result import PackagingResult
from falaj.build.packaging.rows import real_rows, with_probes
from falaj.core.errors import FalajError
from falaj.models import NATIVE, libraries_of
from falaj.models.backends.native import NativeBackend
from falaj.models.backends.onnx import OnnxBackend
from falaj.models.errors import ModelError
from falaj.models.model_folder import ModelFolder, read_model_folder

_PREAMBLE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : (?:Exception during initialization: )?"
    r"(?:/onnxruntime_src/\S+ .*?\)(?:::<lambda\(\)>)? (?=[A-Z]))?"
)


def package(task: dict[str, Any]) -> PackagingResult:
    """Convert the model of a task and compare the two."""
    model, table = Path(task["model"]), Path(task["table"]) if task["table"] else None
    own_code = (model / "code").is_dir() or any(map(libraries_of, read_model_folder(model).flavors.values()))
    try:
        result = replace(compared(model, _package(model, table, task["rows"]), table), own_code=own_code)
        if not result.refusal and task["answer"] == "probabilities" and without_probabilities(model):
            result = replace(result, refusal="serving.answer is probabilities, and the model gives none")
        _keep(model / "serving.json", result)
        return result
    except ModelError as error:
        return PackagingResult(_flavor_of(model), "it cannot be loaded", refusal=error.message, own_code=own_code)


def _keep(file: Path, result: PackagingResult) -> None:
    """Write the result into the record of a conversion, where there is one."""
    if file.exists():
        record = json.loads(file.read_text()) | {"packaging": result.to_json()}
        file.write_text(json.dumps(record, indent=1, sort_keys=False))


def _flavor_of(model: Path) -> str:
    native = {*NATIVE} & {*read_model_folder(model).flavors}
    return "native" if native else "pyfunc"


def _package(model: Path, table: Path | None, limit: int) -> PackagingResult:
    folder = read_model_folder(model)
    if "onnx" in folder.flavors:
        return PackagingResult("native", "it is ONNX already")
    if "sklearn" not in folder.flavors:
        named = ", ".join(name for name in folder.flavors if name != "python_function") or "pyfunc"
        return PackagingResult(_flavor_of(model), f"no conversion to ONNX of {named}")
    return _package_sklearn(folder, table, limit)


def _package_sklearn(folder: ModelFolder, table: Path | None, limit: int) -> PackagingResult:
    native = NativeBackend(folder, "sklearn")
    real = real_rows(folder, table, limit)
    if not real or not len(real[0]):
        return PackagingResult("native", "there are no rows to compare a conversion on")
    if any(find_spec(module) is None for module in ("onnx", "skl2onnx")):
        return PackagingResult("native", "no conversion to ONNX without pip install 'falaj[onnx]'")
    try:
        conversion = convert(native.estimator, folder.signature, folder.predict_method)
        columns, probes = with_probes(real, folder.signature)
        original = native.predict(columns)
    except ConversionError as error:
        return PackagingResult("native", str(error), versions=_versions())
    try:
        return _keep_if_equal(folder, native, original, conversion, columns, probes)
    except Exception as error:  # ONNX Runtime may refuse an operator, or a locale that is not installed
        (folder.path / "model.onnx").unlink(missing_ok=True)
        return PackagingResult("native", f"the conversion to ONNX does not run: {reason(error)}", versions=_versions())


def reason(error: Exception) -> str:
    """What stands in the way, without the places in memory and on disk that libraries and errors name before it."""
    text = error.message if isinstance(error, FalajError) else str(error)
    return _PREAMBLE.sub("", " ".join(text.split()))[:200]


def _keep_if_equal(
    folder: Any, native: Any, original: Any, conversion: Any, columns: Any, probes: int
) -> PackagingResult:
    """Write the conversion with the stand-in for missing text that agrees best; keep it only if it passes."""
    (folder.path / "model.onnx").write_bytes(conversion.graph)
    tried = [(_compared(folder, original, conversion, columns, probes, text), text) for text in _missing_texts(folder)]
    parity, text = min(tried, key=lambda attempt: (not attempt[0].passed, attempt[0].largest_difference))
    if not parity.passed:
        (folder.path / "model.onnx").unlink()
        return PackagingResult("native", "the conversion to ONNX answers differently", parity, _versions())
    result = PackagingResult("onnx", "", parity, _versions())
    record = _record(conversion, text) | _classes(native.estimator) | {"packaging": result.to_json()}
    (folder.path / "serving.json").write_text(json.dumps(record, indent=1, sort_keys=False))
    return result


def _missing_texts(folder: ModelFolder) -> list[str]:
    """ONNX has no missing text; encoders that saw one know it under a name, the others as any unknown category."""
    optional = any(f.kind == "string" and not f.required for f in folder.signature.features)
    return ["", "nan", "None"] if optional else [""]


def _compared(folder: Any, original: Any, conversion: Any, columns: Any, probes: int, text: str) -> Any:
    packaged = replace(folder, packaging=_record(conversion, text))
    converted = OnnxBackend(packaged, 1).predict(columns)
    return compare(original, converted, rows=len(columns[0]) - probes, probes=probes)


def _record(conversion: Any, missing_text: str) -> dict[str, Any]:
    return {
        "flavor": "onnx",
        "layout": conversion.layout,
        "missing_text": missing_text,
        "outputs": conversion.outputs,
        "answer": conversion.answer,
    }


def _classes(estimator: Any) -> dict[str, Any]:
    """What the outputs stand for: a classifier's classes, None for numbers; nothing where there are classes alone."""
    if not hasattr(estimator, "classes_"):
        return {"classes": None}
    return {"classes": estimator.classes_.tolist()} if hasattr(estimator, "predict_proba") else {}


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "numpy")}
