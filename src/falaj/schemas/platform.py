"""What travels about the platform's settings: files that are planned and applied, versions, drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from falaj.schemas import states


@dataclass(frozen=True)
class SettingDifference:
    """One setting that an apply adds, removes or changes; `loosens` when less is asked for than before."""

    kind: states.DifferenceKind
    path: str
    before: Any
    after: Any
    loosens: bool


@dataclass(frozen=True)
class SettingsPlan:
    """What an apply would change; `version` is the one that holds now, 0 before the first."""

    version: int
    differences: list[SettingDifference]


@dataclass(frozen=True)
class SettingsVersion:
    """An applied version: its digest, who applied it when, and what it changed."""

    version: int
    digest: str
    actor: str
    applied_at: float | None
    differences: list[SettingDifference]


@dataclass(frozen=True)
class SettingsInForce:
    """What holds: the newest version with its specification, the file's text and the signed envelope of its apply."""

    version: int
    digest: str
    actor: str
    applied_at: float | None
    spec: dict[str, Any]
    text: str
    envelope: dict[str, Any]


@dataclass(frozen=True)
class DriftFinding:
    """One thing that is not as it was applied; `kind` is `file`, `endpoint`, `agent` or `key`."""

    kind: str
    subject: str
    message: str


@dataclass(frozen=True)
class Drift:
    """What a look at the installation found, when."""

    checked_at: float
    findings: list[DriftFinding]
