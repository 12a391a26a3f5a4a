"""A replica whose socket is a TCP port, since `wrk` speaks no Unix sockets: replica_on_tcp.py PORT MODEL [LOG]."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

import granian.server.embed

from falaj.serving.modelserver.__main__ import main

Server = granian.server.embed.Server


def on_port(app: object, *, uds: Path, **options: object) -> object:  # noqa: ARG001 (replaced by the port)
    return partial(Server, app, port=int(sys.argv[1]))(**options)


granian.server.embed.Server = on_port
with tempfile.TemporaryDirectory() as scratch:
    arguments = ["--model", sys.argv[2], "--socket", f"{scratch}/unused", "--name", "m", "--version", "1"]
    log = ["--log", sys.argv[3]] if len(sys.argv) > 3 else []
    sys.exit(main([*arguments, "--endpoint", "bench/m", *log]))
