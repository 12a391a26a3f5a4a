from __future__ import annotations

import base64
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text

from falaj.config.platform_spec import BindingSpec, LocationSpec, PlatformSpec
from falaj.storage import Database, EndpointRow, EventRow
from falaj.supply_chain.attestations import SETTINGS, SigningRole, open_keyring, verify_envelope
from falaj.supply_chain.attestations.envelope import sign_statement
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.trust import audit, configuration, settings
from falaj.trust.configuration import SettingsOrigin
from falaj.trust.policy import PolicyError
from falaj.trust.settings import PlatformChangedError, PlatformInUseError

pytestmark = pytest.mark.integration

DEFAULT = PlatformSpec.default()
WITH_PACK = replace(DEFAULT, policy_packs=("uae",))
WITH_ROLE = replace(WITH_PACK, roles=(BindingSpec("auditor", group="audit"),))
DUBAI = {**DEFAULT.locations, "dubai": LocationSpec("dubai", jurisdiction="AE")}


def endpoint(environment: str = "prod", location: str = "local") -> EndpointRow:
    return EndpointRow(
        location=location, environment=environment, model="flight-delay", release=3, version=1, plan={}, status={},
        updated_at=0.0,
    )  # fmt: skip


def without(name: str) -> PlatformSpec:
    return replace(DEFAULT, environments={key: each for key, each in DEFAULT.environments.items() if key != name})


def test_the_default_holds_until_something_is_applied(database: Database) -> None:
    with database.reading() as session:
        assert settings.current(session) == DEFAULT
        assert configuration.plan(session, DEFAULT) == configuration.AppliedVersion(0, ())


def test_each_apply_is_a_version_and_the_newest_holds(database: Database) -> None:
    for number, spec in enumerate((WITH_PACK, WITH_ROLE), start=1):
        with database.transaction() as session:
            assert configuration.apply(session, spec, "user:noor", 100.0 * number).version == number
    with database.reading() as session:
        assert settings.current(session) == WITH_ROLE
        assert [(row.version, row.actor, row.at) for row in settings.history(session)] == [
            (2, "user:noor", 200.0),
            (1, "user:noor", 100.0),
        ]
        events = session.scalars(select(EventRow).where(EventRow.kind == "platform.applied")).all()
        assert [event.data["version"] for event in events] == [1, 2]


def test_applying_the_same_again_makes_no_version(database: Database) -> None:
    for _ in range(2):
        with database.transaction() as session:
            assert configuration.apply(session, WITH_PACK, "user:noor", 1.0).version == 1


def test_an_apply_leaves_evidence_that_verifies(database: Database, tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path / "keys")
    with database.transaction() as session:
        configuration.apply(
            session,
            WITH_PACK,
            "user:noor",
            1.0,
            SettingsOrigin("text", keyring.signer(SigningRole.PLATFORM)),
        )
    with database.reading() as session:
        row = settings.newest(session)
    assert row is not None
    settings_statement = verify_envelope(row.envelope, keyring.trusted())
    assert settings_statement.predicate_type == SETTINGS
    assert settings_statement.is_about(settings.digest(WITH_PACK))
    assert (settings_statement.predicate["version"], settings_statement.predicate["actor"]) == (1, "user:noor")
    payload = json.loads(base64.b64decode(row.envelope["payload"]))
    forged = {**row.envelope, "payload": base64.b64encode(json.dumps(payload).encode()).decode()}
    with pytest.raises(EvidenceError):
        verify_envelope(forged, keyring.trusted())
    with pytest.raises(EvidenceError):
        verify_envelope(sign_statement(settings_statement, keyring.signer(SigningRole.ADMISSION)), keyring.trusted())


def test_an_apply_against_an_old_plan_is_refused(database: Database) -> None:
    with database.transaction() as session:
        configuration.apply(session, WITH_PACK, "user:noor", 1.0, SettingsOrigin(base=0))
    with pytest.raises(PlatformChangedError) as raised, database.transaction() as session:
        configuration.apply(session, WITH_ROLE, "user:omar", 2.0, SettingsOrigin(base=0))
    assert raised.value.code == "platform.changed"


