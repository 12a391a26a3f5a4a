"""From declared steps to results: the graph, the names of results, the environment, and the engine that runs steps.

`execute` runs a project's pipeline on one machine. `graph`, `imports` and `fingerprint` are pure; `environment`,
`workspace` and `sources` prepare what steps stand on.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from falaj.build.pipeline.engine import execute
    from falaj.build.pipeline.events import Emit, RunEvent
    from falaj.build.pipeline.graph import StepNode, expand
    from falaj.build.pipeline.result import PipelineResult, StepResult, StepState
    from falaj.build.pipeline.sources import SourceSnapshot, resolve

_PLACES = {
    "Emit": "events",
    "RunEvent": "events",
    "PipelineResult": "result",
    "SourceSnapshot": "sources",
    "StepNode": "graph",
    "StepResult": "result",
    "StepState": "result",
    "execute": "engine",
    "expand": "graph",
    "resolve": "sources",
}

__all__ = [
    "Emit",
    "PipelineResult",
    "RunEvent",
    "SourceSnapshot",
    "StepNode",
    "StepResult",
    "StepState",
    "execute",
    "expand",
    "resolve",
]


def __getattr__(name: str) -> Any:
    """Import a part when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
