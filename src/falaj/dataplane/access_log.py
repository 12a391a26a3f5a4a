"""Reading the gateway's access log while it grows: every line once, across rotations and restarts of the reader.

A place in the log is the file's inode and an offset in it, because a rotated file keeps its inode under another name.
Inodes are used again, so the place also remembers how the file begins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from falaj.core.json_record import JsonRecord

LIMIT = 100_000
"""Lines that one reading returns at most, if not told otherwise."""
_CHUNK = 1 << 20
_MARK = 256


@dataclass(frozen=True, slots=True)
class Access:
    """One request, as the gateway logged it when it had ended.

    Args:
        at: When it came, Unix seconds.
        request_id: The gateway's own; a copy that went to a mirror has the same. None when it was no HTTP.
        status: HTTP status; 0 when the client left before there was one.
        flags: Envoy's response flags, such as `UF`; `-` without any.
        latency_us: From its first byte to the last byte of the answer, microseconds; None when there was no whole one.
        attempts: How many replicas were asked.
        endpoint: `environment/model`; None when the path names none.
        release: The release that the weights or a match chose; None when nothing could answer.
        answered: The release whose replica was asked last: another one when the chosen one could not answer.
        baseline: Whether the chosen arm is the baseline of its endpoint.
        answered_baseline: Whether the replica that was asked last is one of the baseline.
        weights: Weights in force for this request, by release, of 10,000; those of the route that it took.
        candidate: The canary at that moment.
        baseline_weight: Weight of the baseline in force for this request, of 10,000; a part of its release's.
        forced: Whether a match chose the release; such requests are no part of a random sample.
        unit: Value of the sticky header, its first 128 characters.
        path: As the caller wrote it.
        asked_us: When the first byte went to the replica that was asked last, microseconds after `at`.
        replied_us: When its last byte came.
        traceparent: What the caller said of its trace.
        replica: Address of the replica that was asked last.
    """

    at: float
    request_id: str | None
    status: int
    flags: str = "-"
    latency_us: int | None = None
    attempts: int = 0
    endpoint: str | None = None
    release: int | None = None
    answered: int | None = None
    baseline: bool | None = None
    answered_baseline: bool | None = None
    weights: Mapping[int, int] | None = None
    candidate: int | None = None
    baseline_weight: int | None = None
    forced: bool | None = None
    unit: str | None = None
    path: str | None = None
    asked_us: int | None = None
    replied_us: int | None = None
    traceparent: str | None = None
    replica: str | None = None

    @property
    def is_feedback(self) -> bool:
        """Whether it brought labels, and asked for nothing."""
        return (self.path or "").partition("?")[0].endswith("/feedback")

    @property
    def weight(self) -> int:
        """Canary weight in force for this request, of 10,000."""
        return (self.weights or {}).get(self.candidate, 0) if self.candidate else 0

    @property
    def arm(self) -> str | None:
        """`candidate`, `stable`, `baseline` or `forced`; None when none was chosen."""
        if self.release is None:
            return None
        if self.forced:
            return "forced"
        return "baseline" if self.baseline else "candidate" if self.release == self.candidate else "stable"

    @property
    def failed_over(self) -> bool:
        """Whether the chosen arm could not answer and another one did: a failure that the caller did not see."""
        if self.answered is None or self.release is None:
            return False
        return (self.release, bool(self.baseline)) != (self.answered, bool(self.answered_baseline))

    @property
    def latency_ms(self) -> float:
        """Latency in milliseconds; infinite when there was no whole answer."""
        return float("inf") if self.latency_us is None else self.latency_us / 1000


@dataclass(frozen=True)
class Position(JsonRecord):
    """A place in the log.

    Args:
        inode: Of the file.
        offset: Bytes of the file that were read.
        size: Of the file when it was last seen.
        mark: How the file begins; empty at its beginning.
        skipped: Bytes that were never read, in all: of files that vanished (as far as it was known how long they
            were), and of lines that are none.
    """

    inode: int
    offset: int
    size: int = 0
    mark: str = ""
    skipped: int = 0


@dataclass(frozen=True)
class AccessLog:
    """The access log of a gateway: the file that grows, and the one before it.

    Args:
        path: The file that grows.
    """

    path: Path

    def read(self, position: Position | None = None, limit: int = LIMIT) -> tuple[list[Access], Position | None]:
        """The next requests, and the place behind them.

        Args:
            position: Where the last reading ended; None for the oldest line that is there.
            limit: How many lines at most.

        Returns:
            Requests in the order in which they ended. When the file of `position` is gone, those from the oldest line
            on, and the place counts what was skipped. The place is None only while there is no log.
        """
        with ExitStack() as stack:
            files = self._files(stack)
            if not files:
                return [], position
            index, reader = _resume(files, position)
            entries: list[Access] = []
            while True:
                reader = reader.forward(entries, limit)
                if len(entries) >= limit or index == len(files) - 1:
                    return entries, reader.position()
                skipped = reader.skipped + max(0, reader.size() - reader.offset)  # a line that was never finished
                index += 1
                reader = _FileTail(files[index], 0, skipped)

    def end(self) -> Position | None:
        """The place behind the last line that is there now; None while there is no log."""
        return self.recent(0)[1]

    def recent(self, size: int) -> tuple[list[Access], Position | None]:
        """The requests in about the last `size` bytes, and the place behind them."""
        with ExitStack() as stack:
            files = self._files(stack)
            entries: list[Access] = []
            reader = None
            for file, start in _tail(files, size):
                reader = _FileTail(file, start).forward(entries, 1 << 62)
            return entries, reader.position() if reader else None

    def _files(self, stack: ExitStack) -> list[int]:
        """Descriptors, oldest first.

        The growing file is opened first. So when there is an older one beside it, that one is complete; and a rotation
        in between shows the same file twice rather than none in the middle.
        """
        by_inode: dict[int, int] = {}
        for path in (self.path, self.path.with_name(f"{self.path.name}.1")):
            with suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, descriptor)
                by_inode.setdefault(os.fstat(descriptor).st_ino, descriptor)
        return list(reversed(by_inode.values()))


@dataclass(frozen=True)
class _FileTail:
    """One open file and how far it was read."""

    file: int
    offset: int
    skipped: int = 0

    def size(self) -> int:
        return os.fstat(self.file).st_size

    def position(self) -> Position:
        inode = os.fstat(self.file).st_ino
        return Position(inode, self.offset, max(self.size(), self.offset), _mark(self.file, self.offset), self.skipped)

    def forward(self, entries: list[Access], limit: int) -> _FileTail:
        """The reader behind the lines that it added, which are all whole ones or as many as the limit allows."""
        reader = self
        while len(entries) < limit:
            data = os.pread(reader.file, _CHUNK, reader.offset)
            lines = _first_lines(data, limit - len(entries))
            if not lines and len(data) < _CHUNK:
                return reader
            unread = len(data) if not lines else 0
            accesses, damaged = _parsed(lines)
            entries += accesses
            reader = replace(
                reader, offset=reader.offset + len(lines) + unread, skipped=reader.skipped + damaged + unread
            )
        return reader


def _resume(files: list[int], position: Position | None) -> tuple[int, _FileTail]:
    """Where to go on reading: in the file of the position, or else at the beginning of the oldest."""
    if position is None:
        return 0, _FileTail(files[0], 0)
    for index, file in enumerate(files):
        status = os.fstat(file)
        same = status.st_ino == position.inode and status.st_size >= position.offset
        if same and _mark(file, position.offset) == position.mark:
            return index, _FileTail(file, position.offset, position.skipped)
    return 0, _FileTail(files[0], 0, position.skipped + position.size - position.offset)


def _tail(files: list[int], size: int) -> Iterator[tuple[int, int]]:
    """Each file and where its part of the last bytes begins, oldest first."""
    starts = []
    for file in reversed(files):
        length = os.fstat(file).st_size
        starts.append((file, _line_start(file, length - size) if size < length else 0))
        size = max(0, size - length)
    return reversed(starts)


def _line_start(file: int, offset: int) -> int:
    """Where the line of a byte begins; for the end of a file, where its unfinished line begins."""
    before = os.pread(file, min(offset, _CHUNK), max(0, offset - _CHUNK))
    return offset - len(before) + before.rfind(b"\n") + 1


def _mark(file: int, offset: int) -> str:
    return hashlib.blake2b(os.pread(file, min(offset, _MARK), 0), digest_size=8).hexdigest() if offset else ""


def _first_lines(data: bytes, count: int) -> bytes:
    """The first whole lines."""
    whole = data[: data.rfind(b"\n") + 1]
    if whole.count(b"\n") <= count:
        return whole
    return b"\n".join(whole.split(b"\n", count)[:count]) + b"\n"


def _parsed(lines: bytes) -> tuple[list[Access], int]:
    """The requests, and how many bytes are no line of ours."""
    decoder = _decoder()
    try:
        return decoder.decode_lines(lines), 0
    except msgspec.DecodeError:
        pass
    entries, damaged = [], 0
    for line in lines.splitlines(keepends=True):
        try:
            entries.append(decoder.decode(line))
        except msgspec.DecodeError:
            damaged += len(line)
    return entries, damaged


@cache
def _decoder() -> msgspec.json.Decoder[Access]:
    return msgspec.json.Decoder(Access, strict=False)  # the time is a number in quotes
