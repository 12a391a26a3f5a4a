"""Attacks on changes and approvals: each is refused, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from falaj.control import changes
from falaj.control.changes import ApprovalError
from falaj.core.errors import FalajError
from falaj.core.principal import HOME, Principal, PrincipalKind
from falaj.storage import Database
from falaj.storage.change_tables import AdmissionRow, ApprovalRow, ChangeRow
from falaj.storage.identity_tables import AccountRow, ApprovalKeyRow
from falaj.supply_chain.attestations import sign_statement, statement
from falaj.trust import audit
from falaj.trust.identity import administration, revoke_key
from falaj.trust.policy import ForbiddenError
from tests.control.releases.scene import MODEL, Scene, open_scene
from tests.databases import migrated_sqlite

pytestmark = pytest.mark.integration


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    database = migrated_sqlite(tmp_path / "falaj.db")
    yield open_scene(tmp_path, database)
    database.close()


@pytest.fixture
def pending_change(scene: Scene) -> ChangeRow:
    """Omar asks for pre-prod, where one person must approve."""
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    return scene.request(omar, release_row, "pre-prod")


def refused(scene: Scene, who: Principal, change: ChangeRow, code: str, envelope: Any = None) -> None:
    """The approval is refused with a policy or an error, and nothing came of it."""
    with pytest.raises(FalajError) as caught:
        scene.approve(who, change.id, envelope)
    policies = caught.value.decision.policy_ids if isinstance(caught.value, ForbiddenError) else ()
    assert code == caught.value.code or code in policies, caught.value
    with scene.platform.database.reading() as session:
        assert session.query(ApprovalRow).count() == 0
    assert scene.change(change.id).state == "awaiting_approval"


def test_the_requester_approves(scene: Scene) -> None:
    ana, release_row = scene.person("ana", "release-manager"), scene.release()
    scene.to_dev(release_row)
    scene.promoted(ana, release_row, "test")
    refused(scene, ana, scene.request(ana, release_row, "pre-prod"), "sod-self-approve")


def test_the_author_of_the_commit_approves(scene: Scene, pending_change: ChangeRow) -> None:
    refused(
        scene, scene.person("amal", "release-manager", email="Amal@Example.org"), pending_change, "sod-author-approves"
    )


def test_an_administrator_who_is_also_a_release_manager_approves(scene: Scene, pending_change: ChangeRow) -> None:
    refused(scene, scene.person("root", "admin", "release-manager"), pending_change, "sod-admin")


def test_someone_without_the_role_approves(scene: Scene, pending_change: ChangeRow) -> None:
    refused(scene, scene.person("eve", "data-scientist"), pending_change, "auth.forbidden")


def test_one_person_approves_twice(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    ana = scene.person("ana", "release-manager")
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    scene.promoted(omar, release_row, "pre-prod", ana)
    change = scene.request(omar, release_row, "prod")
    scene.approve(ana, change.id)
    with pytest.raises(ForbiddenError, match="sod-approve-twice"):
        scene.approve(ana, change.id)
    assert scene.change(change.id).state == "awaiting_approval"


def test_an_approval_signed_with_the_key_of_another(scene: Scene, pending_change: ChangeRow) -> None:
    ana, ben = scene.person("ana", "release-manager"), scene.person("ben", "release-manager")
    refused(scene, ben, pending_change, "change.approval", scene.signed(ana, pending_change.id))


def test_an_approval_signed_with_a_key_of_the_platform(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    scene.keys[ana.id] = scene.platform.keyring.signer_for("https://falaj.dev/evidence/scan/v1")
    refused(scene, ana, pending_change, "change.approval")


def test_an_approval_signed_with_a_revoked_key(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    with scene.platform.database.transaction() as session:
        revoke_key(session, scene.keys[ana.id].key_id, scene.now, person=ana.id)
    refused(scene, ana, pending_change, "change.approval")


@pytest.mark.parametrize(
    ("edits", "code"),
    [
        ({"digest": "sha256:" + "0" * 64}, "signed-for-another-digest"),
        ({"environment": "prod"}, "signed-for-another-environment"),
        ({"rank": 3}, "signed-for-another-environment"),
        ({"kind": "standard"}, "signed-for-another-change"),
        ({"change": "another"}, "signed-for-another-change"),
        ({"commit": "0" * 40}, "change.approval"),
        ({"snapshots": []}, "change.approval"),
        ({"gates_digest": "sha256:" + "0" * 64}, "change.approval"),
        ({"requester": "user:ben"}, "change.approval"),
        ({"approver": "user:ben"}, "change.approval"),
        ({"release": f"{MODEL}@2"}, "change.approval"),
        ({"expires_at": 2e9}, "change.approval"),
        ({"approved_at": 1_800_000_100.0}, "change.approval"),
        ({"approved_at": 1_799_999_000.0}, "change.approval"),
    ],
    ids=str,
)
def test_an_approval_of_something_else(
    scene: Scene, pending_change: ChangeRow, edits: dict[str, Any], code: str
) -> None:
    ana = scene.person("ana", "release-manager")
    refused(scene, ana, pending_change, code, scene.signed(ana, pending_change.id, **edits))


def test_an_approval_of_another_change_is_sent_again(scene: Scene, pending_change: ChangeRow) -> None:
    ana, omar = scene.person("ana", "release-manager"), scene.fresh(Principal("user:omar", PrincipalKind.USER))
    old_envelope = scene.signed(ana, pending_change.id)
    with scene.platform.database.transaction() as session:
        changes.cancel(scene.platform.turn(session), omar, pending_change.id, "again")
    with scene.platform.database.reading() as session:
        release_row = scene.platform.turn(session).release(pending_change)
    refused(scene, ana, scene.request(omar, release_row, "pre-prod"), "signed-for-another-change", old_envelope)


def test_another_statement_is_signed_with_the_persons_key(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    forged = sign_statement(
        statement("https://falaj.dev/evidence/admission/v1", [("m", pending_change.digest)], {}), scene.keys[ana.id]
    )
    refused(scene, ana, pending_change, "change.approval", forged)


def test_an_envelope_that_was_changed_after_it_was_signed(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    envelope = dict(scene.signed(ana, pending_change.id))
    payload = str(envelope["payload"])
    refused(
        scene, ana, pending_change, "change.approval", {**envelope, "payload": payload[:-8] + "AAAA" + payload[-4:]}
    )


@pytest.mark.parametrize("age", [301.0, -6.0, None], ids=["stale", "future", "never"])
def test_no_fresh_proof_of_identity(scene: Scene, pending_change: ChangeRow, age: float | None) -> None:
    ana = scene.person("ana", "release-manager")
    envelope = scene.signed(ana, pending_change.id)
    stepped = None if age is None else scene.now - age
    who = replace(ana, step_up_at=stepped, step_up_method="login" if stepped else None)
    with pytest.raises(ForbiddenError, match="step-up-missing"), scene.platform.database.transaction() as session:
        changes.approve(scene.platform.turn(session), who, pending_change.id, envelope)


@pytest.mark.parametrize(
    "who", [Principal(HOME, PrincipalKind.SERVICE), changes.CONTROLLER], ids=["home", "controller"]
)
def test_a_machine_approves(scene: Scene, pending_change: ChangeRow, who: Principal) -> None:
    scene.keys[who.id] = scene.platform.keyring.signer_for("https://falaj.dev/evidence/scan/v1")
    envelope = scene.signed(who, pending_change.id)
    with pytest.raises(FalajError), scene.platform.database.transaction() as session:
        changes.approve(scene.platform.turn(session), who, pending_change.id, envelope)


def test_an_environment_is_skipped(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    with pytest.raises(ForbiddenError, match="environment-skipped"):
        scene.request(omar, release_row, "test")
    scene.to_dev(release_row)
    for environment in ("pre-prod", "prod"):
        with pytest.raises(ForbiddenError, match="environment-skipped"):
            scene.request(omar, release_row, environment, "emergency")


def test_a_standard_change_of_a_model_that_is_not_low_risk(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release(risk="medium")
    with pytest.raises(ForbiddenError, match="standard-needs-low-risk"):
        scene.request(omar, release_row, "dev", "standard")


def test_evidence_is_missing(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    with scene.platform.database.transaction() as session:
        session.execute(text("DELETE FROM evidence WHERE id = (SELECT max(id) FROM evidence)"))
    with pytest.raises(ForbiddenError, match="evidence-missing"):
        scene.request(omar, release_row, "dev")


def test_the_digest_of_a_release_is_changed_in_the_database(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    with scene.platform.database.transaction() as session:
        session.execute(text("UPDATE releases SET digest = :digest"), {"digest": "sha256:" + "0" * 64})
    refused(scene, ana, pending_change, "evidence-missing", scene.signed(ana, pending_change.id))


def test_health_data_leaves_its_jurisdiction(scene: Scene) -> None:
    from falaj.config.platform_spec import LocationSpec, PlatformSpec

    spec = PlatformSpec.default()
    scene.settle(replace(spec, locations={"local": LocationSpec("local", jurisdiction="DE")}))
    release_row = scene.release(health=True)
    with pytest.raises(ForbiddenError, match="residency"):
        scene.request(scene.person("omar", "ml-engineer"), release_row, "dev")


def test_an_approval_counts_no_more_when_the_approver_was_locked_before_it_is_carried_out(
    scene: Scene, pending_change: ChangeRow
) -> None:
    ana = scene.person("ana", "release-manager")
    scene.approve(ana, pending_change.id)
    with scene.platform.database.transaction() as session:
        administration.lock(session, session.get_one(AccountRow, "user:ana"), "left", "user:root", scene.now)
    assert scene.deployed(pending_change.id).state == "invalidated"
    assert scene.serving("pre-prod") is None


def test_an_approval_is_changed_in_the_database(scene: Scene, pending_change: ChangeRow) -> None:
    """The quorum of the row is lowered by hand: no approval is there, and the location asks for its own number."""
    with scene.platform.database.transaction() as session:
        session.execute(text("UPDATE changes SET state = 'approved' WHERE id = :id"), {"id": pending_change.id})
        session.execute(
            text("UPDATE processes SET state = 'approved', wake_at = 0 WHERE id = :id"), {"id": pending_change.id}
        )
    assert scene.deployed(pending_change.id).state == "invalidated"
    assert scene.serving("pre-prod") is None


def test_approve_and_revoke_at_once(tmp_path: Path, database: Database) -> None:
    """Whichever comes first, a revoked release does not serve."""
    scene = open_scene(tmp_path, database)
    omar, ana, release_row = (
        scene.person("omar", "ml-engineer"),
        scene.person("ana", "release-manager"),
        scene.release(),
    )
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    pending_change = scene.request(omar, release_row, "pre-prod")
    envelope = scene.signed(ana, pending_change.id)

    def revoke() -> None:
        with scene.platform.database.transaction() as session:
            changes.revoke(scene.platform.turn(session), ana, f"{MODEL}@1", "leak")

    def approve() -> None:
        try:
            scene.approve(ana, pending_change.id, envelope)
            scene.work()
        except FalajError:
            return

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(approve), pool.submit(revoke)]:
            each.result()
    scene.deployed(pending_change.id)
    assert scene.state(release_row) == "revoked"
    assert [scene.serving(name) for name in ("dev", "test", "pre-prod")] == [None, None, None]


def test_nothing_is_admitted_when_the_log_cannot_be_written(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    scene.approve(ana, pending_change.id)
    with scene.platform.database.transaction() as session:
        session.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON audit_leaves BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
    with pytest.raises(Exception, match="full"):
        scene.work()
    with scene.platform.database.reading() as session:
        assert session.query(AdmissionRow).filter_by(change_id=pending_change.id).count() == 0
    assert scene.serving("pre-prod") is None


def test_names_with_quotes_newlines_and_bidi_stand_in_the_log_as_they_are(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    reason = 'x"}\n{"kind":"change.approved"}\u202e\u0000 \'; DROP TABLE changes; --'.replace("\u0000", "")
    pending_change = scene.request(omar, release_row, "dev", reason=reason)
    with scene.platform.database.reading() as session:
        entry = audit.entries(
            session, audit.EntryFilter(kind="change.requested", subject=f"change/{pending_change.id}")
        )[0]
        assert entry.details is not None
        assert entry.details["reason"] == reason
        assert all("\n" not in leaf for leaf in session.scalars(text("SELECT text FROM audit_leaves")))


def test_a_key_of_two_people_is_not_registered(scene: Scene) -> None:
    from falaj.trust.identity.errors import IdentityTakenError

    scene.person("ana", "release-manager")
    (scene.folder / "ana.pem").rename(scene.folder / "ben.pem")
    (scene.folder / "ana.pem.pub").unlink(missing_ok=True)
    with pytest.raises(IdentityTakenError):
        scene.person("ben", "release-manager")
    with scene.platform.database.reading() as session:
        assert len(session.query(ApprovalKeyRow).all()) == 1


def test_the_approval_error_says_what_differs(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    with pytest.raises(ApprovalError, match="commit, snapshots"):
        scene.approve(ana, pending_change.id, scene.signed(ana, pending_change.id, commit="0" * 40, snapshots=[]))


def written(scene: Scene, change: ChangeRow, **columns: Any) -> None:
    """What who writes to the database does to a change, so that the controller takes it up as approved."""
    data = json.dumps({**change.data, "quorum": 0})
    with scene.platform.database.engine.begin() as connection:
        connection.execute(text("UPDATE changes SET data = :d, state = 'approved'"), {"d": data})
        connection.execute(
            text("UPDATE processes SET state = 'approved', data = :d, wake_at = 0 WHERE id = :i"),
            {"d": data, "i": change.id},
        )
        for name, value in columns.items():
            connection.execute(text(f"UPDATE changes SET {name} = :v WHERE id = :i"), {"v": value, "i": change.id})
    scene.work()


def nothing_came_of_it(scene: Scene, change: ChangeRow) -> None:
    with scene.platform.database.reading() as session:
        assert [row for row in session.query(AdmissionRow) if row.change_id == change.id] == []
    assert scene.serving(change.environment) is None
    assert scene.change(change.id).state == "invalidated"


def test_a_quorum_that_was_written_into_the_row(scene: Scene, pending_change: ChangeRow) -> None:
    written(scene, pending_change)
    nothing_came_of_it(scene, pending_change)


def test_a_kind_that_was_written_into_the_row(scene: Scene, pending_change: ChangeRow) -> None:
    written(scene, pending_change, kind="standard")
    nothing_came_of_it(scene, pending_change)


def test_an_approval_that_was_written_into_the_database(scene: Scene, pending_change: ChangeRow) -> None:
    ana = scene.person("ana", "release-manager")
    forged_approval = scene.signed(ana, pending_change.id, digest="sha256:" + "0" * 64)
    with scene.platform.database.transaction() as session:
        session.add(
            ApprovalRow(
                change_id=pending_change.id, approver=ana.id, key_id=scene.keys[ana.id].key_id, digest="sha256:0",
                envelope=dict(forged_approval), approved_at=scene.now,
            )
        )  # fmt: skip
    written(scene, pending_change)
    nothing_came_of_it(scene, pending_change)


def test_a_requester_who_was_written_into_the_row(scene: Scene, pending_change: ChangeRow) -> None:
    """Omar could approve his own change, were it somebody else's; what others signed names him."""
    scene.approve(scene.person("ana", "release-manager"), pending_change.id)
    written(scene, pending_change, requester="user:ben")
    nothing_came_of_it(scene, pending_change)


