"""The pure parts of the terminal: overrides, tables, times, colours."""

from __future__ import annotations

import io
import json
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.cli.commands.runs import overrides
from falaj.cli.output import ago, duration, emit, emit_json, emit_table, state_styled, styled, wrapped
from falaj.core.errors import UsageError
from falaj.schemas import api

names = st.from_regex(r"[a-z][a-z_0-9]{0,10}", fullmatch=True)


def test_overrides_are_read_as_yaml() -> None:
    read = overrides(["fit.rate=0.05", "fit.depth=3", "fit.on=true", "split.months=[1, 2]", "split.name=a b"])
    assert read == {"fit": {"rate": 0.05, "depth": 3, "on": True}, "split": {"months": [1, 2], "name": "a b"}}


def test_the_last_of_the_same_overrides_counts() -> None:
    assert overrides(["fit.rate=1", "fit.rate=2"]) == {"fit": {"rate": 2}}


@given(names, names, st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=3))
def test_any_json_value_comes_through(step: str, parameter: str, value: object) -> None:
    assert overrides([f"{step}.{parameter}={json.dumps(value)}"]) == {step: {parameter: value}}


def test_a_value_may_hold_the_signs_of_the_form() -> None:
    assert overrides(["fit.filter=a.b=c"]) == {"fit": {"filter": "a.b=c"}}


@pytest.mark.parametrize("setting", ["", "fit", "fit.rate", "fit=1", ".rate=1", "fit.=1", "=", "."])
def test_what_is_not_of_the_form_is_an_error(setting: str) -> None:
    with pytest.raises(UsageError, match="--set") as caught:
        overrides([setting])
    assert "STEP.PARAMETER=VALUE" in caught.value.hint


@pytest.mark.parametrize("value", ["[1", "a: b: c", "!!python/name:os.system", "2026-01-01"])
def test_a_value_that_cannot_be_sent_is_an_error_in_words(value: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        json.dumps(overrides([f"fit.rate={value}"]))


@given(st.lists(st.tuples(st.text("abc-", min_size=1), st.integers(0, 99)), min_size=1, max_size=5))
def test_the_columns_of_a_table_begin_below_their_headings(rows: list[tuple[str, int]]) -> None:
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed)
        emit_table(("name", "count"), rows, empty="none")
    headings, *lines = printed.getvalue().splitlines()
    at = headings.index("COUNT")
    assert [(line[:at].rstrip(), int(line[at:])) for line in lines] == rows


def test_a_table_of_nothing_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    emit_table(("a",), [], empty="nothing here")
    assert capsys.readouterr().out == "nothing here\n"


def test_documents_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json([api.Collected(1, 2)])
    assert json.loads(capsys.readouterr().out) == [{"blobs": 1, "bytes": 2}]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s ago"), (59, "59 s ago"), (120, "2 min ago"), (7200, "2 h ago"), (172800, "2 d ago")],
)
def test_a_time_is_said_as_people_do(monkeypatch: pytest.MonkeyPatch, seconds: float, expected: str) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert ago(1_000_000.0 - seconds) == expected


def test_a_time_of_a_clock_that_runs_ahead_is_now() -> None:
    assert (ago(time.time() + 60), ago(None)) == ("0 s ago", "-")


@pytest.mark.parametrize(
    ("started", "ended", "expected"), [(None, None, "-"), (10.0, 12.5, "2.5 s"), (0.0, 90.0, "1.5 min")]
)
def test_a_duration(started: float | None, ended: float | None, expected: str) -> None:
    assert duration(started, ended) == expected


def test_what_still_runs_takes_until_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1007.0)
    assert duration(1000.0, None) == "7.0 s"


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (styled("x", "red"), state_styled("failed")) == ("x", "failed")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert (styled("x", "red"), state_styled("failed")) == ("\x1b[31mx\x1b[0m", "\x1b[31mfailed\x1b[0m")
    assert state_styled("something new") == "something new"


RUN = ("0190f3a2-7b1c-7d4e", "flight-delay", "failed", "auc >= 0.8 on split.test: 0.71 is less than the gate asks for")


def terminal_of(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the output be a terminal of this width, without colours."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_table_wider_than_the_terminal_becomes_paragraphs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    terminal_of(columns, monkeypatch)
    emit_table(("run", "project", "state", "reason"), [RUN, RUN], empty="none")
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    assert text.startswith(f"RUN      {RUN[0]}\nPROJECT  flight-delay\nSTATE    failed\n")
    assert " ".join(text.split()).count(RUN[3]) == 2, "nothing is cut off"


def test_a_table_for_a_program_stays_one_line_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # a shell may pass on how wide its own terminal is
    emit_table(("run", "project", "state", "reason"), [RUN] * 3, empty="none")
    assert len(capsys.readouterr().out.splitlines()) == 4


@given(st.text("ab ", max_size=200), st.integers(20, 90))
def test_a_broken_line_keeps_every_word_and_the_width(line: str, width: int) -> None:
    lines = wrapped(line, width).split("\n")
    assert "".join(lines).split() == line.split() or " ".join(lines).split() == line.split()
    assert all(len(each) <= width or " " not in each.strip() for each in lines)


def test_a_document_is_never_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal_of(40, monkeypatch)
    emit_json({"reason": "a b " * 40})
    assert json.loads(capsys.readouterr().out) == {"reason": "a b " * 40}
    emit("word " * 20)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 40
