"""Starting the packaging of a model in its project's environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Collection
from pathlib import Path

from falaj.build.packaging.result import PackagingError, PackagingResult
from falaj.core.sandbox import Launch, offered, python_folders, run_to_end, scratch_environ
from falaj.models import NATIVE
from falaj.models.errors import ModelError
from falaj.models.model_folder import SERVING_FILE, read_model_folder

RUNNER = Path(__file__).with_name("runner.py")
_FALAJ = Path(__file__).resolve().parents[3]
"""The folder that `falaj` is imported from."""


def package_model(
    model: Path,
    target: Path,
    *,
    python: Path,
    table: Path | None,
    rows: int = 5000,
    timeout_s: float = 300.0,
    answer: str | None = None,
) -> PackagingResult:
    """Copy a model folder and make the copy ready to serve.

    Args:
        model: MLflow model folder, left as it is.
        target: Where the packaged copy goes; must not exist.
        python: Python of the project's environment.
        table: Parquet file of real rows that the model was not trained on; None compares on the input example only.
        rows: Most rows of the table to compare on.
        timeout_s: Longest time of the conversion.
        answer: What responses hold by default: label, probabilities or both; None for what the protocol says.

    Returns:
        The flavor the copy will be served with, and the comparison. A conversion that fails, crashes or takes too
        long leaves the native flavor.

    Raises:
        PackagingError: The folder has no MLmodel file or no usable signature.
    """
    try:
        folder = read_model_folder(model)
    except ModelError as error:
        raise PackagingError(error.message, where=error.where, hint=error.hint) from error
    shutil.copytree(model, target)
    target.chmod(0o755)  # a folder of the artifact store may be read-only
    result = _result(target, folder.flavors, _run(target, python, table, rows, timeout_s, answer))
    if answer is not None:
        _keep_answer(target / SERVING_FILE, answer)
    return result


def _keep_answer(file: Path, answer: str) -> None:
    record = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(record | {"responses": answer}, indent=1))


def _result(target: Path, flavors: Collection[str], result: PackagingResult | str) -> PackagingResult:
    if isinstance(result, PackagingResult):
        return result
    for name in ("model.onnx", SERVING_FILE):
        (target / name).unlink(missing_ok=True)
    native = {*NATIVE} & set(flavors)
    return PackagingResult("native" if native else "pyfunc", result)


def _run(
    target: Path, python: Path, table: Path | None, rows: int, timeout_s: float, answer: str | None
) -> PackagingResult | str:
    """The runner's result, or in one line why there is none."""
    with tempfile.TemporaryDirectory(prefix="falaj-packaging-") as scratch:
        task, result_file = Path(scratch, "task.json"), Path(scratch, "result.json")
        task.write_text(
            json.dumps(
                {
                    "model": str(target.resolve()),
                    "table": str(table.resolve()) if table else None,
                    "rows": rows,
                    "answer": answer,
                    "site": sysconfig.get_path("purelib"),
                    "result": str(result_file),
                }
            )
        )
        try:
            code, written = run_to_end(_launch(Path(scratch), target, python, table), offered(), timeout_s)
        except subprocess.TimeoutExpired:
            return f"the conversion took longer than {timeout_s:g} s"
        except OSError as error:
            return f"the conversion could not be started: {error}"
        if any(path.is_symlink() for path in (result_file, *target.rglob("*"))):
            raise PackagingError("the model's code has left a link in its folder", where=str(target))
        if code == 0 and result_file.exists():
            return PackagingResult.from_json(json.loads(result_file.read_text()))
        last = (written.strip().splitlines() or ["no message"])[-1]
        return f"the conversion ended with status {code}: {last[:300]}"


def _launch(scratch: Path, target: Path, python: Path, table: Path | None) -> Launch:
    """Loading a model may run code that it brings: it gets the model and the table."""
    environ = {**scratch_environ(scratch, os.environ), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    readable = (
        *python_folders(python),
        *python_folders(Path(sys.executable)),
        _FALAJ,
        *([table.resolve()] if table else []),
    )
    command = (str(python), "-I", str(RUNNER), str(scratch / "task.json"))
    return Launch(command, scratch, environ, readable, scratch, (target.resolve(),))