def test_an_environment_below_that_was_written_into_the_database(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    with scene.platform.database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO changes SELECT 'faked', tenant, project, model, release, digest, 'test', 1, kind, 'done',"
                " requester, reason, restores, opens_at, expires_at, data, created_at, updated_at FROM changes"
            )
        )
    with pytest.raises(ForbiddenError, match="environment-skipped"):
        scene.request(omar, release_row, "pre-prod")


def copied(scene: Scene, table: str, edits: str) -> None:
    """Add a row like that of the change of release 2, as if it had been approved just now."""
    with scene.platform.database.engine.begin() as connection:
        like = "SELECT id FROM changes WHERE release = 2"
        connection.execute(text(f"CREATE TABLE faked AS SELECT * FROM {table} WHERE id IN ({like})"))
        connection.execute(text(f"UPDATE faked SET id = 'faked', state = 'approved', {edits}"))
        connection.execute(text(f"INSERT INTO {table} SELECT * FROM faked"))
        connection.execute(text("DROP TABLE faked"))


def test_a_request_that_was_written_into_the_database(scene: Scene) -> None:
    """Nobody has to approve what goes to dev and test: whoever could invent requests could put any release there."""
    first, second = scene.release(), scene.release()
    scene.to_dev(first)
    scene.to_dev(second)
    copied(scene, "changes", "release = 1, digest = (SELECT digest FROM releases WHERE number = 1)")
    copied(scene, "processes", "wake_at = 0")
    scene.work()
    assert scene.change("faked").state == "invalidated" and scene.serving("dev") == 2


