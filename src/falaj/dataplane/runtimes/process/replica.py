"""One replica: a model server on a Unix socket, described by a record on disk that survives its agent."""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import falaj
from falaj.dataplane.desired_state import DesiredEndpoint, ReleaseRole, Servable
from falaj.dataplane.prediction_log import LogOwner
from falaj.dataplane.runtimes.process.files import read_json, write_json
from falaj.dataplane.runtimes.process.os_process import FIRST_INHERITED, OsProcess
from falaj.dataplane.runtimes.process.routing import Arm
from falaj.statistics.recalibration.document import file_name

TAG = "FALAJ_REPLICA_OF"
SLOT_TAG = "FALAJ_REPLICA"
LOG_KEY = ("--log-key-fd", str(FIRST_INHERITED))
"""In the command of a replica that is given the key of its log."""


@dataclass(frozen=True)
class Slot:
    """A place for one replica: what runs there, whichever process it is at the moment.

    Args:
        arm: Name of the arm it belongs to.
        endpoint: `environment/model`.
        release: `model@number`.
        index: Its number in the arm, from 0.
        socket: Unix socket it listens on.
        command: What starts it.
        baseline: Whether its arm is there for another one to be judged against.
    """

    arm: str
    endpoint: str
    release: str
    index: int
    socket: str
    command: tuple[str, ...]
    baseline: bool = False

    @property
    def id(self) -> str:
        """Unique in the location; usable as a file name."""
        return slot_id(self.arm, self.index)

    @property
    def log_owner(self) -> LogOwner:
        """Whose log it writes."""
        return LogOwner(self.endpoint, self.release, self.id)


GiveLogKey = Callable[[LogOwner], bytes]
"""What gives a replica the key of its prediction log."""


def slot_id(arm: str, index: int) -> str:
    """Names a slot; readers of its log compare it with what the log says of itself."""
    return f"{arm.replace('/', '+')}.{index}"


@dataclass(frozen=True)
class Replica:
    """A slot and the state of its process.

    Args:
        slot: What it is.
        process: The running process; None before the start and after a death.
        started_at: Of the process, Unix time.
        ready_at: When the process first said that it is ready; None until then.
        deaths: Unix times of the latest deaths, for the backoff.
        retired_at: When it was taken out of the routes for good; None while wanted.
        message: Last words of a dead process.
    """

    slot: Slot
    process: OsProcess | None = None
    started_at: float = 0.0
    ready_at: float | None = None
    deaths: tuple[float, ...] = ()
    retired_at: float | None = None
    message: str = ""

    @property
    def ready(self) -> bool:
        """Whether it answers predictions."""
        return self.process is not None and self.ready_at is not None

    def retired(self, now: float) -> Replica:
        """The same, out of the routes from now on."""
        return self if self.retired_at is not None else replace(self, retired_at=now)


@dataclass(frozen=True)
class RecalibrationFiles:
    """Files of an agent that say by what answers are moved.

    Args:
        folder: Where they lie, a file a release at an endpoint.
        public_key: What their signatures are checked with, 32 bytes.
    """

    folder: Path
    public_key: bytes

    def options(self, endpoint: DesiredEndpoint) -> list[str]:
        """What the command line of a replica says of them."""
        name = file_name(endpoint.name, f"{endpoint.model}@{endpoint.release}")
        return ["--recalibration", str(self.folder / name), "--recalibration-key", self.public_key.hex()]


@dataclass(frozen=True)
class ReplicaOptions:
    """All that a command line for a replica is made of.

    Args:
        servable: What to serve.
        socket: Unix socket to listen on.
        log_dir: Folder of its prediction log, which is no other replica's.
        index: Its number in its arm.
        log_sealed: Whether the replica is given a key for it.
        recalibration: Where the agent says by what answers are moved; None where nothing moves them.
    """

    servable: Servable
    socket: Path
    log_dir: Path
    index: int = 0
    log_sealed: bool = False
    recalibration: RecalibrationFiles | None = None


ReplicaCommand = Callable[[ReplicaOptions], Sequence[str]]


def modelserver_command(options: ReplicaOptions) -> list[str]:
    """The command line of the model server; in a project environment it started by path, as Falaj is not there.

    Isolated: neither the folder nor the variables of whoever started the platform lead it to code.
    """
    endpoint = options.servable.endpoint
    arguments = [
        "--model", str(options.servable.model_dir), "--socket", str(options.socket), "--name", endpoint.model,
        "--version", str(endpoint.release), "--endpoint", endpoint.name, "--log", str(options.log_dir),
        *(LOG_KEY if options.log_sealed else ()),
        *(options.recalibration.options(endpoint) if options.recalibration else ()),
    ]  # fmt: skip
    if options.servable.python is None:
        return [sys.executable, "-I", "-m", "falaj.dataplane.model_server", *arguments]
    launcher = Path(falaj.__file__).parent / "dataplane" / "model_server" / "launch.py"
    return [str(options.servable.python), "-I", str(launcher), "--site", sysconfig.get_paths()["purelib"], *arguments]


def arm_name(servable: Servable) -> str:
    """Name of the arm that serves exactly these bytes in exactly this environment."""
    endpoint = servable.endpoint
    content = f"{endpoint.digest} {servable.python or ''}"
    if endpoint.role is ReleaseRole.BASELINE:
        content += " baseline"
    return f"{endpoint.name}@{endpoint.release}.{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def arm_of(replicas: Sequence[Replica]) -> Arm:
    """The arm that some replicas of the same arm make."""
    slot = replicas[0].slot
    sockets = tuple(sorted(replica.slot.socket for replica in replicas))
    return Arm(slot.arm, slot.release, sockets, baseline=slot.baseline)


class ReplicaRecords:
    """The records of one location, a file each.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Replica]:
        for path in sorted(self._folder.glob("*.json")):
            if value := read_json(path):
                yield _replica(value)

    def save(self, replica: Replica) -> None:
        """Write one record."""
        write_json(self._file(replica.slot), asdict(replica))

    def forget(self, replica: Replica) -> None:
        """Remove one record."""
        self._file(replica.slot).unlink(missing_ok=True)

    def _file(self, slot: Slot) -> Path:
        return self._folder / f"{slot.id}.json"


def slot_mark(slot: Slot, location: Path) -> str:
    """What marks the processes of one slot, on the whole machine."""
    return f"{location}#{slot.id}"


def replica_environment(slot: Slot, location: Path, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment of a replica: marked, so that it is found even when no record of it was written."""
    secret = ("FALAJ_TOKEN", "FALAJ_ROOT_", "AWS_")
    inherited = {name: value for name, value in base.items() if not name.startswith(secret)}
    return {**inherited, TAG: str(location), SLOT_TAG: slot_mark(slot, location)}


def _replica(value: dict[str, Any]) -> Replica:
    slot = {**value["slot"], "command": tuple(value["slot"]["command"])}
    process = OsProcess(**value["process"]) if value["process"] else None
    return Replica(**{**value, "slot": Slot(**slot), "process": process, "deaths": tuple(value["deaths"])})
