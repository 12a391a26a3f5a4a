"""How a replica comes by the key of its log: on a pipe, a key of its own, seen by nobody else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from falaj.core.home import Home
from falaj.dataplane.log_keys import reader_keys, writer_keys
from falaj.dataplane.prediction_log import LogKey, LogOwner, LogSealedError, LogWriter, SegmentHeader, find_prediction
from falaj.dataplane.runtimes.process.os_process import spawn
from falaj.dataplane.runtimes.process.replica import Slot, replica_environment
from falaj.supply_chain.encryption import KeyScope, open_chest

HEADER = SegmentHeader("m@1", "dev/m", ("x",), 0)
ANSWER = ("a", 1, [(1.0,)], {"y": [2.0]})

OWNER = LogOwner("dev/m", "m@1")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", {}).prepare()


def write(folder: Path, key_bytes: bytes | None, now: int = 1) -> None:
    log = LogWriter(folder, HEADER, lambda: now, key=LogKey.from_bytes(key_bytes) if key_bytes else None)
    log.write([ANSWER])
    log.close()


def test_what_a_replica_writes_the_installation_reads(home: Home, tmp_path: Path) -> None:
    give = writer_keys(home, open_chest(home), tmp_path / "log", "AE")
    assert give is not None
    first, second = give(OWNER), give(OWNER)
    assert LogKey.from_bytes(first).secret != LogKey.from_bytes(second).secret
    write(tmp_path / "log", first)
    assert find_prediction(tmp_path / "log", "a", reader_keys(home, open_chest(home), tmp_path / "log")) is not None
    assert [key.scope for key in open_chest(home).entries()] == [KeyScope(jurisdiction="AE")]


def test_a_log_that_was_sealed_from_its_beginning_believes_nothing_in_the_clear(home: Home, tmp_path: Path) -> None:
    writer_keys(home, open_chest(home), tmp_path / "log", None)
    write(tmp_path / "log", None)
    with pytest.raises(LogSealedError, match="in the clear"):
        find_prediction(tmp_path / "log", "a", reader_keys(home, open_chest(home), tmp_path / "log"))


def test_a_log_from_before_is_read_on(home: Home, tmp_path: Path) -> None:
    write(tmp_path / "log", None)
    give = writer_keys(home, open_chest(home), tmp_path / "log", None)
    assert give is not None
    assert find_prediction(tmp_path / "log", "a", reader_keys(home, open_chest(home), tmp_path / "log")) is not None


def test_off_gives_no_keys(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {"FALAJ_ENCRYPTION": "off"}).prepare()
    assert writer_keys(home, open_chest(home), tmp_path / "log", None) is None
    assert not (home.keys / "data-keys.json").exists()


@pytest.mark.integration
def test_what_a_process_is_given_comes_on_a_pipe_alone(tmp_path: Path) -> None:
    log_path = tmp_path / "said"
    code = (
        "import os; given = open(3, 'rb').read()\n"
        "seen = [open(f'/proc/self/{name}', 'rb').read() for name in ('cmdline', 'environ')]\n"
        "print(len(given), any(given in text for text in seen))"
    )
    process = spawn([sys.executable, "-c", code], log=log_path, environment={}, stdin_data=b"s" * 2000)
    assert process.wait(20.0)
    assert log_path.read_text().split() == ["2000", "False"]


@pytest.mark.integration
def test_a_process_that_is_given_nothing_has_no_pipe(tmp_path: Path) -> None:
    log_path = tmp_path / "said"
    code = "import os; print(os.path.exists('/proc/self/fd/3'))"
    assert spawn([sys.executable, "-c", code], log=log_path, environment={}).wait(20.0)
    assert log_path.read_text().strip() == "False"


def test_a_replica_inherits_nothing_that_opens_the_root_key() -> None:

    slot = Slot("dev/m@1.a", "dev/m", "m@1", 0, "/s", ("x",))
    base = {"FALAJ_ROOT_KEY": "file:/x", "FALAJ_ROOT_PASSPHRASE": "p", "AWS_SECRET_ACCESS_KEY": "k", "LANG": "C"}
    replica_variables = replica_environment(slot, Path("/l"), base)
    assert set(replica_variables) == {"LANG", "FALAJ_REPLICA_OF", "FALAJ_REPLICA"}
