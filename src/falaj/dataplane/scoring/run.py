"""Scoring a file from beginning to end: processes in the sandbox, and a result that is whole or not there."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from falaj.core.errors import FalajError
from falaj.core.file_identity import identity_of
from falaj.core.sandbox import Launch, Launched, offered, python_folders, scratch_environ, start
from falaj.dataplane.prediction_log.columnar import arrow_and_parquet
from falaj.dataplane.scoring.csv_layout import digest_of, read_layout
from falaj.dataplane.scoring.errors import (
    InputChangedError,
    OutputExistsError,
    ScoringDiskError,
    ScoringFailedError,
    ScoringInputError,
)
from falaj.dataplane.scoring.reading import PURPOSE
from falaj.dataplane.scoring.records import (
    CLAIMS,
    ERROR,
    JOB,
    OUTPUT,
    PART_ROWS,
    PARTS,
    PLAN,
    CsvLayout,
    Fault,
    Plan,
    SampledRow,
    ScoringJob,
)

_RUNNER = Path(__file__).with_name("process.py")
_FALAJ = Path(__file__).resolve().parents[3]
"""The folder that `falaj` is imported from."""
_LOG, _LAST_WORDS = "log", 300
_LOOK_S = 0.05
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "POLARS_MAX_THREADS")

Progress = Callable[[int, int], None]
"""Is told how many parts are done, and of how many; 0 while that is not known."""


@dataclass(frozen=True)
class InputTable:
    """A file that is to be scored, as it was when it was digested.

    Attributes:
        path: The file.
        digest: SHA-256 of its bytes in hex.
        csv: Where its rows lie; None of a Parquet file.
        identity: What differs once the file was replaced or written.
    """

    path: Path
    digest: str
    csv: CsvLayout | None
    identity: tuple[int, int, int] | None


@dataclass(frozen=True)
class Scored:
    """What was done.

    Attributes:
        output: The file of predictions.
        rows: How many.
        digest: SHA-256 of the output in hex.
        continued: Parts that an earlier, interrupted scoring had done.
        parts: Parts in all.
    """

    output: Path
    rows: int
    digest: str
    continued: int
    parts: int


def read_input(path: Path, separator: str = ",", part_rows: int = PART_ROWS) -> InputTable:
    """Digest a table, and find the rows of a CSV file in the same pass.

    Args:
        path: Ends with `.csv`, `.tsv` or `.parquet`.
        separator: What stands between fields of a CSV file.
        part_rows: Most rows that are scored at once.

    Raises:
        ScoringInputError: It is not there, or of another kind.
    """
    arrow_and_parquet(PURPOSE)
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv", ".tsv"):
        raise ScoringInputError(f"'{path.name}' ends with neither .parquet nor .csv", where=str(path))
    try:
        identity = identity_of(path)
        if kind == ".parquet":
            return InputTable(path.resolve(), digest_of(path), None, identity)
        layout, digest = read_layout(path, "\t" if kind == ".tsv" else separator, part_rows)
    except OSError as error:
        raise ScoringInputError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    return InputTable(path.resolve(), digest, layout, identity)


def require_free(output: Path) -> None:
    """Refuse a place for the output that is taken, or where none can be written.

    Raises:
        OutputExistsError: There is a file already.
        ScoringInputError: The folder is not there, or the name is not one of a Parquet file.
    """
    if output.suffix.lower() != ".parquet":
        raise ScoringInputError("predictions are written as Parquet", where=str(output), hint="a name with .parquet")
    if not output.parent.is_dir():
        raise ScoringInputError("there is no such folder", where=str(output.parent))
    if output.exists() or output.is_symlink():
        raise OutputExistsError("the output exists; nothing was changed", where=str(output), hint="name another file")


def score_file(
    job: ScoringJob,
    table: InputTable,
    output: Path,
    *,
    python: Path | None,
    processes: int,
    hidden: tuple[Path, ...] = (),
    progress: Progress = lambda _done, _all: None,
    before_output: Callable[[Path, int], None] = lambda _folder, _rows: None,
) -> Scored:
    """Score a table; what an interrupted scoring of the same table by the same release has done is not done again.

    Args:
        job: What is scored by what.
        table: The input.
        output: Where the predictions go; must not exist.
        python: Interpreter of the project's environment; None where Falaj's own serves the model.
        processes: How many score side by side.
        hidden: Folders that the processes must not see.
        progress: Is told how far it is.
        before_output: Called with the folder of the scoring when all is scored, before the output is there.

    Returns:
        What was done.

    Raises:
        OutputExistsError: There is an output, or another scoring writes it.
        ScoringInputError: The table is not one that the model takes.
        ScoringFailedError: The model failed.
        ScoringDiskError: The disk is full or gone.
    """
    require_free(output)
    folder = output.parent.resolve() / f".{output.name}.scoring"
    with _disk(folder), _alone(folder), ExitStack() as undo:
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        continued = _prepare(folder, job)
        try:
            _run_processes(folder, python, processes, hidden, job, progress)
        except KeyboardInterrupt:
            undo.pop_all()  # the next one goes on from here
            raise
        if identity_of(table.path) != table.identity:
            raise InputChangedError("the input was written while it was scored", where=str(table.path))
        plan = msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
        before_output(folder, plan.rows)
        digest = digest_of(folder / OUTPUT)
        _publish(folder / OUTPUT, output)
        return Scored(output, plan.rows, digest, continued, len(plan.parts))


def sampled_rows(folder: Path) -> Iterator[SampledRow]:
    """The rows for the prediction log, in the order of the table."""
    decoder = msgspec.msgpack.Decoder(list[SampledRow])
    for path in sorted((folder / PARTS).glob("*.sample")):
        yield from decoder.decode(path.read_bytes())


def _prepare(folder: Path, job: ScoringJob) -> int:
    """Make the folder ready; return how many parts of the same job are there from before."""
    if _earlier(folder / JOB) != job:
        for path in (folder / JOB, folder / PLAN):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder / PARTS, ignore_errors=True)
    for leftover in (folder / PLAN, folder / OUTPUT, folder / f".{OUTPUT}"):
        leftover.unlink(missing_ok=True)
    for leftover in folder.glob("scratch-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.rmtree(folder / CLAIMS, ignore_errors=True)
    (folder / CLAIMS).mkdir()
    (folder / PARTS).mkdir(exist_ok=True)
    unready = folder / f".{JOB}"
    unready.write_bytes(msgspec.json.encode(job))
    unready.replace(folder / JOB)
    return sum(1 for _ in (folder / PARTS).glob("*.arrow"))


def _earlier(path: Path) -> ScoringJob | None:
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(path.read_bytes(), type=ScoringJob)
    return None


def _run_processes(
    folder: Path, python: Path | None, processes: int, hidden: tuple[Path, ...], job: ScoringJob, progress: Progress
) -> None:
    """Start one process that plans and assembles and those that score, and wait for all of them."""
    own = Path(sys.executable)
    roles = [("assemble", own), *(("score", python or own) for _ in range(processes))]
    with ExitStack() as ending:
        running: list[tuple[Launched, Path]] = []
        for role, interpreter in roles:
            scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
            launch = _launch(folder, scratch, (role, str(processes)), interpreter, job, hidden)
            with (scratch / _LOG).open("wb") as log:
                launched = start(launch, offered(), stdout=log.fileno())
            ending.callback(_end, launched)
            running.append((launched, scratch))
        _wait(running, folder, progress)


def _wait(running: list[tuple[Launched, Path]], folder: Path, progress: Progress) -> None:
    while running:
        for launched, scratch in [*running]:
            code = launched.process.poll()
            if code is not None:
                running.remove((launched, scratch))
                launched.refuse_unstarted()
                if code:
                    raise _error(scratch, code)
        progress(*_done(folder))
        time.sleep(_LOOK_S)


def _done(folder: Path) -> tuple[int, int]:
    parts = sum(1 for path in os.scandir(folder / PARTS) if path.name[0] != "." and path.name.endswith(".arrow"))
    with suppress(OSError, msgspec.MsgspecError):
        return parts, len(msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan).parts)
    return parts, 0


def _launch(
    folder: Path, scratch: Path, role: tuple[str, str], python: Path, job: ScoringJob, hidden: tuple[Path, ...]
) -> Launch:
    """What one process may touch: the input, the model, the folder of the scoring, and no network."""
    environ = {
        **scratch_environ(scratch, os.environ), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1",
        **dict.fromkeys(_ONE_THREAD, "1"), "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2",
    }  # fmt: skip
    readable = (
        *python_folders(python),
        *python_folders(Path(sys.executable)),
        _FALAJ,
        Path(job.input),
        Path(job.model),
    )
    site = sysconfig.get_path("purelib")
    command = (str(python), "-I", str(_RUNNER), str(folder), str(scratch), *role, site)
    return Launch(command, scratch, environ, readable, scratch, (folder,), hidden=hidden)


def _end(launched: Launched) -> None:
    if launched.process.returncode is None:
        launched.end()
    os.close(launched.receipt)


def _error(scratch: Path, code: int) -> FalajError:
    """What a process left as the reason of its end."""
    try:
        fault = msgspec.json.decode((scratch / ERROR).read_bytes(), type=Fault)
    except (OSError, msgspec.MsgspecError):
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return ScoringFailedError(f"a process that scored ended {how}{_last_words(scratch)}", hint="start it again")
    kinds = {"input": ScoringInputError, "disk": ScoringDiskError, "model": ScoringFailedError}
    return kinds.get(fault.kind, ScoringInputError)(fault.message, where=fault.where, hint=fault.hint)


def _last_words(scratch: Path) -> str:
    """The last line that a process wrote, as a traceback ends with its exception."""
    with (scratch / _LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_WORDS))
        lines = log.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""


def _publish(whole: Path, output: Path) -> None:
    """Give the output its name, unless somebody else has taken it meanwhile."""
    try:
        os.link(whole, output)
    except FileExistsError:
        raise OutputExistsError("the output was written meanwhile; nothing was changed", where=str(output)) from None
    folder = os.open(output.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder of a scoring; the lock goes with the process that holds it."""
    lock = folder.with_name(f"{folder.name}.lock")
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputExistsError("another scoring writes this output now", where=str(folder)) from None
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the predictions cannot be written: {error.strerror or error}"
        raise ScoringDiskError(message, where=str(error.filename or folder)) from error
