"""Known vulnerabilities: matching locked packages with a folder of advisories in the OSV format.

The folder is given, not fetched: an export such as https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip,
unpacked, or the repository of the Python Packaging Advisory Database.

Source: Open Source Vulnerability schema 1.6, https://ossf.github.io/osv-schema/ (evaluation of `affected`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from falaj.build.checks.context import CheckError
from falaj.build.checks.lockfiles import LockedPackage, normalised

ECOSYSTEM = "PyPI"


@dataclass(frozen=True)
class Advisory:
    """One advisory about one package.

    Attributes:
        identifier: `PYSEC-...`, `GHSA-...` or `CVE-...`.
        package: Normalised name.
        summary: What is wrong, in one line.
        versions: Affected versions that are listed one by one.
        ranges: Affected ranges as events in order: `("introduced" | "fixed" | "last_affected", version)`.
        aliases: Its other identifiers.
    """

    identifier: str
    package: str
    summary: str
    versions: frozenset[str]
    ranges: tuple[tuple[tuple[str, str], ...], ...]
    aliases: tuple[str, ...] = ()

    def affects(self, version: str) -> bool:
        """Whether a version is affected; one that cannot be read counts as affected by any range."""
        return version in self.versions or any(_within(version, events) for events in self.ranges)

    @property
    def fixed_in(self) -> str:
        """The versions that fix it, or nothing."""
        return ", ".join(at for events in self.ranges for kind, at in events if kind == "fixed")


def _within(version: str, events: Iterable[tuple[str, str]]) -> bool:
    affected = False
    try:
        for kind, at in events:
            if kind == "introduced" and (at == "0" or Version(version) >= Version(at)):
                affected = True
            if kind == "fixed" and Version(version) >= Version(at):
                affected = False
            if kind == "last_affected" and Version(version) > Version(at):
                affected = False
    except InvalidVersion:
        return True
    return affected


def read_advisories(folder: Path) -> tuple[Advisory, ...]:
    """Every advisory of the folder and the folders below it that is about a Python package and not withdrawn.

    Raises:
        CheckError: The folder has no advisory, or a file is not in the OSV format.
    """
    files = sorted(folder.rglob("*.json"))
    advisories = tuple(advisory for file in files for advisory in _read(file))
    if not advisories:
        raise CheckError(f"no advisory for {ECOSYSTEM} in {len(files)} files", where=str(folder))
    return advisories


def _read(file: Path) -> Iterator[Advisory]:
    try:
        document = json.loads(file.read_text())
        if "withdrawn" not in document:
            yield from parse_advisory(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckError(f"not an advisory in the OSV format: {error!r}", where=str(file)) from error


def parse_advisory(document: Mapping[str, Any]) -> Iterator[Advisory]:
    """The advisory's statements about Python packages."""
    for affected in document.get("affected", []):
        package = affected.get("package", {})
        if package.get("ecosystem", "").partition(":")[0] == ECOSYSTEM:
            ranges = (one for one in affected.get("ranges", []) if one["type"] == "ECOSYSTEM")
            yield Advisory(
                identifier=document["id"],
                package=normalised(package["name"]),
                summary=str(document.get("summary") or document.get("details", "")).strip().partition("\n")[0][:200],
                versions=frozenset(affected.get("versions", [])),
                ranges=tuple(_events(one["events"]) for one in ranges),
                aliases=tuple(document.get("aliases", [])),
            )


def _events(events: Iterable[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Events by version; `introduced` before `fixed` at the same one."""

    def place(event: tuple[str, str]) -> tuple[Version, bool]:
        try:
            return Version(event[1]), event[0] != "introduced"
        except InvalidVersion:
            return Version("0"), event[0] != "introduced"

    return tuple(sorted((next(iter(event.items())) for event in events), key=place))


def match_advisories(
    packages: Iterable[LockedPackage], advisories: Iterable[Advisory]
) -> Iterator[tuple[LockedPackage, Advisory]]:
    """Each locked package with each advisory that affects it."""
    by_name: dict[str, list[Advisory]] = {}
    for advisory in advisories:
        by_name.setdefault(advisory.package, []).append(advisory)
    for package in packages:
        for advisory in by_name.get(package.name, []):
            if package.version and advisory.affects(package.version):
                yield package, advisory
