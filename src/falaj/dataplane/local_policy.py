"""What a location knows of itself and asks for, whatever the control plane says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from falaj.dataplane.errors import LocationRulesError
from falaj.supply_chain.attestations import EvidenceError, TrustedKey, read_trusted_keys
from falaj.supply_chain.attestations.canonical import parse
from falaj.supply_chain.attestations.keyring import TRUSTED

FILE = "rules.json"
DAY_S = 86_400.0
_CALLER = re.compile(r"[a-z0-9-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAMES = frozenset({"jurisdiction", "floors", "approval_keys", "keep_predictions_days", "label_senders"})


@dataclass(frozen=True)
class LocationRules:
    """The location's own terms, from its own disk.

    Args:
        location: Its name.
        jurisdiction: Where it lies, such as `AE`; None when it was not told, and then an admission says it.
        floors: The least number of approvals by environment, whatever an admission asks for.
        approval_keys: Ids of the keys whose approvals count, by environment; where none are named, the control plane
            says whose keys are people's.
        keep_predictions_s: The least time that predictions are kept, whatever the control plane says, in seconds.
        label_senders: Pseudonyms of callers whose labels may move answers, by name.
    """

    location: str
    jurisdiction: str | None = None
    floors: Mapping[str, int] = field(default_factory=dict)
    keep_predictions_s: float = 0.0
    label_senders: Mapping[str, str] = field(default_factory=dict)
    approval_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def unpinned(self) -> tuple[str, ...]:
        """Environments whose floor people satisfy whom the control plane alone vouches for."""
        return tuple(sorted(name for name, least in self.floors.items() if least and name not in self.approval_keys))


def read_rules(folder: Path, location: str) -> LocationRules:
    """Read `rules.json` of a location's folder; without one the location asks for nothing more than is signed.

    Example: `{"jurisdiction": "AE", "floors": {"prod": 2}, "approval_keys": {"prod": ["9f86...", "60303..."]}}`

    Raises:
        LocationRulesError: The file is there and cannot be understood; then nothing is admitted.
    """
    path = folder / FILE
    if not path.exists():
        return LocationRules(location)
    try:
        value: Any = parse(path.read_bytes(), where=str(path))
    except EvidenceError as error:
        raise LocationRulesError(error.message, where=str(path)) from error
    match value:
        case {**rest} if not rest.keys() - _NAMES:
            floors = _floors(rest.get("floors"), path)
            return LocationRules(
                location,
                _text(rest.get("jurisdiction"), path),
                floors,
                _days(rest.get("keep_predictions_days"), path) * DAY_S,
                _senders(rest.get("label_senders"), path),
                _approval_keys(rest.get("approval_keys"), floors, path),
            )
        case _:
            raise _wrong(f"expected {', '.join(sorted(_NAMES))}, and nothing else", path)


def trusted_keys(folder: Path) -> Mapping[str, TrustedKey]:
    """Public keys that this location believes, from its own disk and never from the control plane.

    Args:
        folder: Holds `trusted.json`; public keys that merely lie there are not believed.

    Raises:
        EvidenceError: The file is missing or cannot be read.
    """
    return read_trusted_keys(folder / TRUSTED)


def _text(value: Any, path: Path) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong("`jurisdiction` is a text such as AE", path)
    return value


def _floors(value: Any, path: Path) -> Mapping[str, int]:
    match value:
        case None:
            return {}
        case dict() if all(type(count) is int and count >= 0 for count in value.values()):
            return value
        case _:
            raise _wrong("`floors` are whole numbers by environment", path)


def _approval_keys(value: Any, floors: Mapping[str, int], path: Path) -> Mapping[str, frozenset[str]]:
    match value:
        case None:
            return {}
        case dict() if all(isinstance(keys, list) and all(map(_is_key_id, keys)) for keys in value.values()):
            for environment, keys in value.items():
                if not 0 < floors.get(environment, 0) <= len(set(keys)):
                    raise _wrong(f"`approval_keys` of {environment} are for a floor of 1 to {len(set(keys))}", path)
            return {environment: frozenset(keys) for environment, keys in value.items()}
        case _:
            raise _wrong("`approval_keys` are lists of key ids by environment: SHA-256 in hex", path)


def _is_key_id(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _senders(value: Any, path: Path) -> Mapping[str, str]:
    match value:
        case None:
            return {}
        case dict() if all(isinstance(each, str) and _CALLER.fullmatch(each) for each in value.values()):
            return value
        case _:
            raise _wrong("`label_senders` are pseudonyms of callers such as c-0123456789abcdef, by name", path)


def _days(value: Any, path: Path) -> int:
    match value:
        case None:
            return 0
        case int() if type(value) is int and value >= 0:
            return value
        case _:
            raise _wrong("`keep_predictions_days` is a whole number", path)


def _wrong(reason: str, path: Path) -> LocationRulesError:
    return LocationRulesError(f"the rules of this location cannot be read: {reason}", where=str(path))
