"""`falaj.yaml`: reading, checking and describing it.

`load_project` reads the file strictly and says for every mistake where it is, what was expected and which
name was probably meant. The other rooms consume the plain dataclasses of `falaj.config.spec`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.config.spec import GateSpec, PrivacySpec, ProjectSpec, ServingSpec, SourceSpec, StepSpec, StrategySpec
from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.config.create import create_project
    from falaj.config.errors import Issue, ProjectError
    from falaj.config.gates import GateSyntaxError, parse_gate
    from falaj.config.loading import load_project, load_project_cached, load_spec
    from falaj.config.schema import Project, json_schema

__all__ = [
    "GateSpec",
    "GateSyntaxError",
    "Issue",
    "PrivacySpec",
    "Project",
    "ProjectError",
    "ProjectSpec",
    "ServingSpec",
    "SourceSpec",
    "StepSpec",
    "StrategySpec",
    "create_project",
    "json_schema",
    "load_project",
    "load_project_cached",
    "load_spec",
    "parse_gate",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "create": "create_project",
        "errors": "Issue ProjectError",
        "gates": "GateSyntaxError parse_gate",
        "loading": "load_project load_project_cached load_spec",
        "schema": "Project json_schema",
    },
)
