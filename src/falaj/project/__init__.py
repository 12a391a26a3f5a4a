"""`falaj.yaml`: reading, checking and describing it.

`load_project` reads the file strictly and says for every mistake where it is, what was expected and which
name was probably meant. The other rooms consume the plain dataclasses of `falaj.project.spec`.
"""

from __future__ import annotations

from falaj.project.spec import (
    GateSpec,
    ProjectSpec,
    ServingSpec,
    SourceSpec,
    StepSpec,
    StrategySpec,
)

__all__ = ["GateSpec", "ProjectSpec", "ServingSpec", "SourceSpec", "StepSpec", "StrategySpec"]
