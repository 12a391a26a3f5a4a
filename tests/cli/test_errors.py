"""How commands end when something is wrong."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from falaj.control.runs import queue
from tests.cli.conftest import FALAJ, Command, environment
from tests.platforms import Served
from tests.waiting import HANGS_AFTER_S

pytestmark = pytest.mark.integration


def test_an_error_is_what_where_and_what_to_do_without_a_traceback(falaj: Command, tmp_path: Path) -> None:
    ended = falaj("predict", "dev/m", "--data", "rows.json")
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "error: cannot read the rows: No such file or directory",
        "  at: rows.json",
        "  code: usage",
    ]
    assert ended.stdout == ""


def test_an_unreachable_server_ends_every_command_that_needs_it_with_6(falaj: Command) -> None:
    ended = falaj("run", "list", FALAJ_SERVER="http://127.0.0.1:9")
    assert ended.returncode == 6
    assert ended.stderr.splitlines() == [
        "error: no server answers at http://127.0.0.1:9",
        "  fix: falaj up starts it; falaj doctor looks for causes",
    ]


def test_debug_shows_the_traceback(falaj: Command) -> None:
    for ended in (falaj("--debug", "predict", "dev/m"), falaj("predict", "dev/m", FALAJ_DEBUG="1")):
        assert ended.returncode != 0
        assert "Traceback" in ended.stderr and "UsageError: give either --row or --data" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("run", "nonsense"), "No such command 'nonsense'"),
        (("run", "list", "--colour", "red"), "No such option: --colour"),
        (("run", "list", "--limit", "0"), "0 is not in the range"),
        (("run", "list", "--limit", "many"), "not a valid int"),
        (("init", "--template", "none"), "there is no template 'none'"),
        (("run", "start", "p", "c", "--set", "fit"), "--set fit"),
        (("project", "add", "p", "--poll=-1"), "--poll is -1.0"),
        (("predict", "dev/m", "--row", "{}", "--data", "x"), "give either --row or --data"),
        (("predict", "dev/m", "--row", "{"), "the rows are not JSON"),
        (("predict", "dev/m", "--row", "[]"), "the rows are not JSON objects"),
        (("release", "artifact", "show", "sha256:beef"), "is not an artifact digest"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_command_line_ends_with_2(falaj: Command, arguments: tuple[str, ...], message: str) -> None:
    ended = falaj(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr and "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (("run", "show", "zzz"), 3, "no run 'zzz'"),
        (("run", "logs", "zzz"), 3, "no run 'zzz'"),
        (("run", "logs", "last", "zzz"), 3, "has no step 'zzz'"),
        (("release", "show", "none"), 3, "no release 'none'"),
        (("release", "show", "none@x"), 2, "is not MODEL@NUMBER"),
        (("trace", "none"), 3, "no prediction 'none'"),
        (("release", "verify", "none@1"), 3, "no release 'none@1'"),
        (("predict", "prod/m", "--row", "{}"), 3, "no endpoint 'prod/m' serves now"),
        (("predict", "dev/flight-delay", "--row", "{}"), 6, "nothing answers at"),
        (("run", "start", "none", "c" * 40), 3, "no project 'none'"),
        (("project", "add", "flights", "--url", "/elsewhere.git"), 4, "project 'flights' builds"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_the_platform_refuses_ends_with_its_code(
    falaj_served: Command, arguments: tuple[str, ...], exit_code: int, message: str
) -> None:
    ended = falaj_served(*arguments)
    assert (ended.returncode, ended.stdout) == (exit_code, "")
    assert message in ended.stderr.splitlines()[0] and "Traceback" not in ended.stderr


def test_a_release_whose_evidence_is_not_whole_is_not_verified(falaj_served: Command) -> None:
    ended = falaj_served("release", "verify", "flight-delay@1")
    assert ended.returncode == 5
    assert "NOT verified" in ended.stdout and "PROBLEM" in ended.stdout


def test_an_interrupted_command_ends_with_130(served: Served) -> None:
    command = [FALAJ, "run", "watch", _begun(served)]
    with subprocess.Popen(
        command, env=environment(served.home.root), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watching:
        assert watching.stdout is not None and b"fit" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=HANGS_AFTER_S)
    assert watching.returncode == 130
    assert b"Traceback" not in errors


def _begun(served: Served) -> str:
    """A run whose first step has started and does not end."""
    order = queue.RunOrder("flights", "7a" * 20, trigger="manual")
    with served.platform.database.transaction() as session:
        run = queue.enqueue(session, served.platform.processes, order, 500.0)[0]
        queue.record(session, f"run/{run.id}", "step.started", {"node": "fit"}, 501.0)
        return run.id


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"'{FALAJ}' project schema | head -c 1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env=environment(tmp_path), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{", "")
