from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from falaj.config.platform_spec import LocationSpec, PlatformSpec
from falaj.storage import Database, EndpointRow, EventRow
from falaj.supply_chain.attestations import open_keyring
from falaj.trust import configuration, settings
from falaj.trust.settings import ConfigurationDrift, DriftInputs
from falaj.trust.settings.drift import SILENT_AFTER_S

pytestmark = pytest.mark.integration

DEFAULT = PlatformSpec.default()
NOW = 10_000.0


def endpoint(environment: str = "prod", location: str = "local", reported: int = 3, at: float = NOW) -> EndpointRow:
    return EndpointRow(
        location=location, environment=environment, model="flight-delay", release=3, version=1, plan={},
        status={"release": reported, "state": "ready"}, updated_at=at,
    )  # fmt: skip


def drift_kinds(
    database: Database, *rows: EndpointRow, surroundings: DriftInputs | None = None
) -> list[tuple[str, str]]:
    with database.transaction() as session:
        for row in rows:
            session.merge(row)
        drift_findings = settings.look(session, surroundings or DriftInputs(), NOW)
    return [(each.kind, each.subject) for each in drift_findings]


def test_what_is_as_it_was_applied_has_no_findings(database: Database) -> None:
    assert drift_kinds(database, endpoint()) == []


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        (endpoint("canary"), ("endpoint", "canary/flight-delay@local")),
        (endpoint(reported=2), ("agent", "prod/flight-delay@local")),
        (endpoint(at=NOW - SILENT_AFTER_S - 1), ("agent", "prod/flight-delay@local")),
    ],
)
def test_endpoints_and_agents(database: Database, row: EndpointRow, finding: tuple[str, str]) -> None:
    assert drift_kinds(database, row) == [finding]


def test_an_endpoint_at_a_foreign_location_also_misses_at_its_own(database: Database) -> None:
    assert drift_kinds(database, endpoint(location="moon")) == [
        ("endpoint", "prod/flight-delay@local"),
        ("endpoint", "prod/flight-delay@moon"),
    ]


def test_a_location_that_was_added_lacks_the_endpoint_that_others_have(database: Database) -> None:
    prod = replace(DEFAULT.environments["prod"], locations=("local", "dubai"))
    spec = replace(
        DEFAULT,
        environments={**DEFAULT.environments, "prod": prod},
        locations={**DEFAULT.locations, "dubai": LocationSpec("dubai")},
    )
    with database.transaction() as session:
        configuration.apply(session, spec, "user:noor", 1.0)
    assert drift_kinds(database, endpoint()) == [("endpoint", "prod/flight-delay@dubai")]


def test_the_file_is_held_against_what_was_applied(database: Database) -> None:
    newer = DriftInputs(file=replace(DEFAULT, policy_packs=("uae",)))
    assert drift_kinds(database, surroundings=newer) == [("file", "policy_packs.uae")]
    broken = DriftInputs(file_error="platform.yaml:3:1: no")
    assert drift_kinds(database, surroundings=broken) == [("file", "platform.yaml")]


def test_keys_that_changed_or_lie_open(database: Database, tmp_path: Path) -> None:
    open_keyring(tmp_path)
    with database.transaction() as session:
        origin = configuration.SettingsOrigin(keys=settings.fingerprints(tmp_path))
        configuration.apply(session, replace(DEFAULT, policy_packs=("uae",)), "user:noor", 1.0, origin)
    (tmp_path / "trusted.json").write_text("{}")
    (tmp_path / "log.pem.pub").unlink()
    (tmp_path / "admission.pem").chmod(0o644)
    (tmp_path / "newcomer.pem.pub").write_text("a key that nobody believes")
    now = DriftInputs(keys=settings.fingerprints(tmp_path), exposed=tuple(settings.exposed(tmp_path)))
    assert drift_kinds(database, surroundings=now) == [
        ("key", "admission.pem"),
        ("key", "log.pem.pub"),
        ("key", "trusted.json"),
    ]


ONE, OTHER = ConfigurationDrift("key", "a", "changed"), ConfigurationDrift("key", "b", "changed")


def test_an_alarm_is_raised_once_when_two_looks_agree_and_ends_once(database: Database) -> None:
    looks = [[ONE], [ONE], [ONE], [ONE, OTHER], [ONE, OTHER], [], []]
    drifts = []
    for turn, drift_findings in enumerate(looks):
        with database.transaction() as session:
            drifts.append(settings.remember(session, drift_findings, float(turn)))
    assert drifts == [(), (ONE,), (ONE,), (ONE,), (ONE, OTHER), (), ()]
    with database.reading() as session:
        events = session.scalars(select(EventRow).order_by(EventRow.id)).all()
    assert [(event.at, event.kind, len(event.data["findings"])) for event in events] == [
        (1.0, "platform.drift", 1),
        (4.0, "platform.drift", 2),
        (5.0, "platform.drift-ended", 0),
    ]


def test_what_is_seen_once_is_no_drift(database: Database) -> None:
    for turn, drift_findings in enumerate([[ONE], [], [ONE], []]):
        with database.transaction() as session:
            assert settings.remember(session, drift_findings, float(turn)) == ()
    with database.reading() as session:
        assert session.scalars(select(EventRow)).all() == []
