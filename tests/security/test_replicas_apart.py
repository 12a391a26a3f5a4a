"""One replica cannot be another: neither answer, nor write, nor signal in its place."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.cli.supervisor import PYTHON
from falaj.core.sandbox import ExposedHomeError, available, refuse_exposed_home
from falaj.dataplane.prediction_log import (
    LogKeys,
    LogOwner,
    LogWriter,
    SegmentHeader,
    new_log_key,
    read_segment,
    segments,
)
from falaj.dataplane.prediction_log.format import LogFormatError
from falaj.dataplane.runtimes.process import supervision
from falaj.dataplane.runtimes.process.os_process import OsProcess
from falaj.dataplane.runtimes.process.replica import Replica, Slot
from falaj.dataplane.runtimes.process.runtime import LocationFolders, ProcessRuntime
from falaj.supply_chain.encryption.errors import DamagedCiphertextError
from falaj.supply_chain.encryption.stream import DataKey
from tests.dataplane.conftest import servable

MINE, OTHER = "dev+m@1.0123abcd.0", "dev+n@1.0123abcd.0"
HEADER = SegmentHeader("m@1", "dev/m", ("x",), 0)
DATA_KEY = DataKey("k", "t", os.urandom(32))
ANSWER = ("0190f3a2-7b1c-7d4e-8f5a-6b7c8d9e0f1a", 1, [(1.0,)], {"prediction": [0.5]}, (0, None, None, 1))


def written(folder: Path, header: SegmentHeader, owner: LogOwner | None) -> Path:
    """What a replica with the key of an owner writes under a header of its choice."""
    writer = LogWriter(folder, header, lambda: 1, key=new_log_key(DATA_KEY, owner) if owner else None)
    writer.write([ANSWER])
    writer.close()
    return segments(folder)[-1]


def keys(*, only_sealed: bool = True) -> LogKeys:
    return LogKeys(lambda _id: DATA_KEY, only_sealed)


def test_a_log_opens_under_its_own_name(tmp_path: Path) -> None:
    path = written(tmp_path / MINE, HEADER, LogOwner("dev/m", "m@1", MINE))
    assert [record.request_id for record in read_segment(path, keys())] == [ANSWER[0]]


@pytest.mark.parametrize("lie", [{"endpoint": "dev/n"}, {"release": "m@2"}, {"endpoint": "prod/m"}])
def test_a_key_of_one_replica_seals_nothing_in_the_name_of_another(tmp_path: Path, lie: dict[str, str]) -> None:
    owner = LogOwner("dev/m", "m@1", MINE)
    forged = replace(HEADER, **lie)
    with pytest.raises((DamagedCiphertextError, LogFormatError)):
        list(read_segment(written(tmp_path / "elsewhere", forged, owner), keys()))
    with pytest.raises(LogFormatError, match="another replica"):
        list(read_segment(written(tmp_path / MINE, forged, owner), keys()))


@pytest.mark.parametrize("lie", [{"endpoint": "dev/n", "release": "n@1"}, {"release": "m@2"}, {"release": "n@1"}])
def test_a_log_in_the_clear_is_that_of_its_folder(tmp_path: Path, lie: dict[str, str]) -> None:
    assert list(read_segment(written(tmp_path / MINE, HEADER, None), keys(only_sealed=False)))
    with pytest.raises(LogFormatError, match="another replica"):
        list(read_segment(written(tmp_path / "b" / MINE, replace(HEADER, **lie), None), keys(only_sealed=False)))


def test_what_lies_deeper_than_the_folder_of_a_replica_is_not_read(tmp_path: Path) -> None:
    written(tmp_path / MINE / OTHER, replace(HEADER, endpoint="dev/n", release="n@1"), None)
    assert segments(tmp_path / MINE / OTHER) and not segments(tmp_path)


def test_each_replica_has_a_folder_a_socket_and_a_log_of_its_own(tmp_path: Path) -> None:
    place = LocationFolders(tmp_path / "location", tmp_path / "logs")
    runtime = ProcessRuntime(place, port=0, log_key=lambda _slot: b"")
    slots = [runtime._slot(servable(model=model), index) for model, index in (("m", 0), ("m", 1), ("n", 0))]
    logs = [slot.command[slot.command.index("--log") + 1] for slot in slots]
    folders = {*(str(Path(slot.socket).parent) for slot in slots), str(place.layout.admin_socket.parent), *logs}
    assert len(folders) == 7
    assert [Path(log).name for log in logs] == [slot.id for slot in slots]


@pytest.mark.integration
def test_who_listens_in_the_place_of_a_replica_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = (
        "import socket, sys\nlistening = socket.socket(socket.AF_UNIX)\n"
        "listening.bind(sys.argv[1]); listening.listen()\n"
        "print('up', flush=True)\nwhile True:\n    each, _ = listening.accept(); each.recv(4096)\n"
        "    each.sendall(b'HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n'); each.close()"
    )
    with subprocess.Popen([sys.executable, "-I", "-c", server, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        slot = Slot("dev/m@1.0", "dev/m", "m@1", 0, str(path), ())
        assert supervision._answers(Replica(slot, OsProcess(process.pid, 1)), "/v2/health/ready")
        assert not supervision._answers(Replica(slot, OsProcess(os.getpid(), 1)), "/v2/health/ready")
        process.kill()


CONFINED = """
import json, os, signal, socket, sys
from pathlib import Path
from falaj.core.sandbox import confine, landlock
own, other, victim, abi = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
offered = landlock.version()
landlock.version = lambda: min(abi, offered)
listening = socket.socket(socket.AF_UNIX); listening.bind(str(own / "s")); listening.listen()
confine(writable=[own / "log"])
def tried(call):
    try:
        call()
        return "done"
    except OSError as error:
        return "refused"
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def pidfd():
    descriptor = os.pidfd_open(victim)
    signal.pidfd_send_signal(descriptor, 15)
