"""Keeps what a step writes and passes it on line by line while the step runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from falaj.build.pipeline.secret_masking import Hiding

LIMIT_BYTES = 64 << 20
"""What is kept of one step's output; a step that writes without end must not fill the disk."""
_LONGEST_LINE = 1 << 16


class StepLog:
    """A log file that is also read aloud.

    Args:
        path: The file; what earlier attempts wrote stays.
        lines: Receives whole lines, without their ends.
        hidden: What is neither kept nor passed on: the step's secrets.
    """

    def __init__(self, path: Path, lines: Callable[[list[str]], None], hidden: tuple[bytes, ...] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._room = LIMIT_BYTES - self._file.tell()
        self._lines = lines
        self._rest = b""
        self._hiding = Hiding(hidden)

    def write(self, chunk: bytes) -> None:
        """Keep and pass on what came."""
        self._keep(self._hiding.feed(chunk))

    def _keep(self, chunk: bytes) -> None:
        if self._room <= 0 or not chunk:
            return
        self._file.write(chunk)
        self._room -= len(chunk)
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            whole, self._rest = [*whole, self._rest], b""
        self._tell(whole)
        if self._room <= 0:
            self._end_early()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keep(self._hiding.end())
        self._file.close()
        if self._rest:
            self._tell([self._rest])

    def _tell(self, lines: list[bytes]) -> None:
        if lines:
            self._lines([line.decode(errors="replace").rstrip("\r") for line in lines])

    def _end_early(self) -> None:
        note = f"the log ends here: the step wrote more than {LIMIT_BYTES >> 20} MiB"
        self._file.write(f"\n{note}\n".encode())
        self._rest = b""
        self._tell([note.encode()])
