"""The worker's socket to the notary: a real notary in a process of its own, that is killed while it is asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from falaj.control.notary import DoesNotRecomputeError, NotaryChest, NotaryClient
from falaj.control.notary.channel import VARIABLE
from falaj.core.home import Home
from falaj.storage import Database
from falaj.supply_chain.attestations import open_keyring
from falaj.supply_chain.encryption import KeyGoneError, KeyScope
from falaj.trust import audit
from tests.control.notary.claims import Case, true_claims

pytestmark = pytest.mark.integration


class Processes:
    """A supervisor's view: both ends of the socket, and the notary at one of them."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.asking, self.answering = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        number = self.answering.fileno()
        environ = {**os.environ, "FALAJ_HOME": str(self.home.root), VARIABLE: str(number)}
        command = [sys.executable, "-P", "-m", "falaj.control.notary"]
        self.started.append(subprocess.Popen(command, env=environ, pass_fds=[number]))
        return self.started[-1]

    def client(self) -> NotaryClient:
        return NotaryClient(self.asking)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return true_claims(Home(tmp_path / "home", {}), tmp_path / "made")


@pytest.fixture
def processes(case: Case) -> Iterator[Processes]:
    notary_processes = Processes(case.home)
    yield notary_processes
    for process in notary_processes.started:
        process.kill()
        process.wait()
    notary_processes.asking.close()
    notary_processes.answering.close()


def test_a_worker_gets_signatures_and_data_keys_and_no_root_key(case: Case, processes: Processes) -> None:
    processes.start()
    client = processes.client()
    kinds = [kind.split("/")[-2] for kind, _ in client.attest(case.claims, case.tables)]
    assert kinds == ["dataset", "provenance", "train", "eval", "tests", "scan", "cyclonedx.org"]
    chest = NotaryChest(client)
    key = chest.current(KeyScope())
    assert chest.find(key.id) == key
    with pytest.raises(KeyGoneError):
        chest.find("0" * 32)
    assert "trusted.json" in client.public_files() and not [n for n in client.public_files() if n.endswith(".pem")]
    assert client.sign_model("m", case.claims.digest)["dsseEnvelope"]


def test_a_refusal_is_one_line_in_the_audit_log(case: Case, processes: Processes) -> None:
    Database(case.home.database_url).migrate()
    processes.start()
    lie = msgspec.structs.replace(case.claims, content=())
    with pytest.raises(DoesNotRecomputeError, match="were not scanned"):
        processes.client().attest(lie, case.tables)
    with Database(case.home.database_url).reading() as session:
        entries = audit.entries(session, audit.EntryFilter(kind="evidence.refused"))
    assert [(entry.subject, entry.outcome) for entry in entries] == [("run/r1", "denied")]


def test_a_killed_notary_loses_no_request(case: Case, processes: Processes) -> None:
    """What was asked before it runs, while it is stopped, and after it was killed is answered by the next one."""
    first = processes.start()
    client = processes.client()
    client.public_files()
    first.send_signal(signal.SIGSTOP)
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(client.attest(case.claims, case.tables)))
    waiting.start()
    first.kill()
    first.wait()
    processes.start()
    waiting.join(120)
    assert len(answers) == 1 and open_keyring(case.home.keys).trusted()
