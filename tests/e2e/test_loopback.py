"""Nothing but loopback is contacted: from a push to a prediction, no packet is sent anywhere else.

All of it runs in a network where every address leads to the loopback device, and every packet is looked at.
"""

from __future__ import annotations

import csv
import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, installed
from tests.e2e.loopback import Watch, everything_is_here, listeners, why_not
from tests.waiting import HANGS_AFTER_S, until

_REASON = why_not()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(_REASON), reason=f"a network of its own cannot be made: {_REASON}"),
]
_ELSEWHERE = "198.51.100.7"  # for documentation (RFC 5737); nobody has it
_ELSEWHERE_6 = "2001:db8::7"  # likewise (RFC 3849)


@pytest.fixture
def watch() -> Iterator[Watch]:
    with everything_is_here(), closing(Watch()) as network_watch:
        yield network_watch


@pytest.mark.parametrize("address", [_ELSEWHERE, _ELSEWHERE_6])
def test_the_watch_sees_a_connection_of_another_process(watch: Watch, address: str) -> None:
    attempt = f"import socket; socket.create_connection(({address!r}, 443), timeout=1)"
    subprocess.run([sys.executable, "-c", attempt], capture_output=True, check=False)
    assert address in watch.addresses_elsewhere()


def test_the_watch_sees_a_question_for_a_name(watch: Watch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.sendto(b"\0" * 12, (_ELSEWHERE, 53))
    assert watch.addresses_elsewhere() == {_ELSEWHERE}


def test_the_watch_passes_over_loopback(watch: Watch) -> None:
    for address in ("127.0.0.1", "::1"):
        with suppress(ConnectionRefusedError):
            socket.create_connection((address, 9), timeout=1).close()
    assert watch.addresses_elsewhere() == set()


def test_from_a_push_to_a_prediction_only_loopback_is_contacted(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    project = Installation(tmp_path / "home", (0, 0)).template(tmp_path / "tumours")
    watch: Watch = request.getfixturevalue("watch")  # only now: making the lock of a new project may need an index
    with installed(tmp_path / "home") as platform:
        _whole_way(platform, project)
        _forged_requests(platform)
        assert listeners() == {"127.0.0.1"}
        assert watch.addresses_elsewhere() == set()
        platform.down()
        assert "Traceback" not in platform.home.joinpath("logs", "server.log").read_text(), "the end of a quiet server"
    assert watch.addresses_elsewhere() == set(), "contacted while it stopped"
    assert listeners() == set()


def _whole_way(platform: Installation, project: Path) -> None:
    """A push, its release, a prediction, what a person looks at, and a stand-alone run."""
    run = platform.ended(platform.push(platform.repository(project, "tumours")))
    assert run["state"] == "succeeded", run["reason"] + platform.logs()
    until(lambda: [e["state"] for e in platform.json("endpoint", "list")] == ["ready"], platform.logs)
    with (project / "data" / "tumours.csv").open() as table:
        row = {name: float(value) for name, value in next(csv.DictReader(table)).items() if name != "malignant"}
    answer = platform.json("predict", "dev/tumours", "--row", json.dumps(row))
    platform.ok("trace", answer["id"])
    platform.ok("release", "verify", "tumours@1")
    platform.ok("status")
    platform.ok("run", "-C", str(project))


def _forged_requests(platform: Installation) -> None:
    """A request that somebody writes into the database of a platform at work deploys nothing, signed or not."""
    served = [(each["endpoint"], each["release"]) for each in platform.json("endpoint", "list")]
    with closing(sqlite3.connect(platform.home / "falaj.db", timeout=HANGS_AFTER_S)) as database:
        (to_dev,) = database.execute("SELECT id FROM changes").fetchone()
        for name in ("unsigned", "signed for dev"):
            for table in ("processes", "changes"):
                _copied(database, table, to_dev, id=name, state="approved")
            database.execute("UPDATE processes SET wake_at = 0, lease_owner = NULL WHERE id = ?", (name,))
            database.execute(
                "UPDATE changes SET environment = 'test', rank = 1, expires_at = 9e9 WHERE id = ?", (name,)
            )
        _copied(database, "signed_changes", to_dev, id="signed for dev")
        database.commit()
    for name in ("unsigned", "signed for dev"):
        until(lambda name=name: platform.json("change", "show", name)["state"] == "invalidated", platform.logs)
    assert [(each["endpoint"], each["release"]) for each in platform.json("endpoint", "list")] == served


def _copied(database: sqlite3.Connection, table: str, row_id: str, **columns: str) -> None:
    """Add a row like another one but for some columns."""
    names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(f":{name}" if name in columns else f'"{name}"' for name in names)
    query = f"INSERT INTO {table} SELECT {values} FROM {table} WHERE id = :row_id"
    database.execute(query, {**columns, "row_id": row_id})
