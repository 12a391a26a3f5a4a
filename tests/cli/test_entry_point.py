"""`falaj` where the packages of the control plane are not installed."""

from __future__ import annotations

import sys

import pytest

from falaj.cli import entry_point


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for module in ("falaj.cli.main", "falaj.cli.application"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "argv", ["falaj", "run", "list"])
    monkeypatch.setitem(sys.modules, "typer", None)
    monkeypatch.delenv("FALAJ_DEBUG", raising=False)
    with pytest.raises(SystemExit) as ended:
        entry_point.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: falaj needs 'typer', which is not installed: pip install 'falaj[server]'\n"
    )


def test_a_module_of_falaj_that_is_missing_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "falaj.cli.main", None)
    with pytest.raises(ModuleNotFoundError):
        entry_point.main()
