"""Hiding secrets in streams and finding them in results."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.pipeline.errors import PipelineError, StepError
from falaj.build.pipeline.secret_masking import Hiding, Secrets
from falaj.config import ProjectSpec, StepSpec

values = st.text(min_size=8, max_size=30).filter(lambda text: text.strip("*") and "\0" not in text)
noise = st.binary(max_size=20)


@given(values, noise, noise, st.integers(1, 9))
def test_a_value_is_hidden_however_the_stream_is_cut(value: str, before: bytes, after: bytes, size: int) -> None:
    secrets = Secrets({"S": value})
    text, hiding = before + value.encode() + after, Hiding(secrets.forms)
    shown = b"".join(hiding.feed(text[start : start + size]) for start in range(0, len(text), size)) + hiding.end()
    assert value.encode() not in shown and b"***" in shown


@given(st.binary(max_size=200), st.integers(1, 9))
def test_what_holds_no_value_passes_unchanged(text: bytes, size: int) -> None:
    hiding = Hiding(Secrets({"S": "a value that is nowhere in it"}).forms)
    assert b"".join(hiding.feed(text[s : s + size]) for s in range(0, len(text), size)) + hiding.end() == text


@given(values.filter(lambda text: len(text.encode()) >= 14), noise, noise)
def test_it_is_known_in_other_clothes(value: str, before: bytes, after: bytes) -> None:
    secrets = Secrets({"S": value})
    data = before + value.encode() + after
    clothes = [
        json.dumps({"k": value}).encode(), quote(value).encode(), repr(value).encode(), value.encode().hex().encode(),
        base64.b64encode(data), base64.urlsafe_b64encode(data), base64.b64encode(value.encode()),
    ]  # fmt: skip
    for text in clothes:
        assert any(form in text for form in secrets.forms), text


def test_lines_of_a_longer_value_are_hidden_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"
    assert Secrets({"K": key}).hide("line: MIIEvQIBADANBg!") == "line: ***!"


def test_a_value_shows_itself_nowhere() -> None:
    assert "hunter2hunter2" not in repr(Secrets({"S": "hunter2hunter2"}))


def test_a_result_that_holds_one_is_refused_and_named(tmp_path: Path) -> None:
    secrets = Secrets({"S": "hunter2hunter2"})
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "empty").touch()
    secrets.refuse_in(tmp_path, "load")
    (tmp_path / "table" / "data.bin").write_bytes(b"\0" * 70_000 + b"hunter2hunter2" + b"\0" * 9)
    with pytest.raises(StepError, match=r"data\.bin") as raised:
        secrets.refuse_in(tmp_path, "load")
    assert raised.value.code == "step.secret-in-result" and "hunter2" not in str(raised.value)
    (tmp_path / "table" / "data.bin").unlink()
    (tmp_path / "hunter2hunter2").touch()
    with pytest.raises(StepError) as raised:
        secrets.refuse_in(tmp_path, "load")
    assert "hunter2" not in str(raised.value)


def test_an_error_is_told_without_it() -> None:
    error = Secrets({"S": "hunter2hunter2"}).hide_in(StepError("hunter2hunter2 refused", where="a", hint="b"))
    assert str(error) == "a: *** refused (b)" and error.args == ("*** refused",)


def test_a_missing_one_is_named_before_anything_runs() -> None:
    spec = ProjectSpec("m", "o", steps={"load": StepSpec("load", run="a:b", secrets=("DB_PASSWORD",))})
    Secrets({"DB_PASSWORD": "x" * 8}).require(spec)
    with pytest.raises(PipelineError, match="`load` needs the secret DB_PASSWORD") as raised:
        Secrets().require(spec)
    assert raised.value.code == "secret.missing"
