"""Why a model is not served as a graph of ONNX, in words for people."""

from __future__ import annotations

from falaj.build.packaging.packager import reason
from falaj.models.errors import ModelError

_LOCALE = (
    "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/"
    "text/string_normalizer.cc:235 onnxruntime::StringNormalizer::Locale::Locale(const std::string&)::<lambda()> "
    "Failed to construct locale with name:en_US.UTF-8:locale name not valid:Please, install necessary language-pack-XX"
)


def test_the_cause_alone_is_named() -> None:
    words = reason(ModelError(f"the ONNX model cannot be loaded: {_LOCALE}", where="/home/me/runs/1/model.onnx"))
    assert words.startswith("the ONNX model cannot be loaded: Failed to construct locale with name:en_US.UTF-8")
    assert words.endswith("language-pack-XX")


def test_other_words_stay() -> None:
    assert reason(ValueError("of 3\n  inputs (a, b) One is missing")) == "of 3 inputs (a, b) One is missing"
    assert reason(RuntimeError("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find X")) == "Could not find X"
