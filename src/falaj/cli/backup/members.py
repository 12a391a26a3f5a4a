"""Which files of a home are in a backup, and how (pure, but for looking at the folder)."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

FORMAT = "falaj-backup/1"
MANIFEST, MAC, SECRETS = "manifest.json", "manifest.mac", "secrets.sealed"
FILES = "home/"
"""Prefix of the names of members that are files of the home."""

_SECRET_FILES = frozenset({"token", "oidc-secret"})
_LEFT_OUT = frozenset({"cache", "spool", "supervisor.lock", "supervisor.json"})
_OF_LOCATIONS = frozenset({"models", "envoy", "references", "replicas", "agent.lock"})
"""What agents make anew from what the control plane tells them."""
_OBJECTS = frozenset({"blobs", "manifests"})


def is_secret(name: str) -> bool:
    """Whether a file goes into the encrypted part."""
    return name.startswith("keys/") or name in _SECRET_FILES


def is_database(name: str) -> bool:
    """Whether a file is copied by SQLite's own backup."""
    return name.endswith(".db")


def is_object(name: str) -> bool:
    """Whether a file is content of the artifact store: the larger part of a home, and named by its digest."""
    store, _, rest = name.partition("/")
    return store == "store" and rest.partition("/")[0] in _OBJECTS


def names_of(root: Path) -> Iterator[str]:
    """The files of a home that a backup holds, in an order in which what is named comes after what names it.

    References and refs come before the objects that they name: what is added meanwhile is no more than unnamed.
    """
    names = (str(path.relative_to(root)) for path in root.rglob("*") if stat.S_ISREG(path.lstat().st_mode))
    yield from sorted(filter(_belongs, names), key=lambda name: (is_object(name), "/objects/" in name, name))


def _belongs(name: str) -> bool:
    first, *rest = name.split("/")
    if first in _LEFT_OUT or name.endswith((".db-wal", ".db-shm", ".lock")):
        return False
    match first, rest:
        case "runs", [_, "logs", *_]:
            return True
        case "runs", _:
            return False
        case "locations", [_, part, *_]:
            return part not in _OF_LOCATIONS
        case "store", [part, *_]:
            return part not in ("tmp", "seen")
    return True