def test_of_two_applies_at_once_none_is_lost(database: Database) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def one(group: str) -> None:
        spec = replace(DEFAULT, roles=(BindingSpec("auditor", group=group),))
        together.wait()
        try:
            with database.transaction() as session:
                configuration.apply(session, spec, f"user:{group}", 1.0, SettingsOrigin(base=0))
            outcomes.append("applied")
        except PlatformChangedError:
            outcomes.append("refused")

    threads = [threading.Thread(target=one, args=(group,)) for group in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["applied", "refused"]


@pytest.mark.parametrize(
    ("row", "new", "reason"),
    [
        (endpoint("test"), without("test"), "the environment 'test' is to go"),
        (endpoint(), replace(DEFAULT, locations={"moon": LocationSpec("moon")}), "the location 'local' is to go"),
        (
            endpoint(),
            replace(
                DEFAULT,
                locations=DUBAI,
                environments={
                    **DEFAULT.environments,
                    "prod": replace(DEFAULT.environments["prod"], locations=("dubai",)),
                },
            ),
            "'prod' is to leave the location 'local'",
        ),
        (
            endpoint(),
            replace(DEFAULT, locations={"local": LocationSpec("local", jurisdiction="DE")}),
            "is to move from AE to DE",
        ),
    ],
)
def test_what_would_strand_an_endpoint_is_refused(
    database: Database, row: EndpointRow, new: PlatformSpec, reason: str
) -> None:
    with database.transaction() as session:
        session.merge(row)
    with pytest.raises(PlatformInUseError, match=reason) as raised, database.transaction() as session:
        configuration.apply(session, new, "user:noor", 1.0)
    assert raised.value.code == "platform.in-use"
    assert "serves release 3" in raised.value.message
    with pytest.raises(PlatformInUseError), database.reading() as session:
        configuration.plan(session, new)
    with database.reading() as session:
        assert settings.newest(session) is None


def test_what_nobody_uses_may_go(database: Database) -> None:
    with database.transaction() as session:
        session.merge(endpoint("prod"))
        assert configuration.apply(session, without("test"), "user:noor", 1.0).version == 1


def test_a_policy_that_does_not_load_is_refused(database: Database) -> None:
    broken = replace(DEFAULT, policies={"mine": "permit(principal, action"})
    with pytest.raises(PolicyError), database.transaction() as session:
        configuration.apply(session, broken, "user:noor", 1.0)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    open_keyring(folder)
    return folder


def test_a_replaced_key_is_a_difference_that_an_apply_accepts(database: Database, keys: Path) -> None:
    with database.transaction() as session:
        configuration.apply(session, WITH_PACK, "user:noor", 1.0, SettingsOrigin(keys=settings.fingerprints(keys)))
    (keys / "scanner.pem").unlink()
    (keys / "scanner.pem.pub").unlink()
    open_keyring(keys).signer(SigningRole.SCANNER)
    key_fingerprints = settings.fingerprints(keys)
    with database.transaction() as session:
        applied = configuration.apply(session, WITH_PACK, "user:noor", 2.0, SettingsOrigin(keys=key_fingerprints))
        assert [(each.path, each.kind, each.loosens) for each in applied.differences] == [
            ("keys.scanner.pem.pub", "changed", True)
        ]
    with database.reading() as session:
        assert configuration.plan(session, WITH_PACK, key_fingerprints) == configuration.AppliedVersion(2, ())


def test_an_apply_is_written_to_the_audit_log_or_does_not_happen(database: Database) -> None:
    with database.transaction() as session:
        configuration.apply(session, WITH_PACK, "user:noor", 1.0)
    with database.transaction() as session:
        (entry,) = audit.entries(session, audit.EntryFilter(kind="platform.applied"))
        assert entry.actor == "user:noor"
        session.execute(text("ALTER TABLE audit_leaves RENAME TO gone"))
    with pytest.raises(Exception, match="audit_leaves"), database.transaction() as session:
        configuration.apply(session, WITH_ROLE, "user:noor", 2.0)
    with database.reading() as session:
        newest = settings.newest(session)
        assert newest is not None and newest.version == 1
