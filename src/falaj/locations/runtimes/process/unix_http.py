"""HTTP over a Unix socket: how the runtime asks Envoy's admin interface and the replicas."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket.

    Args:
        path: The socket.
        timeout_s: For connecting and for each read.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def request(path: Path, target: str, *, timeout_s: float, method: str = "GET") -> tuple[int, bytes]:
    """One request without a body over a connection of its own.

    Args:
        path: The socket.
        target: Path and query.
        timeout_s: For connecting and for each read.
        method: HTTP method.

    Returns:
        Status and body.

    Raises:
        OSError: Nobody answers.
    """
    connection = UnixConnection(path, timeout_s)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP answer from {path}: {error!r}") from error
    finally:
        connection.close()
