"""Who can write to the database, and has no key, makes no person, no right, no setting and no endpoint by it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.control.notary.errors import NotBelievableError
from falaj.control.notary.service import Office
from falaj.control.releases import owner_of
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.principal import PrincipalKind
from falaj.storage import Base, Database, EndpointRow, ProjectRow, ReleaseWithdrawalRow
from falaj.storage.caller_tables import CallerRow
from falaj.storage.change_tables import SignedChangeRow
from falaj.storage.facts import Fact, FactMissingError, FactSubject, Mark
from falaj.storage.federation_tables import CeremonyRow, FederatedSubjectRow, GrantRow, LoginRow, SecurityKeyRow
from falaj.storage.identity_tables import AccountRow, ApprovalKeyRow, LinkRow, SessionRow, TokenRow
from falaj.storage.ownership_tables import ModelOwnerRow
from falaj.storage.policy_tables import RoleBindingRow
from falaj.storage.sealed import SealedRow, SideDoorError, examine, subject_of, table_of
from falaj.storage.sealed.rows import sealed_mappers
from falaj.storage.settings_tables import SettingsRow
from falaj.storage.workload_tables import CertificateRow, EnrolmentRow
from falaj.supply_chain.attestations.keyring import FACT, MODEL_OWNER
from falaj.trust import configuration, identity, settings
from falaj.trust.identity import NewAccount, accounts, authenticate
from falaj.trust.policy import bindings_of
from tests.databases import scratch_fact_store

pytestmark = pytest.mark.integration

NOW = 1_800_000_000.0
LATER = NOW + 3_600.0
ANA = "user:ana"
SAMPLES: list[Callable[[], Any]] = [
    lambda: AccountRow(id="user:omar", tenant="default", source="local", groups=[], created_at=NOW, created_by=ANA),
    lambda: RoleBindingRow(principal=ANA, role="admin", granted_by=ANA, granted_at=NOW),
    lambda: SessionRow(
        id="s1", digest="0" * 64, account=ANA, method="login", authenticated_at=NOW, expires_at=LATER, used_at=NOW
    ),
    lambda: TokenRow(
        id="t1", digest="0" * 64, account=ANA, label="ci", actions=["read"], audience="api", created_at=NOW,
        created_by=ANA, expires_at=LATER,
    ),
    lambda: LinkRow(id="l1", digest="0" * 64, purpose="password", account=ANA, created_at=NOW, expires_at=LATER),
    lambda: ApprovalKeyRow(key_id="k1", account=ANA, pem="", envelope={}, not_before=NOW, not_after=LATER),
    lambda: SettingsRow(
        version=1, spec={}, digest="d", text="", differences=[], keys={}, envelope={}, actor=ANA, at=NOW
    ),
    lambda: ModelOwnerRow(model="delay", project="flights", since=NOW, decided_by=ANA),
    lambda: EndpointRow(
        location="local", environment="prod", model="delay", release=1, version=1, plan={"a": 0.5}, status={},
        updated_at=NOW,
    ),
    lambda: CallerRow(
        id="c-1", environment="prod", model="delay", name="till", kind="token", created_at=NOW, created_by=ANA,
        expires_at=LATER,
    ),
    lambda: SignedChangeRow(
        id="c1", model="delay", release=1, digest="d", environment="prod", kind="normal", requester=ANA,
        challenge=False, expires_at=LATER,
    ),
    lambda: ReleaseWithdrawalRow(model="delay", number=1, state="revoked", at=NOW, decided_by=ANA),
    lambda: EnrolmentRow(
        id="e1", part="agent", location="dubai", digest="0" * 64, created_at=NOW, created_by=ANA, expires_at=LATER
    ),
    lambda: CertificateRow(serial="c1", enrolment="e0", issued_at=NOW, expires_at=LATER),
    lambda: FederatedSubjectRow(issuer="https://idp", subject="1", account=ANA, first_at=NOW),
    lambda: LoginRow(
        state_digest="a", browser_digest="b", issuer="i", nonce="n", verifier="v", challenge="c", return_to="/",
        expires_at=LATER,
    ),
    lambda: GrantRow(code_digest="g", challenge="c", person={"name": "ana"}, expires_at=LATER),
    lambda: SecurityKeyRow(
        id="w1", account=ANA, credential="c", public_key="p", sign_count=3, label="key", created_at=NOW
    ),
    lambda: CeremonyRow(challenge="h", account=ANA, purpose="step-up", expires_at=LATER),
]  # fmt: skip
CHANGES = {
    "accounts": ("locked_reason", "stole"), "role_bindings": ("role", "release-manager"),
    "identity_sessions": ("step_up_at", NOW + 1), "identity_tokens": ("revoked_at", NOW + 1),
    "identity_links": ("used_at", NOW + 1), "approval_keys": ("revoked_at", NOW + 1),
    "platform_settings": ("digest", "e"), "model_owners": ("project", "loans"), "endpoints": ("release", 2),
    "endpoint_callers": ("ended_at", NOW + 1), "release_withdrawals": ("state", "verified"),
    "signed_changes": ("ended_as", "rejected"),
    "workload_enrolments": ("ended_at", NOW + 1), "workload_certificates": ("expires_at", LATER + 1),
    "federation_subjects": ("account", "user:root"), "federation_logins": ("challenge", "d"),
    "federation_grants": ("challenge", "d"), "security_keys": ("public_key", "q"),
    "security_key_ceremonies": ("finished_at", NOW + 1),
}  # fmt: skip
"""A column of each table, and a value that permits more, or takes back."""


def _kind(sample: Callable[[], Any]) -> str:
    return str(type(sample()).__tablename__)


def test_no_sealed_table_is_left_out() -> None:
    sealed = {mapper for mapper in Base.registry.mappers if issubclass(mapper.class_, SealedRow)}
    assert set(sealed_mappers()) == sealed and {table_of(each.class_) for each in sealed} == set(map(_kind, SAMPLES))


@pytest.fixture
def standing(database: Database) -> Database:
    """What the rows of the samples refer to."""
    with database.transaction() as session:
        for name in ("ana", "root"):
            new_account = NewAccount(PrincipalKind.USER, name, accounts.LOCAL, f"{name}@example.org")
            accounts.create(session, new_account, ANA, NOW)
        for name in ("flights", "loans"):
            session.add(ProjectRow(name=name, repository="/r", branch="main", created_at=NOW))
        session.add(
            EnrolmentRow(
                id="e0", part="agent", location="dubai", digest="0" * 64, created_at=NOW, created_by=ANA,
                expires_at=LATER,
            )
        )  # fmt: skip
    return database


def _write(database: Database, row: SealedRow) -> dict[str, Any]:
    """Write a fact as the platform does; return its key."""
    with database.transaction() as session:
        session.add(row)
    return {column.name: getattr(row, column.name) for column in type(row).__table__.primary_key}  # type: ignore[attr-defined]


def _find(database: Database, kind: type[SealedRow], key: dict[str, Any]) -> Any:
    with database.reading() as session:
        return session.get(kind, tuple(key.values()))


def _raw(database: Database, kind: type[SealedRow], key: dict[str, Any]) -> dict[str, Any]:
    table = Base.metadata.tables[table_of(kind)]
    query = select(table).where(*(table.c[name] == value for name, value in key.items()))
    with database.engine.connect() as connection:
        return dict(connection.execute(query).mappings().one())


def _overwrite(database: Database, kind: type[SealedRow], key: dict[str, Any], values: dict[str, Any]) -> None:
    """What an attacker does: rows as they like, by SQL."""
    table = Base.metadata.tables[table_of(kind)]
    mine = [table.c[name] == value for name, value in key.items()]
    with database.engine.begin() as connection:
        if connection.execute(table.update().where(*mine).values(**values)).rowcount == 0:
            connection.execute(table.insert().values(**values))


def _erase(database: Database, kind: type[SealedRow], key: dict[str, Any]) -> None:
    table = Base.metadata.tables[table_of(kind)]
    with database.engine.begin() as connection:
        connection.execute(table.delete().where(*(table.c[name] == value for name, value in key.items())))


def test_every_sealed_table_has_a_sample() -> None:
    sealed = {table_of(each.class_) for each in Base.registry.mappers if issubclass(each.class_, SealedRow)}
    assert sealed == {_kind(sample) for sample in SAMPLES} == CHANGES.keys()


@pytest.mark.parametrize("sample", SAMPLES, ids=_kind)
def test_what_the_platform_wrote_is_read(standing: Database, sample: Callable[[], Any]) -> None:
    row = sample()
    key = _write(standing, row)
    stored_fact = _find(standing, type(row), key)
    assert stored_fact is not None and stored_fact.seal == row.seal
    with standing.reading() as session:
        assert examine(session) == []


@pytest.mark.parametrize("sample", SAMPLES, ids=_kind)
def test_an_invented_row_is_none(standing: Database, sample: Callable[[], Any]) -> None:
    row = sample()
    key = _write(standing, row)
    seal, values = row.seal, _raw(standing, type(row), key)
    other = {name: value + 1 if isinstance(value, int) else f"{value}x" for name, value in key.items()}
    if "account" in values and type(row) is FederatedSubjectRow:
        values["account"] = "user:root"
    for claimed in (seal, "", "1.." + "A" * 88, seal.replace("1.", "9.", 1)):
        _overwrite(standing, type(row), other, {**values, **other, "seal": claimed})
        assert _find(standing, type(row), other) is None
    with standing.reading() as session:
        assert [(each.kind, each.subject) for each in examine(session)] == [
            (table_of(type(row)), "/".join(map(str, other.values())))
        ]


@pytest.mark.parametrize("sample", SAMPLES, ids=_kind)
def test_an_altered_row_is_none(standing: Database, sample: Callable[[], Any]) -> None:
    row = sample()
    key = _write(standing, row)
    column, value = CHANGES[_kind(sample)]
    _overwrite(standing, type(row), key, {column: value})
    assert _find(standing, type(row), key) is None
    assert standing.facts is not None
    (refusal,) = standing.facts.take_refusals()
    assert (refusal.kind, refusal.reason) == (_kind(sample), "it is not what was signed")


@pytest.mark.parametrize("sample", SAMPLES, ids=_kind)
def test_an_earlier_row_that_is_put_back_is_none(standing: Database, sample: Callable[[], Any]) -> None:
    row = sample()
    key = _write(standing, row)
    earlier = _raw(standing, type(row), key)
    column, value = CHANGES[_kind(sample)]
    with standing.transaction() as session:
        setattr(session.get_one(type(row), tuple(key.values())), column, value)
    assert getattr(_find(standing, type(row), key), column) == value
    _overwrite(standing, type(row), key, earlier)
    assert _find(standing, type(row), key) is None


@pytest.mark.parametrize("sample", [each for each in SAMPLES if not type(each()).permanent], ids=_kind)
def test_a_row_that_was_taken_back_stays_away(standing: Database, sample: Callable[[], Any]) -> None:
    row = sample()
    key = _write(standing, row)
    earlier = _raw(standing, type(row), key)
    with standing.transaction() as session:
        session.delete(session.get_one(type(row), tuple(key.values())))
    _overwrite(standing, type(row), key, earlier)
    assert _find(standing, type(row), key) is None


@pytest.mark.parametrize("sample", [each for each in SAMPLES if type(each()).permanent], ids=_kind)
def test_a_row_that_is_missing_is_not_made_again(standing: Database, sample: Callable[[], Any]) -> None:
    row = sample()
    key = _write(standing, row)
    _erase(standing, type(row), key)
    with pytest.raises(FactMissingError):
        _write(standing, sample())
    with standing.reading() as session:
        (missing,) = examine(session)
    assert (missing.kind, missing.subject) == (_kind(sample), subject_of(row).digest[:16])


def test_a_session_by_insert_proves_nobody(standing: Database) -> None:
    secret = secrets.token_urlsafe(32)
    values = {
        "id": "made", "digest": hashlib.sha256(secret.encode()).hexdigest(), "account": ANA, "method": "password",
        "authenticated_at": NOW, "step_up_at": NOW, "step_up_method": "login", "expires_at": LATER, "used_at": NOW,
        "seal": "",
    }  # fmt: skip
    _overwrite(standing, SessionRow, {"id": "made"}, values)
    with standing.reading() as session:
        assert authenticate(session, f"falaj-session.made.{secret}", NOW) is None


def test_a_role_by_insert_permits_nothing(standing: Database) -> None:
    values = {
        "id": "made", "tenant": "default", "principal": ANA, "role": "admin", "granted_by": "user:root",
        "granted_at": NOW, "seal": "",
    }  # fmt: skip
    _overwrite(standing, RoleBindingRow, {"id": "made"}, values)
    with standing.reading() as session:
        ana = accounts.principal_of(session.get_one(AccountRow, ANA), authenticated_at=NOW)
        assert bindings_of(session, ana) == ()


def test_settings_by_insert_do_not_hold(standing: Database) -> None:
    spec = PlatformSpec.default()
    values = {
        "version": 99, "spec": {**spec.to_json(), "policy_packs": ["uae"]}, "digest": "d", "text": "",
        "differences": [], "keys": {}, "envelope": {}, "actor": ANA, "at": NOW, "seal": "",
    }  # fmt: skip
    _overwrite(standing, SettingsRow, {"version": 99}, values)
    with standing.reading() as session:
        assert settings.current(session) == spec and settings.newest(session) is None


def test_without_the_newest_settings_nothing_is_decided(standing: Database, tmp_path: Path) -> None:
    spec = PlatformSpec.default()
    for packs in (("uae",), ()):
        with standing.transaction() as session:
            configuration.apply(session, PlatformSpec(spec.environments, spec.locations, policy_packs=packs), ANA, NOW)
    _erase(standing, SettingsRow, {"version": 2})
    assert standing.facts is not None
    standing.facts.memory.clear()  # as in a process that starts now
    with standing.reading() as session, pytest.raises(FactMissingError):
        settings.current(session)


def test_a_model_whose_owner_is_missing_is_nobodys_to_claim(standing: Database) -> None:
    _write(standing, ModelOwnerRow(model="delay", project="flights", since=NOW, decided_by=ANA))
    _erase(standing, ModelOwnerRow, {"model": "delay"})
    with standing.reading() as session, pytest.raises(FactMissingError):
        owner_of(session, "delay")


def test_a_lock_cannot_be_undone_by_deleting_the_account(standing: Database) -> None:
    with standing.transaction() as session:
        identity.administration.lock(session, session.get_one(AccountRow, ANA), "left", "user:root", NOW)
    _erase(standing, AccountRow, {"id": ANA})
    with standing.transaction() as session, pytest.raises(FactMissingError):
        accounts.create(session, NewAccount(PrincipalKind.USER, "ana", accounts.LOCAL, "a@example.org"), ANA, NOW)


def test_a_query_cannot_forget_to_verify(standing: Database) -> None:
    sides = [
        select(AccountRow.id), select(AccountRow).limit(1), select(ProjectRow).join(ModelOwnerRow),
        select(ProjectRow).where(ProjectRow.name.in_(select(ModelOwnerRow.project))),
    ]  # fmt: skip
    for query in sides:
        with standing.reading() as session, pytest.raises(SideDoorError):
            session.execute(query)
    for change in (update(AccountRow).values(locked_at=None), AccountRow.__table__.update(), delete(AccountRow)):  # type: ignore[attr-defined]
        with standing.transaction() as session, pytest.raises(SideDoorError):
            session.execute(change)


def test_each_fact_is_verified_once_in_a_process(standing: Database) -> None:
    assert standing.facts is not None
    fresh = Database(standing.url, standing.facts)
    seals = standing.facts.seals
    seals._verified.clear()
    before = seals.verifications
    for _ in range(3):
        with fresh.reading() as session:
            assert session.get(AccountRow, ANA) is not None
    fresh.close()
    assert seals.verifications - before == 1


@pytest.fixture
def second(standing: Database, tmp_path: Path) -> Iterator[Database]:
    """Another process on the same database, with the same file of numbers."""
    assert standing.facts is not None
    other_database = Database(standing.url, scratch_fact_store(_file_of(standing)))
    yield other_database
    other_database.close()


def _file_of(database: Database) -> Path:
    assert database.facts is not None
    return Path(database.facts.versions._db.execute("PRAGMA database_list").fetchone()[2])


def _lock(session: Session) -> None:
    session.get_one(AccountRow, ANA).locked_at = NOW


def test_another_process_refuses_what_this_one_replaced(standing: Database, second: Database) -> None:
    earlier = _raw(standing, AccountRow, {"id": ANA})
    with standing.transaction() as session:
        _lock(session)
    _overwrite(standing, AccountRow, {"id": ANA}, earlier)
    assert _find(second, AccountRow, {"id": ANA}) is None


def test_a_reader_that_began_before_sees_what_was_then(standing: Database) -> None:
    with standing.reading() as reader:
        reader.scalars(select(ProjectRow)).all()  # its view of the database is taken now, where views are taken
        with standing.transaction() as session:
            _lock(session)
        assert reader.get(AccountRow, ANA) is not None


def test_a_process_that_dies_after_the_commit_locks_nobody_out(standing: Database, second: Database) -> None:
    assert standing.facts is not None
    record, standing.facts.record = standing.facts.record, lambda _marks: None  # type: ignore[method-assign]
    with standing.transaction() as session:
        _lock(session)
    standing.facts.record = record  # type: ignore[method-assign]
    assert _find(second, AccountRow, {"id": ANA}).locked_at == NOW  # what was committed counts, and is recorded
    earlier = {**_raw(standing, AccountRow, {"id": ANA}), "locked_at": None}
    _overwrite(standing, AccountRow, {"id": ANA}, earlier)
    assert _find(standing, AccountRow, {"id": ANA}) is None


def test_what_was_rolled_back_locks_nobody_out(standing: Database) -> None:
    with pytest.raises(FalajError), standing.transaction() as session:
        _lock(session)
        session.flush()
        raise SideDoorError("not this time")
    with standing.transaction() as session:
        savepoint = session.begin_nested()
        _lock(session)
        session.flush()
        savepoint.rollback()
    assert _find(standing, AccountRow, {"id": ANA}).locked_at is None


def test_numbers_of_what_has_ended_are_forgotten_and_others_stay(standing: Database) -> None:
    assert standing.facts is not None
    versions = standing.facts.versions
    for sample in (SAMPLES[2], SAMPLES[1]):
        _write(standing, sample())
    versions.prune(LATER + 1)
    assert versions.standing("identity_sessions") == set()
    assert len(versions.standing("role_bindings")) == 1 and len(versions.standing("accounts")) == 2


def test_the_notary_seals_the_first_owner_of_a_model_and_nothing_else(tmp_path: Path) -> None:
    office = Office(Home(tmp_path, {}).prepare())
    fact = Fact(FactSubject("model_owners", "delay"), 1, {"model": "delay", "project": "flights"})
    assert office.sign_owner(fact.message(MODEL_OWNER))
    others = [
        replace(fact, number=2).message(MODEL_OWNER),
        replace(fact, subject=FactSubject("accounts", "user:eve")).message(MODEL_OWNER),
        fact.message(FACT),
        b"",
    ]
    for message in others:
        with pytest.raises(NotBelievableError):
            office.sign_owner(message)
    office.versions.record([Mark(fact.subject, 1)])
    with pytest.raises(NotBelievableError, match="has an owner"):
        office.sign_owner(fact.message(MODEL_OWNER))
