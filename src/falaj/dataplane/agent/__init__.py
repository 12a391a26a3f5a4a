"""The agent of a location: hears what must be served, admits it, makes it so, and says how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.dataplane.agent.bootstrap import enrol_location, require_gateway_port, run, stop_location

__all__ = ["enrol_location", "require_gateway_port", "run", "stop_location"]

__getattr__ = lazy_exports(
    __name__,
    {
        "bootstrap": "enrol_location require_gateway_port run stop_location",
    },
)
