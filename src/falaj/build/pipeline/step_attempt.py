"""One try of one step: its folder is laid out, its process runs, its results go to the store."""

from __future__ import annotations

import errno
import marshal
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from falaj.build.pipeline.cache import Output
from falaj.build.pipeline.commands import command_kinds, filled, refuse_link
from falaj.build.pipeline.connections import ConnectionOpener, no_connections
from falaj.build.pipeline.errors import DiskFullError, StepError
from falaj.build.pipeline.exit_status import check_ending
from falaj.build.pipeline.input_cache import Materials
from falaj.build.pipeline.mlflow_files import RUN_ID, UNTRACKED, Recorded, lay_out, read
from falaj.build.pipeline.node_files import safe_name
from falaj.build.pipeline.runner import MODELS, PLACE, PROGRAM
from falaj.build.pipeline.secret_masking import Secrets
from falaj.build.pipeline.step_env import source_roots
from falaj.build.pipeline.step_order import OrderPart, StepOrder
from falaj.build.pipeline.undeclared_reads import TAIL_BYTES, explained
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.os_processes.disk import default_limit
from falaj.core.os_processes.ports import own_ports
from falaj.core.os_processes.process import Limits, run_process
from falaj.core.sandbox import Launch, certificate_paths, scratch_environ
from falaj.core.venv.environment import Environment
from falaj.supply_chain.artifacts.digest import Digest

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore

FULL = {errno.ENOSPC, errno.EDQUOT}


class DamagedInputError(Exception):
    """An artifact that a step reads is not what its digest says.

    Args:
        digest: Which.
        error: What the store said.
    """

    def __init__(self, digest: Digest, error: FalajError) -> None:
        super().__init__(str(error))
        self.digest = digest
        self.error = error


