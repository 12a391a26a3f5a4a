"""A replica whose socket is a TCP port, as `wrk` speaks no other: replica_on_tcp.py PORT MODEL [LOG [sealed]].

It is not confined, for a confined one has no TCP.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import granian.server.embed

from falaj.dataplane.model_server import server
from falaj.dataplane.model_server.__main__ import main
from falaj.dataplane.prediction_log import LogOwner, new_log_key
from falaj.supply_chain.encryption import DataKey

Server = granian.server.embed.Server


class OnPort(Server):
    """The server of a replica, on a port of the loopback address in place of its socket."""

    def __init__(self, app: object, *, uds: Path, **options: object) -> None:  # noqa: ARG002 (replaced by the port)
        super().__init__(app, port=int(sys.argv[1]), **options)


def key_on_a_pipe() -> int:
    reading, writing = os.pipe()
    os.write(writing, new_log_key(DataKey("00" * 16, "default", os.urandom(32)), LogOwner("bench/m", "m@1")).to_bytes())
    os.close(writing)
    return reading


granian.server.embed.Server = OnPort
server._confine = lambda _settings: None
with tempfile.TemporaryDirectory() as scratch:
    arguments = ["--model", sys.argv[2], "--socket", f"{scratch}/unused", "--name", "m", "--version", "1"]
    log = ["--log", sys.argv[3]] if len(sys.argv) > 3 else []
    log += ["--log-key-fd", str(key_on_a_pipe())] if "sealed" in sys.argv[4:] else []
    sys.exit(main([*arguments, "--endpoint", "bench/m", *log]))
