"""Model files that run code when they are loaded: none of it runs, whatever the file calls itself."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from falaj.build.checks.model_files import scan_file
from falaj.models.loading import ModelFileError, load_pickle


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._entries = function, arguments

    def __reduce__(self) -> Any:
        return self._entries


def names(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls `module.name(argument)`, written by hand; protocol 4 lets names have dots."""
    stream = io.BytesIO()
    stream.write(b"\x80\x04")
    for text in (module, name):
        stream.write(b"\x8c" + bytes([len(text)]) + text.encode())
    stream.write(b"\x93\x8c" + bytes([len(argument)]) + argument.encode() + b"\x85R.")
    pickletools.dis(stream.getvalue(), io.StringIO())  # it is a pickle
    return stream.getvalue()


def attacks(mark: Path) -> dict[str, bytes]:
    command = f"touch {mark}"
    code = f"open({str(mark)!r}, 'w').close()"
    return {
        "os.system": pickle.dumps(Calls(os.system, command)),
        "exec": pickle.dumps(Calls(exec, code)),
        "eval": pickle.dumps(Calls(eval, code)),
        "a process": pickle.dumps(Calls(subprocess.Popen, ["touch", str(mark)])),
        "getattr": names("builtins", "getattr", "x"),
        "import": names("builtins", "__import__", "os"),
        "a lambda by value": cloudpickle.dumps(Calls(lambda: mark.open("w"))),
        "a dotted name through a library": names("sklearn.utils", "os.system", command),
        "a class that a library imported": names("pandas.io.common", "BytesIO", "x"),
        "code that a library runs": names("numpy.testing._private.utils", "runstring", code),
        "a pickle in a pickle": names("pandas", "read_pickle", str(mark)),
        "an expression in a library": names("pandas", "eval", code),
        "a shell in a library": names("numpy.f2py", "run_main", command),
        "operator": names("operator", "attrgetter", "system"),
        "functools": names("functools", "reduce", "x"),
        "the old protocol": b"cos\nsystem\n(S'" + command.encode() + b"'\ntR.",
    }


NAMES = list(attacks(Path("x")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".pkl", ".onnx", ".safetensors", ".npy", ""])
def test_a_pickle_that_runs_code_is_refused_before_it_does(tmp_path: Path, name: str, suffix: str) -> None:
    mark, file = tmp_path / "mark", tmp_path / f"model{suffix}"
    file.write_bytes(attacks(mark)[name])
    with pytest.raises(ModelFileError, match="the model file names"):
        load_pickle(file)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["os.system", "exec", "the old protocol"])
def test_without_the_list_the_attack_works(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "mark"
    pickle.loads(attacks(mark)[name])
    assert mark.exists()


def test_an_attack_behind_a_real_estimator_is_refused(tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "model.pkl"
    model = LogisticRegression()
    model.extra_ = Calls(os.system, f"touch {mark}")
    file.write_bytes(pickle.dumps(model))
    with pytest.raises(ModelFileError, match="system"):
        load_pickle(file)
    assert not mark.exists()


@pytest.mark.integration
@pytest.mark.parametrize("library", [pickle, cloudpickle])
@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=3),
        RandomForestClassifier(3),
        make_pipeline(StandardScaler(), FunctionTransformer(np.abs), LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_estimators_load_as_they_were(tmp_path: Path, library: Any, model: Any) -> None:
    chance = np.random.default_rng(1)
    rows = chance.random((200, 3))
    model.fit(rows, rows[:, 0] > 0.5)
    file = tmp_path / "model.pkl"
    file.write_bytes(library.dumps(model))
    assert np.array_equal(load_pickle(file).predict_proba(rows), model.predict_proba(rows))


def test_a_pickle_that_makes_room_for_what_it_does_not_hold_is_found(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"\x80\x04K\x01r" + (2**31 - 1).to_bytes(4, "little") + b".")
    assert [finding.rule for finding in scan_file(file, file.name, ())] == ["not-a-plain-pickle"]
    file.write_bytes(pickle.dumps([["a"] * 300, *map(str, range(300))], protocol=2))
    assert not [*scan_file(file, file.name, ())]
