"""The limit: granian answering a constant, nothing else. hello.py PORT."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server


async def app(_scope: Any, protocol: Any) -> None:
    await protocol()
    protocol.response_bytes(200, [("content-type", "application/json")], b'{"predictions":[0]}')


asyncio.run(
    Server(
        app, port=int(sys.argv[1]), interface=Interfaces.RSGI, websockets=False, backlog=1024, log_enabled=False
    ).serve()
)
