"""Making a platform file the one that holds: what it would change, whether that can be, and the new version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.storage import EventRow
from falaj.storage.facts import FactMissingError
from falaj.storage.settings_tables import SettingsRow
from falaj.supply_chain.attestations import Signer
from falaj.trust.audit import record
from falaj.trust.configuration.acceptance import accept
from falaj.trust.settings.differences import SettingDifference, differences
from falaj.trust.settings.errors import PlatformChangedError
from falaj.trust.settings.evidence import SettingsPredicate, digest, plain_differences
from falaj.trust.settings.keys import key_differences
from falaj.trust.settings.versions import SUBJECT, newest, spec_of


@dataclass(frozen=True)
class AppliedVersion:
    """What an apply did.

    Attributes:
        version: The version that holds now; 0 while nothing was ever applied.
        differences: What it changed; none when the file says what held already, and then no version was made.
    """

    version: int
    differences: tuple[SettingDifference, ...]


@dataclass(frozen=True)
class SettingsOrigin:
    """Where a specification comes from and what the installation was like when it was applied.

    Attributes:
        text: The file's text, kept with the version.
        signer: Signs the evidence of the apply; None where an installation keeps none, as in tests.
        keys: Fingerprints of the installation's keys, which the apply accepts.
        base: The version that a plan was made against; None applies to whatever holds.
    """

    text: str = ""
    signer: Signer | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    base: int | None = None


def plan(session: Session, spec: PlatformSpec, keys: Mapping[str, str] | None = None) -> AppliedVersion:
    """Tell what an apply would do, without doing it.

    Args:
        session: Reads what holds.
        spec: What is to hold.
        keys: Fingerprints of the installation's keys.

    Returns:
        The version that holds, and the differences.

    Raises:
        PlatformInUseError: `platform.in-use`.
        PolicyError: `policy.invalid`.
    """
    row = newest(session)
    old = spec_of(row)
    accept(session, old, spec)
    plan_differences = differences(old, spec) + (
        key_differences(row.keys, keys or {}) if row is not None and keys else ()
    )
    return AppliedVersion(0 if row is None else row.version, plan_differences)


def apply(
    session: Session, spec: PlatformSpec, actor: str, now: float, origin: SettingsOrigin | None = None
) -> AppliedVersion:
    """Make a specification the one that holds.

    Args:
        session: A transaction; the version, its evidence and its place in the audit log are one commit.
        spec: What is to hold.
        actor: Principal id of who applies it.
        now: Unix seconds.
        origin: Where it comes from.

    Raises:
        PlatformChangedError: `platform.changed`, when another version holds than the plan was made against.
        PlatformInUseError: `platform.in-use`.
        PolicyError: `policy.invalid`.
    """
    origin = origin or SettingsOrigin()
    planned = plan(session, spec, origin.keys)
    if origin.base is not None and origin.base != planned.version:
        raise _changed(planned.version)
    if not planned.differences:
        return planned
    row = _row(newest(session), spec, planned, actor, now, origin)
    _insert(session, row)
    _write_entries(session, row)
    kinds = [each.path for each in planned.differences]
    session.add(
        EventRow(at=now, subject=SUBJECT, kind="platform.applied", data={"version": row.version, "paths": kinds})
    )
    return AppliedVersion(row.version, planned.differences)


def _row(
    previous: SettingsRow | None,
    spec: PlatformSpec,
    planned: AppliedVersion,
    actor: str,
    now: float,
    origin: SettingsOrigin,
) -> SettingsRow:
    predicate = SettingsPredicate(
        version=planned.version + 1,
        previous=None if previous is None else previous.digest,
        actor=actor,
        at=now,
        text_sha256=hashlib.sha256(origin.text.encode()).hexdigest(),
        differences=planned.differences,
    )
    return SettingsRow(
        version=predicate.version,
        spec=spec.to_json(),
        digest=digest(spec),
        text=origin.text,
        differences=plain_differences(planned.differences),
        keys=dict(origin.keys),
        envelope={} if origin.signer is None else predicate.sign(digest(spec), origin.signer),
        actor=actor,
        at=now,
    )


def _write_entries(session: Session, row: SettingsRow) -> None:
    """Who applied which version, and the envelope that says so: if the log fails, nothing is applied."""
    subject = f"platform@{row.version}"
    details = {"version": row.version, "digest": row.digest, "paths": [each["path"] for each in row.differences]}
    record.write(session, "platform.applied", row.actor, subject, row.at, details)
    if row.envelope:
        record.write_evidence(session, row.envelope, subject, row.actor, row.at)


def _insert(session: Session, row: SettingsRow) -> None:
    """Add a version; of two applies at once the database lets one through."""
    session.add(row)
    try:
        session.flush()
    except (IntegrityError, FactMissingError):
        raise _changed(row.version) from None


def _changed(version: int) -> PlatformChangedError:
    return PlatformChangedError(
        f"another apply was first: version {version} holds now",
        where="platform.yaml",
        hint="falaj platform plan shows what is left",
    )
