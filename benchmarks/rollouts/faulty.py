"""A model server with a fault: `python faulty.py FAULT.json ARGUMENTS...`; the fault is read anew every second.

FAULT.json: `times` (answers take so many times as long as the latencies in `past_ms` say), `plus_ms`, `fail` (share of
requests that get 503), `burst` (bursts a minute, of `burst_s` seconds, in which 60% fail), `hang` (no answers).
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from falaj.dataplane.model_server.__main__ import main
from falaj.dataplane.model_server.app import ModelServer

FAULT = Path(sys.argv[1])
_random = random.Random()
_known: dict[str, Any] = {"read": 0.0, "fault": {}, "burst_until": 0.0, "burst_looked": 0.0}
_plain = ModelServer.__rsgi__


def fault() -> dict[str, Any]:
    now = time.monotonic()
    if now - _known["read"] > 1.0:
        _known["read"] = now
        _known["fault"] = json.loads(FAULT.read_text()) if FAULT.exists() else {}
    return _known["fault"]


def in_burst(found: dict[str, Any]) -> bool:
    now = time.monotonic()
    waited, _known["burst_looked"] = now - _known["burst_looked"], now
    if _random.random() < found.get("burst", 0.0) * min(waited, 10.0) / 60:
        _known["burst_until"] = now + found.get("burst_s", 2.0)
    return now < _known["burst_until"]


async def faulty(self: ModelServer, scope: Any, protocol: Any) -> None:
    found = fault() if scope.method == "POST" else {}
    if found.get("hang"):
        await asyncio.sleep(3600)
    if found.get("times", 1.0) > 1 and found.get("past_ms"):
        await asyncio.sleep((found["times"] - 1) * _random.choice(found["past_ms"]) / 1000)
    if found.get("plus_ms"):
        await asyncio.sleep(found["plus_ms"] / 1000)
    share = 0.6 if found.get("burst") and in_burst(found) else found.get("fail", 0.0)
    if share and _random.random() < share:
        protocol.response_bytes(500, [], b"{}")
        return
    await _plain(self, scope, protocol)


if __name__ == "__main__":
    ModelServer.__rsgi__ = faulty  # type: ignore[method-assign]
    sys.exit(main(sys.argv[2:]))