def revived(scene: Scene, change: ChangeRow) -> None:
    """Write a change and its process back to where they were before it ended."""
    with scene.platform.database.engine.begin() as connection:
        for table in ("changes", "processes"):
            wakes = ", wake_at = 0" if table == "processes" else ""
            connection.execute(text(f"UPDATE {table} SET state = 'approved'{wakes} WHERE id = :i"), {"i": change.id})
    scene.work()


def test_a_change_that_ended_is_written_back(scene: Scene, pending_change: ChangeRow) -> None:
    """Its approvals are signed and good; that it was withdrawn is, too."""
    scene.approve(scene.person("ana", "release-manager"), pending_change.id)
    with scene.platform.database.transaction() as session:
        omar = Principal("user:omar", PrincipalKind.USER)
        changes.cancel(scene.platform.turn(session), omar, pending_change.id, "not this week")
    revived(scene, pending_change)
    nothing_came_of_it(scene, pending_change)
    with scene.platform.database.engine.begin() as connection:
        connection.execute(text("UPDATE signed_changes SET ended_as = NULL, ended_at = NULL"))
    revived(scene, pending_change)
    nothing_came_of_it(scene, pending_change)


@pytest.mark.parametrize("edit", ["release = 1", "environment = 'test'", "expires_at = 9e9", "opens_at = 1"])
def test_a_request_that_was_edited(scene: Scene, pending_change: ChangeRow, edit: str) -> None:
    scene.approve(scene.person("ana", "release-manager"), pending_change.id)
    other = scene.release() if edit.startswith("release") else None
    edit = f"release = {other.number}, digest = '{other.digest}'" if other else edit
    with scene.platform.database.engine.begin() as connection:
        connection.execute(text(f"UPDATE changes SET {edit} WHERE id = :i"), {"i": pending_change.id})
    scene.work()
    assert scene.change(pending_change.id).state == "invalidated"


def test_a_deployment_that_was_written_into_the_database(scene: Scene) -> None:
    """The first release was admitted in dev, and is to stay where the second one put it."""
    for _ in range(2):
        scene.to_dev(scene.release())
    with scene.platform.database.engine.begin() as connection:
        rows = connection.execute(text("SELECT id, data FROM processes WHERE kind = 'deployment'")).all()
        old = next(row for row in rows if json.loads(row.data)["release"] == 1)
        again = "UPDATE processes SET state = 'pending', wake_at = 0, lease_expires_at = 0 WHERE id = :i"
        connection.execute(text(again), {"i": old.id})
    scene.work()
    assert scene.serving("dev") == 2
    with scene.platform.database.reading() as session:
        (entry,) = audit.entries(session, audit.EntryFilter(kind="deployment.refused"))
    assert entry.details is not None and "ended before: done" in entry.details["reason"]
