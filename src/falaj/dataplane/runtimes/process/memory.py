"""How much memory processes take, and how much is left on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

RESERVE = 1.2
"""More than was measured: a process grows while it works."""
_CGROUP = Path("/sys/fs/cgroup")


def resident_bytes(pid: int) -> int:
    """What a process has in memory; 0 where that cannot be read."""
    return _field(Path(f"/proc/{pid}/status"), "VmRSS:")


def available_bytes(cgroup: Path = _CGROUP) -> int | None:
    """What processes can still take: of the machine, or of the container where it has less; None where unknown."""
    candidates = [_field(Path("/proc/meminfo"), "MemAvailable:")]
    with suppress(OSError, ValueError):
        limit, used = (int((cgroup / name).read_text()) for name in ("memory.max", "memory.current"))
        candidates.append(limit - used)
    positive = [value for value in candidates if value > 0]
    return min(positive, default=None)


def shortage(pids: Iterable[int], more: int, available: int | None) -> str:
    """Why so many more processes like these do not fit, in words; empty where they do.

    Args:
        pids: Processes of the same kind.
        more: How many more.
        available: Bytes that can be taken; None where that is not known.
    """
    sizes = [size for size in map(resident_bytes, pids) if size]
    needed = round(RESERVE * more * max(sizes, default=0))
    if available is None or needed <= available:
        return ""
    return (
        f"{more} more replicas need about {needed >> 20} MB, and {available >> 20} MB are free; free some, have fewer "
        "replicas, or set `baseline: false`, which promises no bound for latency"
    )


def _field(path: Path, name: str) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return 1024 * int(line.split()[1])
    return 0
