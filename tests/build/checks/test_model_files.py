"""The scan of model artifacts: real models pass, pickles that do harm are seen without being loaded."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools
import shutil
import subprocess
import zipfile

import cloudpickle
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.checks import run_check
from falaj.models import NotAPickleError, forbidden
from falaj.models import pickle_imports as imports


class Harm:
    """Runs a command when it is unpickled."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def reached(data, **options):
    return [str(one) for one in forbidden(imports(data), **options)]


@pytest.fixture
def model(bench, models, tmp_path):
    """A copy of a good model that a test may spoil; `scan()` keeps and scans it."""
    folder = tmp_path / "model"
    shutil.copytree(models["good"], folder)

    def scan():
        bench.keep("fit", folder)
        return run_check("model-files", bench.context())

    folder_scan = collections.namedtuple("Model", "folder scan bench")
    return folder_scan(folder, scan, bench)


@pytest.mark.parametrize("name", ["good", "regression"])
def test_real_models_pass(bench, models, name):
    bench.keep("fit", models[name])
    check_result = run_check("model-files", bench.context())
    assert check_result.findings == ()
    assert check_result.passed
    assert check_result.checked >= 4
    assert "1 of them pickles" in check_result.summary


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "call", [os.system, subprocess.check_output, eval, exec, getattr, __import__, pickle.loads, shutil.rmtree]
)
def test_harm_is_seen_in_every_protocol(protocol, call):
    data = pickle.dumps([1, {"a": Harm(call, "echo")}], protocol)
    assert len(reached(data)) == 1


@pytest.mark.parametrize("protocol", range(6))
def test_data_and_arrays_are_allowed_in_every_protocol(protocol):
    value = {"a": [1, 2.5, "x", None, (1,), {2}], "b": np.arange(5), "c": np.float64(2), "d": collections.OrderedDict()}
    assert reached(pickle.dumps(value, protocol)) == []


def test_names_that_walk_through_a_module_are_refused():
    """`sklearn.base` imports `os`; protocol 4 would find `os.system` through it."""
    data = b"\x80\x04\x8c\x0csklearn.base\x8c\x09os.system\x93."
    assert reached(data) == ["sklearn.base.os.system"]
    assert reached(b"csklearn.base\nos.system\n.") == ["sklearn.base.os.system"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8c\x02os\x940\x8c\x07sklearn\x8c\x06Memory0h\x00\x8c\x06system\x93.",  # through the memo
        b"\x80\x04\x8c\x06system\x8c\x02os\x8c\x07sklearn\x86\x93.",  # the top of the stack is no string
        b"\x80\x02\x82\x01.",  # the registry of extensions
        b"Pos.system\n.",  # a persistent id
        b"(S'echo'\nios\nsystem\n.",  # INST
    ],
)
def test_tricks_with_opcodes_are_refused(data):
    assert reached(data)


def test_functions_of_allowed_libraries_and_code_by_value_are_refused():
    from sklearn.datasets import fetch_openml, load_svmlight_file

    assert reached(pickle.dumps([fetch_openml, load_svmlight_file]))
    assert reached(cloudpickle.dumps(lambda x: x))


def test_the_projects_own_modules_can_be_allowed():
    data = b"\x80\x04\x8c\x10flights.features\x8c\x05Delay\x93."
    assert reached(data) == ["flights.features.Delay"]
    assert reached(data, own=("flights",)) == []
    assert reached(data, own=("flight",)) == ["flights.features.Delay"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_but_never_loaded(data):
    try:
        list(imports(data))
    except NotAPickleError:
        return


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(), lambda kids: st.lists(kids) | st.tuples(kids), max_leaves=8
    )
)
def test_plain_data_imports_nothing_of_note(value):
    for protocol in (0, 2, 4, 5):
        data = pickle.dumps(value, protocol)
        assert {str(one) for one in imports(data)} <= {"_codecs.encode", "builtins.bytes"}  # bytes, before protocol 3
        assert reached(pickletools.optimize(data)) == []


def test_a_harmful_pickle_fails_the_check_and_does_not_run(model):
    mark = model.folder / "ran"
    (model.folder / "model.pkl").write_bytes(pickle.dumps(Harm(os.system, f"touch {mark}")))
    check_result = model.scan()
    assert not check_result.passed
    assert any("posix.system" in finding.message for finding in check_result.findings)
    assert not mark.exists()


def test_a_pickle_is_known_by_its_content_and_inside_an_archive(model):
    (model.folder / "notes.txt").write_bytes(pickle.dumps(Harm(os.system, "echo"), 4))
    with zipfile.ZipFile(model.folder / "weights.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Harm(os.system, "echo")))
    assert [finding.path for finding in model.scan().findings] == ["notes.txt", "weights.pt!archive/data.pkl"]


def test_a_second_pickle_behind_the_first_and_a_broken_one_are_seen(model):
    path = model.folder / "model.pkl"
    path.write_bytes(pickle.dumps(1) + pickle.dumps(Harm(os.system, "echo")))
    assert any("posix.system" in finding.message for finding in model.scan().findings)
    path.write_bytes(b"\x80\x05 this is nothing")
    assert [finding.rule for finding in model.scan().findings] == ["not-a-plain-pickle"]


@pytest.mark.parametrize("head", [b"\x7fELF\x02\x01", b"MZ\x90\x00", b"#!/bin/sh\n"])
def test_executables_are_unexpected(model, head):
    (model.folder / "helper").write_bytes(head + b"\0" * 64)
    assert [(finding.path, finding.rule) for finding in model.scan().findings] == [("helper", "executable")]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("flavors: {}\n", "no-flavor"),
        ("- list\n", "no-flavor"),
        ("flavors: [\n", "no-flavor"),
        ("flavors: {sklearn: {pickled_model: gone.pkl}}\nsignature: {inputs: '[]'}\n", "missing-file"),
        ("flavors: {sklearn: {pickled_model: ../../etc}}\nsignature: {inputs: '[]'}\n", "missing-file"),
        ("flavors: {sklearn: {pickled_model: model.pkl}}\n", "no-signature"),
    ],
)
def test_mlmodel_is_held_to_what_loading_needs(model, text, rule):
    (model.folder / "MLmodel").write_text(text)
    assert [finding.rule for finding in model.scan().findings] == [rule]


def test_an_artifact_without_mlmodel_and_a_run_without_model_fail(bench):
    bench.keep("fit", bench.write("model.pkl", "x").parent)
    assert "no-mlmodel" in {finding.rule for finding in run_check("model-files", bench.context()).findings}
    bench.outputs.clear()
    assert "the run made no model" in run_check("model-files", bench.context()).summary
