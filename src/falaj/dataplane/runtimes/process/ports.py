"""Whether the gateway's port is free, and who has it when it is not."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

from falaj.dataplane.errors import PortInUseError

LOOPBACK = "127.0.0.1"
_LISTEN = "0A"
_ENDING_S = 3.0
_LOOK_AGAIN_S = 0.05


def require_free(port: int, address: str = LOOPBACK) -> None:
    """Make sure that nobody listens on a port of an address, by default of the loopback interface.

    Envoy's listeners share their port among its threads, which lets a second program join in unnoticed; so this asks
    before Envoy does.

    A port that is bound though no living program listens belongs to one that is just ending, such as an Envoy that was
    killed and whose last threads have not gone yet; it is waited for.

    Raises:
        PortInUseError: Naming the port and its holder.
    """
    deadline = time.monotonic() + _ENDING_S
    while (error := _bind_error(port, address)) is not None:
        by = holder(port)
        if by or time.monotonic() > deadline:
            raise PortInUseError(port, by, address) from error
        time.sleep(_LOOK_AGAIN_S)


def _bind_error(port: int, address: str) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error
        return None


def holder(port: int) -> str:
    """The program that listens on a TCP port, such as `python3 (process 812)`; empty when it cannot be seen."""
    inodes = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(table, port)}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and inodes:
            with suppress(OSError):
                if any(str(link.readlink()) in inodes for link in (folder / "fd").iterdir()):
                    return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
    return ""


def _listening(table: str, port: int) -> list[str]:
    try:
        rows = [line.split() for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port]
