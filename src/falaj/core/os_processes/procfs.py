"""Reads the kernel's table of processes (`/proc`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """One row of the table.

    Attributes:
        pid: Process id.
        parent: The parent's id.
        group: Process group.
        started: Clock ticks after boot; with `pid` it names the process once and for all.
        resident_bytes: Memory in use, pages shared with others included.
        zombie: Whether it has ended and only waits to be collected.
    """

    pid: int
    parent: int
    group: int
    started: int
    resident_bytes: int
    zombie: bool


def ids() -> list[int]:
    """Ids of all processes of the machine that this one may see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - names are what is needed


def processes() -> Iterator[Process]:
    """Every process of the machine that this one may see."""
    return (process_info for pid in ids() if (process_info := process(pid)) is not None)


def process(pid: int) -> Process | None:
    """The row of one process; None when it is gone."""
    text = _read(pid, "stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold spaces and brackets
    return Process(
        pid, int(fields[1]), int(fields[2]), int(fields[19]), int(fields[21]) * _PAGE, fields[0] in (b"Z", b"X")
    )


def family(leader: int) -> list[Process]:
    """The leader of a process group, the group, and everything that descends from them."""
    table = [each for each in processes() if not each.zombie]
    members = {each.pid: each for each in table if each.pid == leader or each.group == leader}
    grown = True
    while grown:
        more = {each.pid: each for each in table if each.parent in members and each.pid not in members}
        members.update(more)
        grown = bool(more)
    return list(members.values())


def memory_bytes(members: list[Process], limit: int) -> int:
    """Memory that processes use together; pages they share count once when that decides about the limit.

    Processes are read one after the other. What one of them frees, or shares with a child that begins, in between is
    counted twice; a second reading decides, since such a moment does not last.
    """
    resident = sum(each.resident_bytes for each in members)
    if resident <= limit:
        return resident
    used = sum(_proportional(each) for each in members)
    return used if used <= limit else min(used, sum(_proportional(each) for each in members))


def _proportional(each: Process) -> int:
    for line in _read(each.pid, "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0 if process(each.pid) is None else each.resident_bytes


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123 - read for every process of the machine
            return file.read()
    except OSError:
        return b""
