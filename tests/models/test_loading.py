"""The exact list and the one loader: what estimators contain loads, and what only looks like it does not."""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from falaj import models
from falaj.build.checks.model_files import scan_file
from falaj.models import ModelFileError
from falaj.models.loading import load_pickle
from falaj.models.names import ALLOWED, Import, is_allowed, only_own
from tests.models.allowed_names import LEFT_OUT


def encoded(value: Any) -> bytes:
    """One argument of a hand-written pickle: a text, bytes, a truth, or the bytes of a call."""
    match value:
        case bool():
            return b"\x88" if value else b"\x89"
        case str():
            text = value.encode()
            return b"X" + len(text).to_bytes(4, "little") + text
        case ("call", bytes(call)):
            return call
        case bytes():
            return b"B" + len(value).to_bytes(4, "little") + value
    raise TypeError(value)


def call(module: str, name: str, *arguments: Any) -> bytes:
    """The opcodes of `module.name(*arguments)`."""
    return b"c" + f"{module}\n{name}\n".encode() + b"(" + b"".join(map(encoded, arguments)) + b"tR"


def harmful_array(mark: Path) -> bytes:
    class Calls:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {mark}",)

    array = np.empty(1, dtype=object)
    array[0] = Calls()
    stream = io.BytesIO()
    np.savez(stream, a=array)
    return stream.getvalue()


def gadgets(mark: Path) -> dict[str, bytes]:
    """Pickles that name nothing but classes of the libraries, and yet run code or write files."""
    expression = f"pickle.sys.modules.get('os').system('touch {mark}')"
    array = ("call", call("pyarrow.lib", "BufferReader", harmful_array(mark)))
    npz = ("call", call("numpy.lib.npyio", "NpzFile", array, False, True))
    return {
        "an expression of pandas": call("pandas.core.computation.expr", "Expr", expression),
        "an archive of numpy": call("builtins", "dict", npz),
        "a memory map that writes": call("numpy", "memmap", str(mark), "uint8", "w+"),
        "a reader of pandas": call("pandas.io.pickle", "read_pickle", str(mark)),
        "a class of sklearn nobody looked at": call("sklearn.externals._packaging.version", "Version", "1"),
    }


@pytest.mark.parametrize("name", list(gadgets(Path("x"))))
def test_a_class_that_nobody_looked_at_is_refused_by_scan_and_loader(tmp_path: Path, name: str) -> None:
    mark, file = tmp_path / "mark", tmp_path / "model.pkl"
    file.write_bytes(b"\x80\x04" + gadgets(mark)[name] + b".")
    assert [*scan_file(file, "model.pkl", ())]
    with pytest.raises(ModelFileError, match="names"):
        load_pickle(file)
    assert not mark.exists()


def skops_file(file: Path, mark: Path, kind: str = "OperatorFuncNode") -> list[str]:
    """A skops file that calls `os.system`; returns the types that it asks to be trusted for."""
    text = {
        "__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(f"touch {mark}"),
        "is_json": True, "__id__": 3,
    }  # fmt: skip
    function = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": 4, "content": ""}
    arguments = {
        "__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "__id__": 2,
        "content": [function, text],
    }  # fmt: skip
    schema = {
        "__class__": "call", "__module__": "operator", "__loader__": kind, "__id__": 1, "attrs": arguments,
        "protocol": 2, "_skops_version": skops.__version__,
    }  # fmt: skip
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    return list(skops.io.get_untrusted_types(file=file))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="operator.call")
def test_a_skops_file_that_trusts_itself_is_refused(tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "model.skops"
    flavor = {
        "pickled_model": "model.skops",
        "serialization_format": "skops",
        "skops_trusted_types": skops_file(file, mark),
    }
    assert [*scan_file(file, "model.skops", ())]
    with pytest.raises(ModelFileError, match=r"os\.system"):
        models.load_estimator(tmp_path, flavor, "sklearn")
    assert not mark.exists()
    skops.io.load(file, trusted=flavor["skops_trusted_types"])
    assert mark.exists(), "without the list the attack works"


def test_a_skops_file_of_an_estimator_loads(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).random((50, 3))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0.5)
    skops.io.dump(model, tmp_path / "model.skops")
    assert [*scan_file(tmp_path / "model.skops", "model.skops", ())] == []
    flavor = {"pickled_model": "model.skops", "serialization_format": "skops"}
    loaded = models.load_estimator(tmp_path, flavor, "sklearn")
    assert np.array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


@pytest.mark.integration
def test_code_of_the_project_is_loaded_by_a_confined_process_alone(tmp_path: Path) -> None:
    code = tmp_path / "code" / "scaling"
    code.mkdir(parents=True)
    (code / "__init__.py").write_text("class Half:\n    def __reduce__(self):\n        return Half, ()\n")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04" + call("scaling", "Half") + b".")
    flavor = {"pickled_model": "model.pkl", "serialization_format": "cloudpickle", "code": "code"}
    with pytest.raises(ModelFileError, match="confined"):
        models.load_estimator(tmp_path, flavor, "sklearn")
    program = (
        "import json, sys; from pathlib import Path; from falaj import models; from falaj.core.sandbox import confine\n"
        f"folder = Path({str(tmp_path)!r}); confine(readable=[folder])\n"
        f"print(type(models.load_estimator(folder, {flavor!r}, 'sklearn')).__name__)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert process.stdout == "Half\n", process.stderr


def test_a_project_cannot_call_its_module_like_one_of_python() -> None:
    assert only_own(["subprocess", "os", "pandas", "falaj", "flights"]) == {"flights"}
    assert not is_allowed(Import("subprocess", "Popen"), ["subprocess"])


def test_an_archive_is_not_unpacked_to_look_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1_000))
    monkeypatch.setattr("falaj.build.checks.model_files.LARGEST_PICKLE_BYTES", 999)
    assert [finding.rule for finding in scan_file(file, "model.zip", ())] == ["archive-too-large"]


def test_a_model_names_files_of_its_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(1))
    with pytest.raises(ModelFileError, match="not in its folder"):
        models.load_estimator(folder, {"pickled_model": "../other.pkl"}, "sklearn")
    with pytest.raises(ModelFileError, match="none of XGBoost"):
        models.load_estimator(folder, {"model_class": "subprocess.Popen", "data": "x"}, "xgboost")


def test_nothing_on_the_list_reaches_further_than_data() -> None:
    assert not LEFT_OUT & ALLOWED
    modules = {name.rpartition(".")[0] for name in ALLOWED}
    assert not {name for name in modules if name.partition(".")[0] in {"os", "sys", "subprocess", "operator", "pandas"}}
