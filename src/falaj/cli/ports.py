"""Whether the ports of an installation are to be had, asked before anything is started."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

from falaj.core.errors import UnavailableError
from falaj.core.home import Home

_LAST_SERVER_ENDS_WITHIN_S = 4.0
_LOOK_AGAIN_S = 0.1


def require_ports(home: Home, ports: Mapping[str, int]) -> None:
    """Make sure that the server's ports are free, and that the gateway's is free or held by the Envoy of this home.

    Args:
        home: The installation; its Envoy may still serve after the rest was stopped or killed.
        ports: `server` and `envoy`, and `agents` where agents elsewhere are let in.

    Raises:
        UnavailableError: Another program listens on one of them (`server.port-in-use`, `location.port-in-use`).
    """
    from falaj.dataplane.agent import require_gateway_port

    for name in ports.keys() & {"server", "agents"}:
        _require_server_port(ports[name])
    require_gateway_port(home.root, "local", ports["gateway"])


def _require_server_port(port: int) -> None:
    """Wait a little for the port: the server of a supervisor that was killed needs a moment to end."""
    deadline = time.monotonic() + _LAST_SERVER_ENDS_WITHIN_S
    while not _free(port):
        if time.monotonic() > deadline:
            raise _port_in_use(port)
        time.sleep(_LOOK_AGAIN_S)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _port_in_use(port: int) -> UnavailableError:
    from falaj.dataplane.runtimes.process.ports import holder

    by = holder(port) or "another program"
    return UnavailableError(
        f"port {port} of the server is in use by {by}",
        where=f"127.0.0.1:{port}",
        hint="stop that program, or choose another port: falaj up --port PORT",
        code="server.port-in-use",
    )
