"""From declared steps to results: the graph, the names of results, the environment, and the engine that runs steps.

`execute` runs a project's pipeline on one machine. `graph`, `imports` and `fingerprint` are pure; `environment`,
`workspace` and `sources` prepare what steps stand on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.build.pipeline.engine import execute
    from falaj.build.pipeline.events import Emit, RunEvent
    from falaj.build.pipeline.graph import StepNode, expand
    from falaj.build.pipeline.result import PipelineResult, StepResult, StepState
    from falaj.build.pipeline.sources import SourceSnapshot, resolve

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

__getattr__ = lazy_exports(
    __name__,
    {
        "engine": "execute",
        "events": "Emit RunEvent",
        "graph": "StepNode expand",
        "result": "PipelineResult StepResult StepState",
        "sources": "SourceSnapshot resolve",
    },
)
