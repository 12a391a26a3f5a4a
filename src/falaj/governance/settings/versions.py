"""The applied versions of the platform's settings: the newest holds, and none is ever changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.governance.settings.differences import Difference, differences
from falaj.project.platform_spec import PlatformSpec
from falaj.storage.settings_tables import SettingsRow


@dataclass(frozen=True)
class Applied:
    """What an apply did.

    Attributes:
        version: The version that holds now; 0 while nothing was ever applied.
        differences: What it changed; none when the file says what held already, and then no version was made.
    """

    version: int
    differences: tuple[Difference, ...]


def current(session: Session) -> PlatformSpec:
    """Return what holds now; `PlatformSpec.default()` where nothing was applied."""
    row = newest(session)
    return PlatformSpec.default() if row is None else PlatformSpec.from_json(row.spec)


def apply(session: Session, spec: PlatformSpec, actor: str, now: float) -> Applied:
    """Make a specification the one that holds.

    Args:
        session: A transaction; the version, its evidence and its audit leaf are one commit.
        spec: What is to hold.
        actor: Principal id of who applies it.
        now: Unix seconds.
    """
    row = newest(session)
    version = 0 if row is None else row.version
    found = differences(current(session), spec)
    if not found:
        return Applied(version, ())
    made = SettingsRow(
        version=version + 1,
        spec=spec.to_json(),
        digest=digest(spec),
        text="",
        differences=[asdict(each) for each in found],
        keys={},
        envelope={},
        actor=actor,
        at=now,
    )
    session.add(made)
    session.flush()
    return Applied(made.version, found)


def history(session: Session, limit: int = 20) -> list[SettingsRow]:
    """Return the applied versions, the newest first."""
    return list(session.scalars(select(SettingsRow).order_by(SettingsRow.version.desc()).limit(limit)))


def newest(session: Session) -> SettingsRow | None:
    """Return the version that holds; None where nothing was applied."""
    return session.scalar(select(SettingsRow).order_by(SettingsRow.version.desc()).limit(1))


def digest(spec: PlatformSpec) -> str:
    """Return `sha256:` of a specification's meaning."""
    canonical = json.dumps(spec.to_json(), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
