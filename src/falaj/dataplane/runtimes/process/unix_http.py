"""HTTP over a Unix socket: how the runtime asks Envoy's admin interface and the replicas."""

from __future__ import annotations

import http.client
import os
import socket
import struct
from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket.

    Args:
        path: The socket.
        timeout_s: For connecting and for each read.
        by: Process id of who must listen there; None for anyone.
    """

    def __init__(self, path: Path, timeout_s: float, by: int | None = None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path, self._by = path, by

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        if self._by is not None:
            require_listener(self.sock, self._by)


def require_listener(connected: socket.socket, pid: int) -> None:
    """Make sure that a process of this user's listens on the other side, as the kernel knows since it listened.

    Raises:
        ConnectionError: Another one does.
    """
    credentials = struct.Struct("3i")
    peer_data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    listener, user, _ = credentials.unpack(peer_data)
    if (listener, user) != (pid, os.getuid()):
        raise ConnectionError(f"process {listener} of user {user} listens, and not process {pid}")


def request(
    path: Path, target: str, *, timeout_s: float, method: str = "GET", by: int | None = None
) -> tuple[int, bytes]:
    """One request without a body over a connection of its own.

    Args:
        path: The socket.
        target: Path and query.
        timeout_s: For connecting and for each read.
        method: HTTP method.
        by: Process id of who must listen there; None for anyone.

    Returns:
        Status and body.

    Raises:
        OSError: Nobody answers, or somebody else.
    """
    connection = UnixConnection(path, timeout_s, by)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP answer from {path}: {error!r}") from error
    finally:
        connection.close()
