"""Opening a store by its URL."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from falaj.core.errors import MissingExtraError, UsageError
from falaj.core.home import Home
from falaj.supply_chain.artifacts.backend import BlobBackend
from falaj.supply_chain.artifacts.encrypted import SealedBackend
from falaj.supply_chain.artifacts.errors import StoreSealedError
from falaj.supply_chain.artifacts.local import LocalBackend
from falaj.supply_chain.artifacts.stat_cache import StatCache
from falaj.supply_chain.artifacts.store import ArtifactStore
from falaj.supply_chain.encryption import home_scope, open_chest
from falaj.supply_chain.encryption.settings import Mode, mode

if TYPE_CHECKING:
    from falaj.supply_chain.encryption import Keystore

MARK = "sealed"
"""Key of the object that says of a place that everything in it is encrypted."""


def open_home_store(home: Home, chest: Keystore | None = None) -> ArtifactStore:
    """Open the store of an installation, encrypted as its settings ask for.

    A store that is still empty is encrypted from its beginning, unless `FALAJ_ENCRYPTION` is `off`. Whether a store is
    encrypted stands in the store and in the folder of keys, so that whoever can write to the store alone cannot make
    the next writer write in the clear.

    Args:
        home: Its address and its keys.
        chest: Its data keys, when they are open already.

    Raises:
        StoreSealedError: The store is not in the state that the settings, or the folder of keys, say it is in.
    """
    backend = open_backend(home.store_url)
    if not _is_sealed(backend, home):
        return _store(backend, backend)
    keys, scope = chest or open_chest(home), home_scope(home.settings)
    return _store(SealedBackend(backend, lambda: keys.current(scope), keys.find), backend)


def open_store(url: str) -> ArtifactStore:
    """Open a store that is not encrypted; a folder is made when it does not exist, a bucket must exist.

    Args:
        url: `/folder`, `file:///folder` or `s3://bucket/prefix?endpoint=http://host:port&region=name`; credentials
            for S3 come from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and the other usual variables.

    Raises:
        UsageError: `artifact.bad-url`.
        MissingExtraError: S3 is asked for and `falaj[s3]` is not installed.
        StoreSealedError: The folder is an encrypted store.
    """
    backend = open_backend(url)
    if isinstance(backend, LocalBackend) and backend.size(MARK) is not None:  # a bucket is not asked before its use
        raise StoreSealedError("this store is encrypted; its keys are in the installation's folder", where=backend.url)
    return _store(backend, backend)


def _store(backend: BlobBackend, place: BlobBackend) -> ArtifactStore:
    if isinstance(place, LocalBackend):
        return ArtifactStore(backend, stat_cache=StatCache(place.root / "seen", time.time))
    return ArtifactStore(backend)


def _is_sealed(backend: BlobBackend, home: Home) -> bool:
    """Whether a store is encrypted; settles it for one that is empty."""
    seal_mode, marked = mode(home.settings), backend.size(MARK) is not None
    noted = home.keys / "sealed-stores"
    is_noted = noted.exists() and home.store_url in noted.read_text().splitlines()
    if marked and seal_mode is Mode.OFF:
        raise StoreSealedError(
            "this store is encrypted, and FALAJ_ENCRYPTION is off", where=backend.url, hint="unset FALAJ_ENCRYPTION"
        )
    if not marked and seal_mode is not Mode.OFF and not is_noted and _is_empty(backend):
        backend.write(MARK, [b"everything here is encrypted\n"], 29)
        marked = True
    if not marked and (is_noted or seal_mode is Mode.ON):
        raise StoreSealedError(
            "this store must be encrypted, and says that it is not",
            where=backend.url,
            hint=f"if it is the right store, put back its object `{MARK}`; what lies in the clear needs another store",
            code="artifact.store-in-the-clear",
        )
    if marked and not is_noted:
        _note(noted, home.store_url)
    return marked


def _note(path: Path, url: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        file.write(f"{url}\n")


def _is_empty(backend: BlobBackend) -> bool:
    folders = ("manifests", "refs", "blobs")
    return all(next(iter(backend.entries(folder)), None) is None for folder in folders)


def open_backend(url: str) -> BlobBackend:
    """Open the place where a store keeps its bytes; see `open_store`."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return LocalBackend(Path(os.path.realpath(url)))
    if scheme == "file" and rest.startswith("/"):
        return LocalBackend(Path(os.path.realpath(unquote(rest))))
    if scheme == "s3":
        return _open_bucket(url)
    raise UsageError(
        f"{url!r} is not the address of an artifact store",
        hint="use a folder, file:///folder or s3://bucket/prefix?endpoint=...",
        code="artifact.bad-url",
    )


def _open_bucket(url: str) -> BlobBackend:
    try:
        from falaj.supply_chain.artifacts.s3 import connect
    except ModuleNotFoundError as error:
        raise MissingExtraError("s3", "an artifact store in S3") from error
    return connect(url)
