"""The dependency audit: is everything locked with hashes, and is anything locked that is known to be vulnerable?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from falaj.build.checks.advisories import match_advisories, read_advisories
from falaj.build.checks.context import CheckContext, CheckError
from falaj.build.checks.lockfiles import LOCKFILES, LockedPackage, find_lockfile, read_lockfile
from falaj.build.checks.results import CheckResult, CheckValue, Finding


def check(context: CheckContext) -> CheckResult:
    """Audit the lockfile without the network.

    Options: `advisories`, a folder of OSV advisories (absolute, or within the project); `ignore`, identifiers of
    advisories that were judged not to matter.
    """
    lockfile = find_lockfile(context.worktree)
    if lockfile is None:
        raise CheckError("the project has no lockfile", hint=f"commit one of {', '.join(LOCKFILES)}")
    packages = tuple(package for package in read_lockfile(lockfile) if package.source != "project")
    loose = [finding for package in packages for finding in _loose(package, lockfile.name)]
    vulnerable, against = _vulnerable(context, packages, lockfile.name)
    findings = tuple(loose + vulnerable)
    values = (
        CheckValue("not pinned", len(loose), 0, "<=", not loose),
        CheckValue("vulnerable", len(vulnerable), 0, "<=", not vulnerable),
    )
    summary = f"{len(packages)} packages of {lockfile.name}, {len(loose)} not pinned, {against}"
    return CheckResult("dependencies", not findings, summary, len(packages), values, {}, findings)


def _loose(package: LockedPackage, lockfile: str) -> Iterator[Finding]:
    if package.source == "registry" and not package.version:
        yield Finding(lockfile, package.line, "no-version", f"{package.name} has no exact version")
    elif package.source in ("git", "url", "path") and not package.hashed:
        yield Finding(
            lockfile, package.line, f"unpinned-{package.source}", f"{package.name} can change without a trace"
        )
    elif not package.hashed:
        yield Finding(lockfile, package.line, "no-hash", f"{package.name} has no hash")


def _vulnerable(context: CheckContext, packages: tuple[LockedPackage, ...], lockfile: str) -> tuple[list[Finding], str]:
    """Findings, and in words what the packages were held against."""
    options = context.options("dependencies")
    if "advisories" not in options:
        return [], "not held against advisories (option `advisories` is not set)"
    folder = context.worktree / Path(options["advisories"])
    if not folder.is_dir():
        raise CheckError("the folder of advisories does not exist", where=str(folder))
    advisories = read_advisories(folder)
    ignored = set(options.get("ignore", ()))
    findings = [
        Finding(
            lockfile,
            package.line,
            advisory.identifier,
            f"{package.name} {package.version}: {advisory.summary}"
            + (f" (fixed in {advisory.fixed_in})" if advisory.fixed_in else ""),
        )
        for package, advisory in match_advisories(packages, advisories)
        if not ignored.intersection({advisory.identifier, *advisory.aliases})
    ]
    return findings, f"{len(findings)} vulnerable by {len({advisory.identifier for advisory in advisories})} advisories"
