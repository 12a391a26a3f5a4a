"""What is, compared with what was applied: endpoints and agents, the file, the keys.

Drift is what two looks in a row find, so that a deployment on its way or a file being edited raises no alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.storage import EndpointRow, EventRow
from falaj.storage.facts import FactMissingError
from falaj.storage.sealed import examine
from falaj.storage.settings_tables import DriftRow
from falaj.trust.settings.differences import SettingDifference, differences
from falaj.trust.settings.keys import key_differences
from falaj.trust.settings.versions import SUBJECT, current, newest

SILENT_AFTER_S = 600.0
"""An agent that has said nothing of an endpoint for so long is taken to be away."""


@dataclass(frozen=True, order=True)
class ConfigurationDrift:
    """One thing that is not as it was applied.

    Attributes:
        kind: `file`, `endpoint`, `agent`, `key`, or `fact` for a row that was not written here.
        subject: What differs.
        message: How, in one sentence.
    """

    kind: str
    subject: str
    message: str


@dataclass(frozen=True)
class DriftInputs:
    """What a look sees beside the database.

    Attributes:
        file: What the platform file says; None where there is none, or it cannot be read.
        file_error: Why it cannot be read; empty otherwise.
        keys: Fingerprints of the keys that are there.
        exposed: Names of private keys that others may read.
    """

    file: PlatformSpec | None = None
    file_error: str = ""
    keys: Mapping[str, str] | None = None
    exposed: tuple[str, ...] = ()


def look(session: Session, surroundings: DriftInputs, now: float) -> tuple[ConfigurationDrift, ...]:
    """Find what is not as it was applied.

    Args:
        session: Reads settings and endpoints.
        surroundings: What is outside the database.
        now: Unix seconds.
    """
    facts = [ConfigurationDrift("fact", f"{each.kind}/{each.subject}", each.reason) for each in examine(session)]
    try:
        spec, row = current(session), newest(session)
    except FactMissingError:
        return tuple(sorted(facts))
    endpoints = session.scalars(select(EndpointRow)).all()
    recorded_keys = row.keys if row is not None else {}
    drifts = [
        *facts,
        *_of_file(spec, surroundings),
        *_misplaced(spec, endpoints),
        *_missing(spec, endpoints),
        *_of_agents(endpoints, now),
        *_of_keys(recorded_keys, surroundings),
    ]
    return tuple(sorted(drifts))


def remember(session: Session, findings: Sequence[ConfigurationDrift], now: float) -> tuple[ConfigurationDrift, ...]:
    """Keep what a look found; raise an event when what it shares with the look before is new, or has gone.

    Args:
        session: A transaction.
        findings: What the look found.
        now: Unix seconds.

    Returns:
        The drift: what this look and the one before it found.
    """
    row = session.get(DriftRow, 1)
    if row is None:
        row = DriftRow(id=1, checked_at=now, findings=[])
        session.add(row)
    before = {ConfigurationDrift(**each["finding"]): each["confirmed"] for each in row.findings}
    drift = tuple(each for each in findings if each in before)
    row.checked_at = now
    row.findings = [{"finding": asdict(each), "confirmed": each in before} for each in findings]
    alarmed = {each for each, confirmed in before.items() if confirmed}
    if set(drift) != alarmed:
        session.add(_event(drift, now))
    return drift


def _event(drift: Sequence[ConfigurationDrift], now: float) -> EventRow:
    data: dict[str, Any] = {"findings": [asdict(each) for each in drift]}
    return EventRow(at=now, subject=SUBJECT, kind="platform.drift" if drift else "platform.drift-ended", data=data)


def _of_file(spec: PlatformSpec, surroundings: DriftInputs) -> Iterator[ConfigurationDrift]:
    if surroundings.file_error:
        yield ConfigurationDrift("file", "platform.yaml", surroundings.file_error)
    if surroundings.file is not None:
        for each in differences(spec, surroundings.file):
            yield ConfigurationDrift("file", each.path, _file_words(each))


def _file_words(difference: SettingDifference) -> str:
    match difference.kind:
        case "added":
            return "the file has it, and it was not applied"
        case "removed":
            return "applied, and no longer in the file"
    return f"the file says {difference.after!r}, applied is {difference.before!r}"


def _misplaced(spec: PlatformSpec, endpoints: Iterable[EndpointRow]) -> Iterator[ConfigurationDrift]:
    """Endpoints where the settings know of none."""
    for row in endpoints:
        environment = spec.environments.get(row.environment)
        if environment is None:
            yield ConfigurationDrift("endpoint", _name(row), f"there is no environment '{row.environment}'")
        elif row.location not in environment.locations:
            yield ConfigurationDrift(
                "endpoint", _name(row), f"'{row.environment}' is not at the location '{row.location}'"
            )


def _missing(spec: PlatformSpec, endpoints: Sequence[EndpointRow]) -> Iterator[ConfigurationDrift]:
    """Locations of an environment that do not have an endpoint which its other locations have.

    Where constraints place releases, a location can lack one by right: `falaj location explain` says of each.
    """
    served = {(row.environment, row.model) for row in endpoints}
    endpoint_places = {(row.environment, row.model, row.location) for row in endpoints}
    for environment, model in sorted(served):
        listed = spec.environments.get(environment)
        for location in listed.locations if listed is not None and listed.placement is None else ():
            if (environment, model, location) not in endpoint_places:
                yield ConfigurationDrift(
                    "endpoint", f"{environment}/{model}@{location}", "other locations have it, this one not"
                )


def _of_agents(endpoints: Iterable[EndpointRow], now: float) -> Iterator[ConfigurationDrift]:
    for row in endpoints:
        reported = row.status.get("release")
        if now - row.updated_at > SILENT_AFTER_S:
            yield ConfigurationDrift("agent", _name(row), f"the agent of '{row.location}' has not reported of it")
        elif reported is not None and reported != row.release:
            yield ConfigurationDrift(
                "agent", _name(row), f"the agent reports release {reported}, it must be {row.release}"
            )


def _of_keys(recorded_keys: Mapping[str, str], surroundings: DriftInputs) -> Iterator[ConfigurationDrift]:
    for name in surroundings.exposed:
        yield ConfigurationDrift("key", name, "other users may read this private key")
    if surroundings.keys is not None:
        for each in key_differences(recorded_keys, surroundings.keys):
            yield ConfigurationDrift(
                "key", each.path.removeprefix("keys."), f"the file was {each.kind} after the last apply"
            )


def _name(row: EndpointRow) -> str:
    return f"{row.environment}/{row.model}@{row.location}"
