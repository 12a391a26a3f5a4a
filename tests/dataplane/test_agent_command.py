"""`falaj-agent`: what it says of a location, and how it refuses."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from falaj.dataplane.agent import command_line

pytestmark = pytest.mark.integration


def test_status_of_a_location(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "locations" / "edge-1"
    folder.mkdir(parents=True)
    with (folder / "agent.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert status(tmp_path, capsys)["agent"] == "running"
    assert status(tmp_path, capsys) == {
        "location": "edge-1", "agent": "stopped", "certificate": "not enrolled", "endpoints": [],
    }  # fmt: skip


def status(home: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    command_line.main(["--home", str(home), "status", "--location", "edge-1", "--json"])
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("status",), 3, "error: this machine has no location 'local'"),
        (("enroll", "--server", "http://x", "--token", "t", "--ca-fingerprint", "f"), 2, "error: --server must be"),
        (("enroll", "--server", "https://x", "--ca-fingerprint", "f"), 2, "error: --server must be"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, line: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--home", str(tmp_path), *arguments])
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(line)