@dataclass(frozen=True)
class StepResources:
    """Where and with what steps are run; the same for all of a run.

    Attributes:
        store: Results go here.
        materials: Inputs come from here.
        environment: The project's python.
        worktree: The project's files; the working directory of steps.
        folder: Each attempt gets a folder below it.
        memory_bytes: Memory that a step without a limit of its own may use.
        home: The installation's folder, of which steps see what is named here and nothing else.
        secrets: What steps may ask for; a result that holds one is not kept.
        record: Receives a node and what it recorded with MLflow, whether it succeeded or not.
        connect: Gives the connections that sources name.
    """

    store: ArtifactStore
    materials: Materials
    environment: Environment
    worktree: Path
    folder: Path
    memory_bytes: int
    home: Path
    secrets: Secrets = field(default_factory=Secrets)
    record: Callable[[str, Recorded], None] = lambda _node, _recorded: None
    connect: ConnectionOpener = no_connections

    def run(
        self, order: StepOrder, environ: Mapping[str, str], stop: int, output: Callable[[bytes], None]
    ) -> dict[str, Output]:
        """Run a step once.

        Args:
            order: The attempt.
            environ: Environment of its processes.
            stop: Becomes readable when the step shall stop.
            output: Receives what it prints.

        Returns:
            Its outputs, in the store.

        Raises:
            StepError: The step failed, or was stopped.
            DamagedInputError: An input could not be read from the store.
            DiskFullError: A folder or the store is full.
        """
        folder = self.folder / safe_name(order.node)
        with _disk_errors(folder), _scratch(folder):
            inputs = [[self._path(part) for part in entry.parts] for entry in order.inputs]
            command = self._command(order, inputs, folder)
            disk_bytes = order.limits.disk_bytes or default_limit(folder)
            limits = Limits(order.limits.timeout_s, order.limits.memory_bytes or self.memory_bytes, disk_bytes)
            launch = self._launch(order, command, inputs, environ, folder)
            tail = _Tail(output)
            ending = run_process(launch, limits=limits, stop=stop, output=tail)
            self._record(order.node, launch, folder)
            try:
                check_ending(order.node, ending, limits, folder)
            except StepError as error:
                raise explained(error, tail.text, self.worktree, order.files) from error
            return self._keep(order, folder)

    def _launch(
        self, order: StepOrder, command: list[str], inputs: list[list[Path]], environ: Mapping[str, str], folder: Path
    ) -> Launch:
        """What the launcher starts: it reads inputs, project and environment, and writes into its folder."""
        own = scratch_environ(folder, os.environ, network=order.network)
        tracked = lay_out(folder / "mlflow", environ.get(RUN_ID, UNTRACKED))
        own_code = (self.worktree,) if order.files is None else tuple(self.worktree / name for name in order.files)
        roots = (self.worktree, *source_roots(self.worktree))  # which an environment without a lockfile may name
        folders = [each for each in self.environment.folders if each not in roots]
        readable = [*folders, *own_code, PLACE, MODELS, *(path for paths in inputs for path in paths)]
        return Launch(
            tuple(command),
            self.worktree,
            {**own, **environ, **tracked, **self.secrets.of(order.secrets)},
            (*readable, *certificate_paths(own)),
            folder,
            network=order.network,
            hidden=(self.home,),
            listed=() if order.files is None else (self.worktree,),
            closed_ports=own_ports(Home(self.home, os.environ)) if order.network else (),
        )

    def _record(self, node: str, launch: Launch, folder: Path) -> None:
        run_id = launch.environ[RUN_ID]
        if run_id != UNTRACKED and (recorded := read(folder / "mlflow", run_id)):
            self.record(node, recorded)

    def _path(self, part: OrderPart) -> Path:
        try:
            return self.materials.path(Digest(part.digest), part.filename)
        except FalajError as error:
            if error.code in ("artifact.corrupt", "artifact.missing"):
                raise DamagedInputError(Digest(part.digest), error) from error
            raise

    def _command(self, order: StepOrder, inputs: list[list[Path]], folder: Path) -> list[str]:
        if order.command is not None:
            return [*filled(order.command, order, inputs, folder)]
        task = {
            "run": order.call,
            "params": order.params,
            "inputs": [
                {"name": entry.name, "gathered": entry.gathered, "parts": _tasks(entry.parts, paths)}
                for entry, paths in zip(order.inputs, inputs, strict=True)
            ],
            "outputs": list(order.outputs),
            "output": order.output,
            "folder": str(folder),
            "worktree": str(self.worktree),
        }
        (folder / "task").write_bytes(marshal.dumps(task, 2))  # the version that every Python 3 reads
        return [str(self.environment.python), "-s", "-u", "-c", PROGRAM, str(PLACE), str(folder / "task")]

    def _keep(self, order: StepOrder, folder: Path) -> dict[str, Output]:
        refuse_link(folder / "outputs", order.node)
        kinds = command_kinds(order, folder) if order.command else _written_kinds(order.node, folder)
        for name in kinds:
            refuse_link(folder / "outputs" / name, order.node)
        if order.secrets:
            Secrets(self.secrets.of(order.secrets)).refuse_in(folder / "outputs", order.node)
        return {name: Output(self.store.put(folder / "outputs" / name).digest, kind) for name, kind in kinds.items()}


class _Tail:
    """Passes on what a step prints, and remembers the end of it."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self._output, self._end = output, b""

    def __call__(self, chunk: bytes) -> None:
        self._end = (self._end + chunk)[-TAIL_BYTES:]
        self._output(chunk)

    @property
    def text(self) -> str:
        return self._end.decode(errors="replace")


def _tasks(parts: tuple[OrderPart, ...], paths: list[Path]) -> list[dict[str, Any]]:
    return [
        {"label": part.label, "path": str(path), "kind": part.kind, "read": part.read}
        for part, path in zip(parts, paths, strict=True)
    ]


def _written_kinds(step: str, folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "kinds").read_text().splitlines()
    except FileNotFoundError:
        raise StepError("ended without returning", where=step, hint="does it call os._exit?") from None
    return dict(line.split("\t") for line in lines)


@contextmanager
def _scratch(folder: Path) -> Iterator[None]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("outputs", "tmp", "home"):
        (folder / name).mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise StepError(f"could not be run: {error}", where=str(error.filename or folder)) from error
        raise DiskFullError("no space left on the disk", where=str(error.filename or folder)) from error
