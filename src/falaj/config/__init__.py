"""`falaj.yaml`: reading, checking and describing it.

`load_project` reads the file strictly and says for every mistake where it is, what was expected and which
name was probably meant. The other rooms consume the plain dataclasses of `falaj.config.spec`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from falaj.config.spec import GateSpec, PrivacySpec, ProjectSpec, ServingSpec, SourceSpec, StepSpec, StrategySpec

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

_HOMES = {
    "GateSyntaxError": "gates",
    "Issue": "errors",
    "Project": "schema",
    "ProjectError": "errors",
    "create_project": "create",
    "json_schema": "schema",
    "load_project": "loading",
    "load_project_cached": "loading",
    "load_spec": "loading",
    "parse_gate": "gates",
}


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
