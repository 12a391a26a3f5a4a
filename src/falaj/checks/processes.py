"""Running one tool: bounded in time, killed with everything it started, its output kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from falaj.checks.context import CheckContext, CheckError
from falaj.pipeline.process import Ending, Limits, run_process
from falaj.pipeline.surroundings import SAME_EVERYWHERE, TELEMETRY_OFF

LOG_TAIL = 20_000
"""Characters of a tool's output that evidence keeps: the end, where tools say what went wrong."""

_NOT_INHERITED = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "FALAJ_TOKEN")
_SECRET = "FALAJ_ROOT_"  # noqa: S105 - the beginning of variables about the root key, which no tool needs


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


def run_tool(
    context: CheckContext, name: str, *command: str | Path, timeout_s: float, folder: Path | None = None
) -> Finished:
    """Run a tool in the worktree and wait for it.

    Args:
        context: Gives worktree, environment and the sign to stop.
        name: What errors call it.
        command: Program and arguments.
        timeout_s: Seconds after which it is killed.
        folder: Run it there instead, with nothing of the worktree on its path.

    Raises:
        CheckError: It could not be started, took too long, or the run was cancelled.
    """
    written: list[bytes] = []
    with _stop_sign(context) as stop:
        try:
            ending = run_process(
                [str(part) for part in command],
                folder=folder or context.worktree,
                environ=_variables(context),
                limits=Limits(timeout_s=timeout_s),
                stop=stop,
                output=written.append,
            )
        except OSError as error:
            raise CheckError(f"{name} cannot be started: {error}", where=str(command[0])) from error
    _refuse_stopped(ending, name, timeout_s)
    return Finished(ending.code, b"".join(written).decode(errors="replace"))


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
    never, held = os.pipe()
    try:
        yield never
    finally:
        os.close(never)
        os.close(held)


def _variables(context: CheckContext) -> dict[str, str]:
    """The caller's variables, with the project's programs and modules found first."""
    programs = str(context.environment.python.parent)
    modules = [path for path in (context.worktree / "src", context.worktree) if path.is_dir()]
    inherited = {
        name: value for name, value in os.environ.items() if name not in _NOT_INHERITED and not name.startswith(_SECRET)
    }
    return {
        **inherited,
        **SAME_EVERYWHERE,
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": os.pathsep.join(map(str, modules)),
        **TELEMETRY_OFF,
        "OMP_NUM_THREADS": "1",  # no core is reserved for a check: more threads only take them from steps
        "OMP_WAIT_POLICY": "PASSIVE",
        **context.process_environment,
    }
