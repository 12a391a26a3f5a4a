"""Data keys as they are kept: wrapped by the root key, with what they are for (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from falaj.core.json_record import JsonRecord


class KeyState(StrEnum):
    """What a data key may be used for."""

    CURRENT = "current"
    RETIRED = "retired"
    """Opens what it encrypted; encrypts nothing new."""
    DESTROYED = "destroyed"
    """Gone; what it encrypted is erased."""


@dataclass(frozen=True, slots=True)
class KeyScope:
    """Whose data a key protects, and where.

    Args:
        tenant: The organisation.
        jurisdiction: ISO 3166 code of the place that the data may not leave; `ZZ` when it was not told.
        subject: The person whose data it is, when their data has a key of its own; empty for the tenant's.
    """

    tenant: str = "default"
    jurisdiction: str = "ZZ"
    subject: str = ""


@dataclass(frozen=True, slots=True)
class WrappedKey(JsonRecord):
    """A data key as it is kept.

    Args:
        id: UUID, 32 hex digits.
        scope: What it is for.
        state: What it may be used for.
        root: Name of the root key that wrapped it.
        wrapped: The key, encrypted by the root key, in base64; empty once destroyed.
        created_at: Unix seconds.
        changed_at: Unix seconds of its last change of state or wrapping.
    """

    id: str
    scope: KeyScope
    state: KeyState
    root: str
    wrapped: str
    created_at: float
    changed_at: float

    @property
    def context(self) -> str:
        """What the root key wraps it for; it unwraps for nothing else."""
        scope = self.scope
        return "|".join(("falaj/data-key", scope.tenant, scope.jurisdiction, scope.subject, self.id))

    def retired(self, now: float) -> WrappedKey:
        """The same, for reading only."""
        return replace(self, state=KeyState.RETIRED, changed_at=now) if self.state is KeyState.CURRENT else self

    def destroyed(self, now: float) -> WrappedKey:
        """What stays of it: that it was, and when it ended."""
        gone = replace(self, state=KeyState.DESTROYED, wrapped="", changed_at=now)
        return self if self.state is KeyState.DESTROYED else gone


def merged(*lists: Iterable[WrappedKey]) -> tuple[WrappedKey, ...]:
    """All keys of several lists, in the order of their creation.

    Of a key that is in more than one the newest change counts, and its destruction before everything: a list that
    comes from a backup brings no key back.
    """
    keys_by_id: dict[str, WrappedKey] = {}
    for key in (key for keys in lists for key in keys):
        current_key = keys_by_id.get(key.id)
        if current_key is None or _weight(key) > _weight(current_key):
            keys_by_id[key.id] = key
    return tuple(sorted(keys_by_id.values(), key=lambda key: (key.created_at, key.id)))


def newest(keys: Iterable[WrappedKey], scope: KeyScope) -> WrappedKey | None:
    """The key that encrypts what is new in a scope; None when there is none."""
    current = (key for key in keys if key.scope == scope and key.state is KeyState.CURRENT)
    return max(current, key=lambda key: (key.created_at, key.id), default=None)


def _weight(key: WrappedKey) -> tuple[bool, float, bool]:
    return key.state is KeyState.DESTROYED, key.changed_at, key.state is KeyState.RETIRED
