"""Running one tool: in the sandbox, bounded in time, ended with everything it started, its output kept."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.pipeline.step_env import SAME_EVERYWHERE, TELEMETRY_OFF, source_roots
from falaj.core.os_processes.process import Ending, Limits, never_stopped, run_process
from falaj.core.sandbox import Launch, python_folders, scratch_environ

LOG_TAIL = 20_000
"""Characters of a tool's output that evidence keeps: the end, where tools say what went wrong."""

_FALAJ = Path(__file__).resolve().parents[3]
"""The folder that `falaj` is imported from."""


@dataclass(frozen=True)
class Finished:
    """A tool that ended by itself.

    Attributes:
        code: Its exit code.
        output: What it wrote to standard output and error.
    """

    code: int
    output: str

    @property
    def log(self) -> str:
        """The end of its output."""
        return self.output[-LOG_TAIL:]

    @property
    def last_line(self) -> str:
        """The last line that it wrote, which mostly says what went wrong."""
        lines = self.output.strip().splitlines()
        return lines[-1] if lines else f"it ended with {self.code} without a word"


def scratch_of(context: CheckContext, name: str) -> Path:
    """The folder that a tool of that name may write to, empty."""
    folder = context.workdir / "tools" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def written_by(tool: str, folder: Path, file: str) -> Path:
    """The file that a tool says it wrote, as it is named from outside of the sandbox.

    Raises:
        CheckError: It lies elsewhere than in the folder that the tool was given, or is a link.
    """
    path = Path(file)
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise CheckError(f"{tool} names a file that is not its own", where=file)
    return path


def run_tool(
    context: CheckContext,
    name: str,
    *command: str | Path,
    timeout_s: float,
    scratch: Path | None = None,
    worktree: bool = True,
    readable: tuple[Path, ...] = (),
    writable: tuple[Path, ...] = (),
) -> Finished:
    """Run a tool in the worktree, in the sandbox, and wait for it.

    It reads the worktree, the project's environment, Falaj's own packages and what is named here; it reaches nobody.

    Args:
        context: Gives worktree, environment and the sign to stop.
        name: What errors call it.
        command: Program and arguments.
        timeout_s: Seconds after which it is killed.
        scratch: The folder that it may write to, with its home and temporary files; by default one of its name.
        worktree: Whether the worktree is there, as the working directory; else that is the scratch folder.
        readable: More to read.
        writable: More folders to write to.

    Raises:
        CheckError: It could not be started, took too long, or the run was cancelled.
    """
    written: list[bytes] = []
    own = scratch or scratch_of(context, name)
    launch = Launch(
        tuple(str(part) for part in command),
        context.worktree if worktree else own,
        {**scratch_environ(own, os.environ), **_variables(context)},
        (*_readable(context), *([context.worktree] if worktree else []), *readable),
        own,
        writable,
        hidden=(context.home,) if context.home else (),
    )
    with _stop_sign(context) as stop:
        try:
            ending = run_process(launch, limits=Limits(timeout_s=timeout_s), stop=stop, output=written.append)
        except OSError as error:
            raise CheckError(f"{name} cannot be started: {error}", where=str(command[0])) from error
    _refuse_stopped(ending, name, timeout_s)
    return Finished(ending.code, b"".join(written).decode(errors="replace"))


def _readable(context: CheckContext) -> tuple[Path, ...]:
    return (*context.environment.folders, *python_folders(Path(sys.executable)), _FALAJ)


def _refuse_stopped(ending: Ending, name: str, timeout_s: float) -> None:
    if ending.reason == "timed-out":
        raise CheckError(
            f"{name} took longer than {timeout_s:g} s", hint="the option timeout_s of the check allows more"
        )
    if ending.reason != "exited":
        raise CheckError(f"{name} was stopped: {ending.reason}")


@contextmanager
def _stop_sign(context: CheckContext) -> Iterator[int]:
    """The descriptor that becomes readable when the run is cancelled, or one that never does."""
    if context.stop is not None:
        yield context.stop
        return
    with never_stopped() as stop:
        yield stop


def _variables(context: CheckContext) -> dict[str, str]:
    """With the project's programs and modules found first."""
    programs = str(context.environment.python.parent)
    return {
        **SAME_EVERYWHERE,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(map(str, source_roots(context.worktree))),
        "PYTHONDONTWRITEBYTECODE": "1",  # nothing but the scratch folder can be written
        **TELEMETRY_OFF,
        "OMP_NUM_THREADS": "1",  # no core is reserved for a check: more threads only take them from steps
        "OMP_WAIT_POLICY": "PASSIVE",
    }
