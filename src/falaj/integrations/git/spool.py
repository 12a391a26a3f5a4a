"""What hooks could not deliver while the server was down; the server reads it when it starts and now and then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 16 * 1024


@dataclass(frozen=True)
class SpooledPush:
    """A push to a repository on this machine.

    Args:
        project: Name of the project.
        ref: Full ref.
        before: Commit before; zeros when the ref is new.
        after: Commit after; zeros when the ref was deleted.
        delivery: Unique id.
    """

    project: str
    ref: str
    before: str
    after: str
    delivery: str


def drain(home: Path, take: Callable[[SpooledPush], None]) -> int:
    """Hand every spooled push to `take`, oldest first, and forget those that it returns from.

    A push may come twice, from here and from its hook: `take` must not mind. One on which it raises stays for the
    next time and does not hold up the others.

    Args:
        home: Root of the installation.
        take: Records one push durably.

    Returns:
        How many were taken.

    Raises:
        ExceptionGroup: What `take` raised, after all pushes were tried.
    """
    drained_count, failures = 0, []
    for path, push in list(_waiting(home / "spool" / "pushes")):
        try:
            take(push)
        except Exception as error:  # collected and raised below
            failures.append(error)
            continue
        path.unlink(missing_ok=True)
        drained_count += 1
    if failures:
        raise ExceptionGroup(f"{len(failures)} spooled pushes were not taken", failures)
    return drained_count


def _waiting(folder: Path) -> Iterator[tuple[Path, SpooledPush]]:
    for path in sorted(folder.glob("[!.]*.json"), key=_age):
        push = _read(path)
        if push is None:
            path.rename(path.with_suffix(".unreadable"))
        else:
            yield path, push


def _age(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0  # its hook has just delivered it


def _read(path: Path) -> SpooledPush | None:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_BYTES))
        push = SpooledPush(**content)
    except (ValueError, TypeError, RecursionError):
        return None
    return push if all(isinstance(value, str) for value in vars(push).values()) else None
