"""Reading lockfiles: which packages, from where, with which hashes. Pure but for the reading of the file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from falaj.build.checks.context import CheckError

LOCKFILES = ("uv.lock", "requirements.txt")
_REQUIREMENT = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?P<pin>===?\s*(?P<version>[^\s;,]+))?(?P<rest>.*)$"
)
_COMMIT = re.compile(r"^[0-9a-f]{40}$")


@dataclass(frozen=True)
class LockedPackage:
    """One package of a lockfile.

    Attributes:
        name: Normalised as in PEP 503.
        version: Exact version; empty when it is not pinned.
        source: `registry`, `git`, `url`, `path` or `project` (lies in the checkout).
        hashed: Whether every file of it has a hash, or it is pinned to a full commit.
        line: 1-based line in the lockfile; 0 when unknown.
    """

    name: str
    version: str
    source: str
    hashed: bool
    line: int = 0


def normalised(name: str) -> str:
    """A project name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def find_lockfile(worktree: Path) -> Path | None:
    """The project's lockfile; None when it has none."""
    return next((worktree / name for name in LOCKFILES if (worktree / name).is_file()), None)


def locked_packages(worktree: Path) -> tuple[tuple[str, str], ...]:
    """Name and exact version of what the project's lockfile names; empty without a lockfile.

    Raises:
        CheckError: The lockfile cannot be read.
    """
    lockfile = find_lockfile(worktree)
    if lockfile is None:
        return ()
    return tuple((item.name, item.version) for item in read_lockfile(lockfile) if item.version)


def read_lockfile(path: Path) -> tuple[LockedPackage, ...]:
    """The packages of a `uv.lock` or a pip requirements file.

    Raises:
        CheckError: It is no such file.
    """
    text = path.read_text()
    if path.name != "uv.lock":
        return parse_requirements(text)
    try:
        return parse_uv_lock(text)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CheckError(f"the lockfile cannot be read: {error}", where=path.name) from error


def parse_uv_lock(text: str) -> tuple[LockedPackage, ...]:
    """The packages of a `uv.lock`."""
    lines = {match[1]: number for number, line in enumerate(text.splitlines(), 1) if (match := _NAME_LINE.match(line))}
    return tuple(_uv_package(entry, lines) for entry in tomllib.loads(text).get("package", []))


_NAME_LINE = re.compile(r'^name = "([^"]+)"')


def _uv_package(entry: dict[str, Any], lines: dict[str, int]) -> LockedPackage:
    source = entry["source"]
    kind = next((kind for kind in ("registry", "git", "url") if kind in source), "path")
    if kind == "path" and _within_project(next(iter(source.values()))):
        kind = "project"
    files = [*entry.get("wheels", []), *([entry["sdist"]] if "sdist" in entry else [])]
    hashed = bool(files) and all("hash" in file for file in files)
    if kind == "git":
        hashed = bool(_COMMIT.match(source["git"].rpartition("#")[2]))
    return LockedPackage(normalised(entry["name"]), entry.get("version", ""), kind, hashed, lines.get(entry["name"], 0))


def _within_project(path: str) -> bool:
    """Whether a path source lies in the checkout, where the commit pins it."""
    return not path.startswith(("/", ".."))


def parse_requirements(text: str) -> tuple[LockedPackage, ...]:
    """The packages of a requirements file as pip reads it; options other than hashes are left out."""
    requirements = []
    for number, line in _joined(text):
        if line.startswith("-") and not line.startswith(("-e", "--editable")):
            continue
        requirements.append(_requirement(line, number))
    return tuple(requirements)


def _joined(text: str) -> list[tuple[int, str]]:
    """Lines without comments, continued lines put together, with the number of their first line."""
    lines: list[tuple[int, str]] = []
    open_line = False
    for number, raw in enumerate(text.splitlines(), 1):
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        body = line.removesuffix("\\").strip()
        if open_line:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {body}")
        elif body:
            lines.append((number, body))
        open_line = line.endswith("\\") and (open_line or bool(body))
    return lines


def _requirement(line: str, number: int) -> LockedPackage:
    hashed = "--hash=" in line
    head = line.partition("--hash=")[0].strip()
    if "://" in head or head.startswith(("-e", "--editable", ".", "/")):
        name = normalised(head.partition("@")[0].strip().split()[-1]) if "@" in head else head
        kind = "git" if "git+" in head else ("url" if "://" in head else "path")
        commit = head.split("#")[0].rpartition("@")[2]
        return LockedPackage(name, "", kind, hashed or (kind == "git" and bool(_COMMIT.match(commit))), number)
    match = _REQUIREMENT.match(head)
    if match is None:
        return LockedPackage(head, "", "path", False, number)
    version = match["version"] or ""
    return LockedPackage(normalised(match["name"]), "" if "*" in version else version, "registry", hashed, number)