def queued():
    if libc.syscall(129 if os.uname().machine == "x86_64" else 138, victim, 15, ctypes.create_string_buffer(128)) < 0:
        raise OSError(ctypes.get_errno(), "refused")
signal.signal(signal.SIGUSR1, lambda *_: None)
print(json.dumps({
    "a socket of another": tried(lambda: socket.socket(socket.AF_UNIX).bind(str(other / "t"))),
    "a socket beside its own": tried(lambda: socket.socket(socket.AF_UNIX).bind(str(own / "log" / "t"))),
    "removing another's": tried(lambda: (other / "s").unlink()),
    "removing its own": tried(lambda: (own / "s").unlink()),
    "another's log": tried(lambda: (other / "log" / "f").write_text("x")),
    "kill": tried(lambda: os.kill(victim, 15)),
    "kill all": tried(lambda: os.kill(-1, 0)),
    "pidfd_send_signal": tried(pidfd),
    "rt_sigqueueinfo": tried(queued),
    "itself": tried(lambda: os.kill(os.getpid(), signal.SIGUSR1)),
    "its own log": tried(lambda: (own / "log" / "f").write_text("x")),
}))
"""


@pytest.mark.integration
@pytest.mark.skipif(not (available().files and available().network), reason=available().why_not)
@pytest.mark.parametrize("abi", [5, 99])
def test_a_confined_replica_reaches_no_other_one(tmp_path: Path, abi: int) -> None:
    for name in ("own", "other"):
        (tmp_path / name / "log").mkdir(parents=True)
    victim = subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE)
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(str(tmp_path / "other" / "s"))
        command = [sys.executable, "-c", CONFINED, str(tmp_path / "own"), str(tmp_path / "other")]
        process = subprocess.run(
            [*command, str(victim.pid), str(abi)], capture_output=True, text=True, check=False, cwd=tmp_path
        )
    assert process.returncode == 0, process.stderr
    assert victim.poll() is None
    victim.communicate(b"\n")
    probe_results = json.loads(process.stdout)
    assert {what for what, outcome in probe_results.items() if outcome == "done"} == {"itself", "its own log"}


@pytest.mark.integration
def test_every_part_of_the_platform_is_started_apart_from_who_starts_it() -> None:
    code = "import os, sys; print(sys.flags.isolated, sys.flags.safe_path, os.environ.get('PYTHONPATH') in sys.path)"
    environment = {**os.environ, "PYTHONPATH": "/nowhere"}
    process = subprocess.run([*PYTHON, "-S", "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert process.stdout.split() == ["1", "True", "False"]


@pytest.mark.parametrize("home", [Path("/usr/lib/falaj-home"), Path(sys.prefix) / "home"])
def test_a_home_below_what_models_read_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ExposedHomeError, match="lies below"):
        refuse_exposed_home(home)
    refuse_exposed_home(tmp_path)
