"""Turns a data source into a pinned snapshot in the store."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from falaj.build.pipeline.connections import ConnectionOpener, OpenConnection, TableReading, no_connections
from falaj.build.pipeline.errors import SourceError
from falaj.config.source_files import is_lfs_pointer, plain_path
from falaj.config.spec import SourceSpec
from falaj.core.errors import FalajError, MissingExtraError
from falaj.core.venv.environment import Environment

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore, Digest


_ATTEMPTS = 3


@dataclass(frozen=True)
class SourceSnapshot:
    """The content of a source at one moment.

    Attributes:
        digest: The artifact: a file or a tree.
        description: Where it came from, in words.
        filename: Name of the file; its suffix says how to read it.
        kind: `file` or `folder`.
        table: What of another system's table was read; None for files.
    """

    digest: Digest
    description: str
    filename: str
    kind: str
    table: TableReading | None = None


class SourceReader(Protocol):
    """What a module offers that reads sources of a scheme."""

    def snapshot(
        self, source: SourceSpec, connection: OpenConnection | None, worktree: Path, store: ArtifactStore
    ) -> SourceSnapshot:
        """Pin what is there now."""

    def state_of(self, source: SourceSpec, connection: OpenConnection | None) -> str | None:
        """A text that changes whenever there is something new; None where nothing can be said cheaply."""


_READERS = {
    "s3": ("buckets", "s3"),
    "sql": ("databases", "sql"),
    "delta": ("delta_tables", "lake"),
    "iceberg": ("iceberg_tables", "lake"),
}
"""The module that reads sources of a scheme, and the extra that it needs."""


def _reader(scheme: str) -> SourceReader:
    """The reader of a scheme; it is imported when it is needed, since it imports libraries that not all have."""
    module, extra = _READERS[scheme]
    try:
        return cast("SourceReader", import_module(f"falaj.build.pipeline.{module}"))
    except ImportError:
        raise MissingExtraError(extra, f"reading {scheme}:// data sources") from None


def resolve(
    source: SourceSpec,
    environment: Environment,
    worktree: Path,
    store: ArtifactStore,
    connect: ConnectionOpener = no_connections,
) -> SourceSnapshot:
    """Read a source once and pin what was read.

    A file whose size and times are those of an earlier reading is not read again.

    Args:
        source: `package://NAME/path` is a file inside an installed package; `file://` one on this machine, relative
            to the project when it does not begin with a slash; `s3://bucket/prefix` objects; `sql://NAME` what its
            query gives; `delta://NAME/path` and `iceberg://NAME/path` a version of a table.
        environment: Where packages are looked for.
        worktree: The project's folder.
        store: Where the snapshot goes.
        connect: Gives the connection that a source names, once it is permitted.

    Raises:
        SourceError: It cannot be read; the message says what was looked for and where.
        UnknownConnectionError: It names a connection that there is not.
        ConnectionForbiddenError: It may not be read over its connection.
    """
    scheme, mark, rest = source.source.partition("://")
    if not mark:
        scheme, rest = "file", source.source
    match scheme:
        case "package":
            return _local(source, _in_package(source, rest, environment, worktree), store)
        case "file":
            return _local(source, plain_path(worktree, rest), store)
        case scheme if scheme in _READERS:
            return _reader(scheme).snapshot(source, connect(source), worktree, store)
    raise SourceError(
        f"data source `{source.name}`: there is no reader for `{scheme}://`",
        where=source.source,
        hint="package, file, s3, sql, delta and iceberg can be read",
    )


def fingerprint(source: SourceSpec, connect: ConnectionOpener = no_connections) -> str | None:
    """A digest that changes whenever a source has something new, without reading it.

    None for a source that changes only with a commit, because it is a file of the project or of a package, and for one
    of which nothing can be said cheaply.

    Args:
        source: Where it is, and of a database its `watch`.
        connect: Gives the connection that it names, once it is permitted.

    Raises:
        OSError: It is not there.
        Exception: What the client of a bucket raises.
    """
    url = source.source
    scheme, _, rest = url.partition("://")
    if scheme in _READERS:
        state = _reader(scheme).state_of(source, connect(source))
        return None if state is None else hashlib.sha256(state.encode()).hexdigest()
    path = plain_path(Path("/"), rest)
    if scheme == "file" and rest.startswith("/"):
        return hashlib.sha256("\n".join(_states(path)).encode()).hexdigest()
    return None


def forget(source: SourceSpec, store: ArtifactStore) -> None:
    """Make the next `resolve` read the source anew, because its snapshot is damaged."""
    for ref in [*store.refs(f"sources/{_name_key(source.source)}/")]:
        store.delete_ref(ref)


class SourceChangedError(Exception):
    """A source changed while it was read; reading it anew helps."""


def unchanged(source: SourceSpec, attempt: Callable[[], SourceSnapshot]) -> SourceSnapshot:
    """Read a source until it did not change meanwhile.

    Raises:
        SourceError: It changed during each of three attempts.
    """
    for _ in range(_ATTEMPTS):
        try:
            return attempt()
        except SourceChangedError:
            continue
    raise SourceError(
        f"data source `{source.name}`: it changed during each of {_ATTEMPTS} attempts to read it",
        where=source.source,
        hint="read a prefix or a folder that is written once",
    )


def pinned(
    store: ArtifactStore,
    url: str,
    state: str,
    read: Callable[[], SourceSnapshot],
    state_now: Callable[[], str] | None = None,
) -> SourceSnapshot:
    """The snapshot taken when the source was in this state before, or a new one.

    Args:
        store: Remembers snapshots by source and state.
        url: The source.
        state: A text that changes whenever its content does.
        read: Takes the snapshot.
        state_now: Asked again after reading; None where the reading itself notices a change.

    Raises:
        SourceChangedError: The source changed while it was read; nothing is remembered.
    """
    ref = f"sources/{_name_key(url)}/{hashlib.sha256(state.encode()).hexdigest()}"
    stored_json = store.get_ref(ref)
    if stored_json is not None:
        snapshot = _snapshot_of(json.loads(stored_json))
        if store.has(snapshot.digest):
            return snapshot
    snapshot = read()
    if state_now is not None and state_now() != state:  # what was read may be neither what was there nor what is
        raise SourceChangedError(url)
    store.set_ref(ref, json.dumps(asdict(snapshot)).encode())
    return snapshot


def _snapshot_of(document: dict[str, Any]) -> SourceSnapshot:
    table = document.pop("table", None)
    return SourceSnapshot(**document, table=None if table is None else TableReading.from_json(table))


def _name_key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def _in_package(source: SourceSpec, rest: str, environment: Environment, worktree: Path) -> Path:
    places = [*environment.site_packages, worktree / "src", worktree]
    for place in places:
        if (path := plain_path(place, rest)).exists():
            return path
    package = rest.partition("/")[0]
    installed = any((place / package).is_dir() for place in places)
    what = f"`{package}` is installed but has no such file" if installed else f"`{package}` is not installed"
    hint = "check the path" if installed else "add it to the project's dependencies and lock"
    raise SourceError(f"data source `{source.name}`: {what}", where=source.source, hint=hint)


def _local(source: SourceSpec, path: Path, store: ArtifactStore) -> SourceSnapshot:
    def state() -> str:
        try:
            return "\n".join([str(path), *_states(path)])
        except OSError as error:
            raise _unreadable(source, path, error) from error

    return unchanged(source, lambda: pinned(store, source.source, state(), lambda: _put(source, path, store), state))


def _put(source: SourceSpec, path: Path, store: ArtifactStore) -> SourceSnapshot:
    try:
        pointer = _lfs_pointer(path)
    except OSError as error:
        raise _unreadable(source, path, error) from error
    if pointer is not None:
        verb = "is" if pointer == path else "holds"
        raise SourceError(
            f"data source `{source.name}` {verb} a pointer of Git LFS whose content is not fetched",
            where=str(pointer),
            hint="`git lfs pull` fetches it for `falaj run`; for the platform keep the file in git, or in a bucket",
        )
    try:
        digest = store.put(path).digest
    except OSError as error:
        raise _unreadable(source, path, error) from error
    except FalajError as error:
        if error.code == "artifact.unsupported":
            raise _unreadable(source, path, error) from error
        raise
    return SourceSnapshot(digest, source.source, path.name, "folder" if path.is_dir() else "file")


def _lfs_pointer(path: Path) -> Path | None:
    """The file itself, or the first in a folder, that Git LFS has not fetched."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return next((file for file in files if file.is_file() and is_lfs_pointer(file)), None)


def _unreadable(source: SourceSpec, path: Path, error: Exception) -> SourceError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SourceError(f"data source `{source.name}` cannot be read: {reason}", where=str(path))


def _states(path: Path) -> Iterator[str]:
    """Size, times and identity of each file; any change of content changes one of them."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        status = os.stat(file)  # noqa: PTH116 - raises for what is not there, and follows links
        yield f"{file.relative_to(path)} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
