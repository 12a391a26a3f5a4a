"""The agent of a location: hears what must be served, admits it, makes it so, and says how it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from falaj.dataplane.agent.bootstrap import enrol_location, require_gateway_port, run, stop_location

__all__ = ["enrol_location", "require_gateway_port", "run", "stop_location"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from falaj.dataplane.agent import bootstrap

        return getattr(bootstrap, name)
    raise AttributeError(name)
