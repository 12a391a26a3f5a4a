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
_state: dict[str, Any] = {"read": 0.0, "fault": {}, "burst_until": 0.0, "burst_looked": 0.0}
_plain = ModelServer.__rsgi__


def fault() -> dict[str, Any]:
    now = time.monotonic()
    if now - _state["read"] > 1.0:
        _state["read"] = now
        _state["fault"] = json.loads(FAULT.read_text()) if FAULT.exists() else {}
    return _state["fault"]


def in_burst(fault_settings: dict[str, Any]) -> bool:
    now = time.monotonic()
    waited, _state["burst_looked"] = now - _state["burst_looked"], now
    if _random.random() < fault_settings.get("burst", 0.0) * min(waited, 10.0) / 60:
        _state["burst_until"] = now + fault_settings.get("burst_s", 2.0)
    return now < _state["burst_until"]


async def faulty(self: ModelServer, scope: Any, protocol: Any) -> None:
    fault_settings = fault() if scope.method == "POST" else {}
    if fault_settings.get("hang"):
        await asyncio.sleep(3600)
    if fault_settings.get("times", 1.0) > 1 and fault_settings.get("past_ms"):
        await asyncio.sleep((fault_settings["times"] - 1) * _random.choice(fault_settings["past_ms"]) / 1000)
    if fault_settings.get("plus_ms"):
        await asyncio.sleep(fault_settings["plus_ms"] / 1000)
    share = 0.6 if fault_settings.get("burst") and in_burst(fault_settings) else fault_settings.get("fail", 0.0)
    if share and _random.random() < share:
        protocol.response_bytes(500, [], b"{}")
        return
    await _plain(self, scope, protocol)


if __name__ == "__main__":
    ModelServer.__rsgi__ = faulty  # type: ignore[method-assign]
    sys.exit(main(sys.argv[2:]))
