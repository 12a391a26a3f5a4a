"""What travels about data keys and secrets; neither keys nor values do."""

from __future__ import annotations

from dataclasses import dataclass

from falaj.schemas import states


@dataclass(frozen=True)
class Key:
    """A data key: whose data it protects, what it may be used for, and which root key wraps it."""

    id: str
    tenant: str
    jurisdiction: str
    subject: str
    state: states.KeyState
    root: str
    created_at: float
    changed_at: float


@dataclass(frozen=True)
class Destroyed:
    """A destroyed key, and how many objects of the artifact store, now unreadable, were removed with it."""

    key: Key
    objects: int


@dataclass(frozen=True)
class Secret:
    """A secret of a project's steps, or of the platform when its project is empty, without its value."""

    project: str
    name: str
    updated_at: float
    updated_by: str
