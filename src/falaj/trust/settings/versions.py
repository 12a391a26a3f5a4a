"""The applied versions of the platform's settings: the newest holds, and none is ever changed."""

from __future__ import annotations

from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.core.egress import EgressRules
from falaj.storage.facts import FactSubject
from falaj.storage.sealed import is_recorded, memory, require_standing, stands
from falaj.storage.settings_tables import SettingsRow

SUBJECT = "platform"
_DEFAULT = PlatformSpec.default()
_NEWEST = FactSubject(SettingsRow.__tablename__, "newest")


def current(session: Session) -> PlatformSpec:
    """Return what holds now; `PlatformSpec.default()` where nothing was applied.

    Every request asks this, so a version is read, verified and parsed once in a process.

    Raises:
        FactMissingError: The newest version is not in the database any more (`facts.missing`).
    """
    version_key, remembered = _version_subject(_version(session)), memory(session)
    cached_spec = remembered.get(version_key)
    if isinstance(cached_spec, PlatformSpec):
        return cached_spec
    spec = spec_of(newest(session))
    if is_recorded(session, version_key):
        remembered[version_key] = spec
    return spec


def egress(session: Session) -> EgressRules:
    """What the platform connects to: public addresses, this machine, and what the platform file names."""
    return EgressRules(current(session).private_egress, loopback=True)


def history(session: Session, limit: int = 20) -> list[SettingsRow]:
    """Return the applied versions, the newest first."""
    return list(session.scalars(select(SettingsRow).order_by(SettingsRow.version.desc())))[:limit]


def newest(session: Session) -> SettingsRow | None:
    """Return the version that holds; None where nothing was applied.

    Raises:
        FactMissingError: It is not in the database any more (`facts.missing`).
    """
    version = _version(session)
    row = session.get(SettingsRow, version) if version else None
    require_standing(session, _version_subject(version), row)
    return row


def _version(session: Session) -> int:
    """The number of the newest version that was applied: no lower than known here, and higher by signed rows alone."""
    remembered = memory(session)
    version = start = cast("int", remembered.get(_NEWEST, 0))
    while stands(session, _version_subject(version + 1)) or session.get(SettingsRow, version + 1) is not None:
        version += 1
    if version > start and is_recorded(session, _version_subject(version)):
        remembered[_NEWEST] = version
        remembered.pop(_version_subject(start), None)
    return version


def _version_subject(version: int) -> FactSubject:
    return FactSubject(SettingsRow.__tablename__, str(version))


def spec_of(row: SettingsRow | None) -> PlatformSpec:
    """What a version says; the default where there is none."""
    return _DEFAULT if row is None else PlatformSpec.from_json(row.spec)
