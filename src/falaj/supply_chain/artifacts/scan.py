"""Walking what is to be put: which files a path holds, and which of them no artifact can hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from falaj.supply_chain.artifacts.errors import ArtifactUnsupportedError


@dataclass(frozen=True, slots=True)
class ScanMatch:
    """One thing below the path that is put.

    Attributes:
        path: Relative to it, with `/`; empty for the path itself.
        source: Where to read the bytes.
        status: What `stat` said; a folder appears only when it is empty.
    """

    path: str
    source: str
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether this is an (empty) folder."""
        return stat.S_ISDIR(self.status.st_mode)


def scan(root: Path) -> Iterator[ScanMatch]:
    """Every file and empty folder below a path; a link inside the tree counts as what it points to.

    Args:
        root: A file or a folder; when it is a link, what it points to.

    Raises:
        ArtifactUnsupportedError: A link leaves the tree, leads nowhere or to a folder above it; a device, pipe or
            socket; a name that is not UTF-8; a file that may not be read.
        FileNotFoundError: The path does not exist.
    """
    real = os.path.realpath(root, strict=True)
    status = os.stat(real)  # noqa: PTH116 - `real` may not be decodable; os keeps it as it is
    if stat.S_ISDIR(status.st_mode):
        yield from _scan_folder((real,), "")
    else:
        yield _regular(ScanMatch("", real, status))


def _scan_folder(chain: tuple[str, ...], prefix: str) -> Iterator[ScanMatch]:
    """Scan the last folder of the chain that leads to it from the root."""
    for entry in _entries(chain[-1]):
        path = f"{prefix}{entry.name}"
        _check_name(path, entry.path)
        source = _follow(chain, entry) if entry.is_symlink() else entry.path
        status = os.stat(source)  # noqa: PTH116
        if stat.S_ISDIR(status.st_mode):
            yield from _scan_nonempty((*chain, source), ScanMatch(path, source, status))
        else:
            yield _regular(ScanMatch(path, source, status))


def _scan_nonempty(chain: tuple[str, ...], folder: ScanMatch) -> Iterator[ScanMatch]:
    empty = True
    for scan_match in _scan_folder(chain, f"{folder.path}/"):
        empty = False
        yield scan_match
    if empty:
        yield folder


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except PermissionError as error:
        raise ArtifactUnsupportedError("the folder may not be read", where=folder) from error


def _follow(chain: tuple[str, ...], link: os.DirEntry[str]) -> str:
    try:
        target = os.path.realpath(link.path, strict=True)
    except OSError as error:
        raise ArtifactUnsupportedError(
            f"the link leads nowhere ({os.readlink(link.path)})",  # noqa: PTH115
            where=link.path,
            hint="remove the link, or put what it should point to in its place",
        ) from error
    root = chain[0]
    if target != root and not target.startswith(root + os.sep):
        raise ArtifactUnsupportedError(
            f"the link leaves the tree, to {target}",
            where=link.path,
            hint="copy the target into the tree; an artifact holds everything it needs",
        )
    if target in chain:
        raise ArtifactUnsupportedError(
            "the link leads to a folder that it is in", where=link.path, hint="remove the link"
        )
    return target


def _regular(scan_match: ScanMatch) -> ScanMatch:
    if not stat.S_ISREG(scan_match.status.st_mode):
        raise ArtifactUnsupportedError(
            f"{_KINDS.get(stat.S_IFMT(scan_match.status.st_mode), 'something special')} cannot be part of an artifact",
            where=scan_match.source,
            hint="an artifact holds files and folders only",
        )
    return scan_match


def _check_name(path: str, source: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ArtifactUnsupportedError(
            "the file name is not UTF-8",
            where=os.fsencode(source).decode(errors="backslashreplace"),
            hint="rename the file",
        ) from error


_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}
