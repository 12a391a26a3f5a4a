"""Which project reads what over a connection of the platform file, and by which secret."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from falaj.build.pipeline.sources import fingerprint
from falaj.config.connections import (
    ConnectionForbiddenError,
    ConnectionSecretError,
    ConnectionSpec,
    UnknownConnectionError,
)
from falaj.config.platform_spec import PlatformSpec
from falaj.config.secret_stores import SecretReference, SecretStoreSpec, parse_reference
from falaj.config.spec import ProjectSpec, SourceSpec
from falaj.control.retraining import events
from falaj.control.runs.connections import CheckoutConnections, PlatformConnections, watch_of
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.integrations.secret_stores import StoredSecret
from falaj.storage import Database, ReleaseRow
from falaj.supply_chain.encryption import KeyScope, open_chest
from falaj.trust.configuration import apply
from falaj.trust.secrets import PLATFORM, SecretNote, Vault, set_platform_secret
from tests.control.retraining.projects import NOW, registered
from tests.databases import migrated_sqlite
from tests.warehouses import PASSWORD, Warehouse, dwh, warehouse_server

__all__ = ["dwh", "warehouse_server"]

pytestmark = pytest.mark.integration
CLAIMS = SourceSpec(
    "claims", "sql://dwh", "internal", "AE", query="claims.sql", key=("id",), watch="select count(*) from claims"
)


@dataclass(frozen=True)
class Installed:
    """An installation with a database, and its secrets."""

    database: Database
    vault: Vault

    def apply(self, *connections: ConnectionSpec) -> None:
        spec = replace(PlatformSpec.default(), connections={each.name: each for each in connections})
        with self.database.transaction() as session:
            apply(session, spec, "user:maryam", 5.0)

    def keep(self, name: str, value: str) -> None:
        with self.database.transaction() as session:
            set_platform_secret(session, self.vault, SecretNote(PLATFORM, name, 5.0, "user:maryam"), value)

    def connections(self, project: str = "p") -> PlatformConnections:
        return PlatformConnections(self.database, self.vault, project)


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    home = Home(tmp_path / "home", {}).prepare()
    return Installed(migrated_sqlite(tmp_path / "falaj.db"), Vault(open_chest(home), KeyScope(jurisdiction="AE")))


def refused(connections: PlatformConnections, source: SourceSpec = CLAIMS) -> FalajError:
    with pytest.raises(FalajError) as error:
        connections.open(source)
    return error.value


def test_a_connection_is_opened_with_its_secret(installed: Installed, dwh: Warehouse) -> None:
    installed.apply(dwh.connection.spec)
    assert isinstance(refused(installed.connections()), ConnectionSecretError)
    installed.keep("DWH_PASSWORD", PASSWORD)
    connection = installed.connections().open(CLAIMS)
    assert connection == dwh.connection
    assert installed.connections().open(SourceSpec("rows", "file://rows.csv", "internal", "AE")) is None


def test_another_project_is_refused(installed: Installed, dwh: Warehouse) -> None:
    installed.apply(replace(dwh.connection.spec, projects=("claims", "p")))
    assert isinstance(refused(installed.connections("p")), ConnectionSecretError)
    error = refused(installed.connections("others"))
    assert isinstance(error, ConnectionForbiddenError) and (error.code, error.exit_code) == ("connection.forbidden", 7)
    assert "not for the project `others`" in installed.connections("others").refusal(
        ProjectSpec("m", "o", data={"claims": CLAIMS})
    )


@pytest.mark.parametrize(
    ("origin", "jurisdiction", "home", "classification", "reason"),
    [
        ("AE", "AE", "AE", "personal", ""),
        ("AE-DU", "AE", "AE-AZ", "personal", ""),
        ("US", "AE", "AE", "internal", "says that its data comes from US"),
        ("US", "US", "AE", "internal", "internal data under the law of US would be kept in AE"),
        ("US", "US", "AE", "public", ""),
        ("AE", "AE", "ZZ", "internal", "a jurisdiction that nobody has named"),
        ("AE", "AE", "ZZ", "public", ""),
    ],
)
def test_data_stays_where_its_law_holds(
    installed: Installed, dwh: Warehouse, origin: str, jurisdiction: str, home: str, classification: str, reason: str
) -> None:
    installed.apply(replace(dwh.connection.spec, jurisdiction=jurisdiction))
    vault = replace(installed.vault, scope=KeyScope(jurisdiction=home))
    source = replace(CLAIMS, origin=origin, classification=classification)
    refusal = PlatformConnections(installed.database, vault, "p").refusal(ProjectSpec("m", "o", data={"c": source}))
    assert reason in refusal
    assert bool(refusal) == bool(reason)


def test_what_is_not_permitted_is_never_asked(installed: Installed, dwh: Warehouse) -> None:
    """Nothing listens there: an error about the law shows that nobody tried."""
    address = dwh.bounded(host="/nowhere").spec
    installed.apply(replace(address, jurisdiction="US"))
    installed.keep("DWH_PASSWORD", PASSWORD)
    with pytest.raises(ConnectionForbiddenError):
        fingerprint(CLAIMS, installed.connections().open)


def test_names_that_lead_nowhere_say_what_was_meant(installed: Installed, dwh: Warehouse) -> None:
    lake = ConnectionSpec("lake", "s3", "AE")
    installed.apply(replace(dwh.connection.spec, name="warehouse"), lake)
    error = refused(installed.connections(), replace(CLAIMS, source="sql://warehuose"))
    assert isinstance(error, UnknownConnectionError) and error.hint == "did you mean `warehouse`?"
    assert "of kind s3" in refused(installed.connections(), replace(CLAIMS, source="sql://lake")).message


def test_new_rows_are_noticed_by_the_watch(installed: Installed, dwh: Warehouse) -> None:
    installed.apply(dwh.connection.spec)
    installed.keep("DWH_PASSWORD", PASSWORD)
    table = registered(installed.database, {"on": "event", "source": "claims", "poll_s": 60.0})
    with installed.database.transaction() as session:
        row = session.get_one(ReleaseRow, ("m", 1))
        row.data = {**row.data, "sources": {"claims": CLAIMS.source}, "watches": {"claims": watch_of(CLAIMS)}}

    def state_of(tick: events.RetrainingTick) -> str | None:
        return fingerprint(tick.spec, installed.connections(tick.project).open)

    def look(now: float) -> list[str]:
        with installed.database.reading() as session:
            due = events.due_looks(session, now)
        observations = [events.look_at(each, state_of) for each in due]
        with installed.database.transaction() as session:
            requests = [events.note_seen(session, table, each, now) for each in observations]
        return [each.state if each else "-" for each in requests] + [
            each.problem for each in observations if each.problem
        ]

    assert look(NOW) == ["-"]
    assert look(NOW + 61) == ["-"]
    dwh.run("insert into claims (id) values (6)")
    assert look(NOW + 122) == ["started"]
    installed.apply(replace(dwh.connection.spec, projects=("others",)))
    dwh.run("insert into claims (id) values (7)")
    states = look(NOW + 183)
    assert states[0] == "-" and "not for the project `p`" in states[1]


def test_a_checkout_reads_by_the_platform_file_beside_it(
    tmp_path: Path, dwh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dwh.connection.spec.database
    home = Home(tmp_path / "home", {"FALAJ_JURISDICTION": "AE"}).prepare()
    with pytest.raises(UnknownConnectionError):
        CheckoutConnections(home).open(CLAIMS)
    (home.root / "platform.yaml").write_text(
        f"connections:\n  dwh: {{kind: postgres, host: {dwh.connection.spec.database.host}, database: dwh,"
        " user: reader, jurisdiction: AE, projects: [claims], secrets: {password: DWH_PASSWORD}}\n"
    )
    with pytest.raises(ConnectionSecretError, match="DWH_PASSWORD is not set"):
        CheckoutConnections(home).open(CLAIMS)
    monkeypatch.setenv("DWH_PASSWORD", PASSWORD)
    connection = CheckoutConnections(home).open(CLAIMS)
    assert connection and connection.secrets == {"password": PASSWORD}
    assert fingerprint(CLAIMS, CheckoutConnections(home).open)


def test_a_secret_of_a_store_is_read_when_the_source_is(
    installed: Installed, dwh: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounted").mkdir()
    platform = replace(
        PlatformSpec.default(),
        connections={"dwh": dwh.connection.spec},
        secret_stores={"mounted": SecretStoreSpec("mounted", "file", path=str(tmp_path / "mounted"))},
        secrets={"DWH_PASSWORD": parse_reference("mounted:dwh")},
    )
    with installed.database.transaction() as session:
        apply(session, platform, "user:maryam", 5.0)
    assert refused(installed.connections()).code == "secret-store.missing"
    installed.keep("DWH_PASSWORD", "what-is-kept-here-does-not-count")
    (tmp_path / "mounted" / "dwh").write_text(f"{PASSWORD}\n")
    connection = installed.connections().open(CLAIMS)
    assert connection and connection.secrets == {"password": PASSWORD}
    assert connection.versions["password"].startswith("mounted:dwh version 20")
    assert fingerprint(CLAIMS, installed.connections().open)
    assert PASSWORD.encode() not in (tmp_path / "falaj.db").read_bytes()


def test_a_secret_of_a_vault_is_read_by_a_credential_that_is_kept_here(
    installed: Installed, dwh: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, asked_with = parse_reference("corp:data/falaj/dwh#password"), []

    def read(store: SecretStoreSpec, references: list[SecretReference], credential: str) -> dict[SecretReference, Any]:
        asked_with.append((store.name, credential))
        return {each: StoredSecret(PASSWORD, "7") for each in references}

    monkeypatch.setattr("falaj.control.runs.connections.read_secrets", read)
    store = SecretStoreSpec("corp", "vault", "https://vault.example.org", role="falaj", secret="VAULT_SECRET_ID")
    platform = replace(
        PlatformSpec.default(), connections={"dwh": dwh.connection.spec}, secret_stores={"corp": store},
        secrets={"DWH_PASSWORD": reference},
    )  # fmt: skip
    with installed.database.transaction() as session:
        apply(session, platform, "user:maryam", 5.0)
    assert "VAULT_SECRET_ID is not set" in refused(installed.connections()).message
    installed.keep("VAULT_SECRET_ID", "credential-of-the-role")
    connection = installed.connections().open(CLAIMS)
    assert asked_with == [("corp", "credential-of-the-role")]
    assert connection and connection.versions == {"password": "corp:data/falaj/dwh#password version 7"}
