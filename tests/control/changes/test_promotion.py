"""The way of a release from environment to environment, and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from falaj.config.platform_spec import FreezeSpec, PlatformSpec, StandardChangeSpec
from falaj.control import changes
from falaj.control.changes.implementation import ADMISSION_LIFE_S
from falaj.control.releases import evidence_of
from falaj.core.errors import ConflictError, NotFoundError, UsageError
from falaj.storage import Database, EndpointRow, EventRow, ReleaseRow
from falaj.storage.change_tables import AdmissionRow, ChangeRow
from falaj.storage.durable import IllegalTransitionError
from falaj.supply_chain.attestations import SigningRole, verify_admission
from falaj.supply_chain.attestations.bundle import BundledRelease, bundle_of
from falaj.trust import audit
from falaj.trust.policy import ForbiddenError
from tests.control.releases.scene import MODEL, START, WORKER, Scene, open_scene
from tests.supply_chain.attestations.releases import COMMIT

pytestmark = pytest.mark.integration

DAY_S = 86_400.0


def test_a_release_climbs_to_prod_with_the_approvals_that_each_environment_asks_for(
    database: Database, tmp_path: Path
) -> None:
    scene = open_scene(tmp_path, database)
    omar, rania = scene.person("omar", "ml-engineer"), scene.person("rania", "release-manager")
    rashid, release_row = scene.person("rashid", "release-manager"), scene.release()
    assert (scene.state(release_row), scene.to_dev(release_row).kind) == ("verified", "standard")
    assert scene.state(release_row) == "live"
    assert scene.promoted(omar, release_row, "test").state == "done"
    assert scene.promoted(omar, release_row, "pre-prod", rania).state == "done"
    change_row = scene.request(omar, release_row, "prod")
    assert scene.approve(rania, change_row.id).state == "awaiting_approval"
    assert scene.deployed(change_row.id).state == "awaiting_approval"
    assert scene.approve(rashid, change_row.id).state == "approved"
    assert scene.deployed(change_row.id).state == "done"
    assert [scene.serving(name) for name in ("dev", "test", "pre-prod", "prod")] == [1, 1, 1, 1]


def test_a_location_believes_what_it_is_sent(scene: Scene) -> None:
    release_row, omar = scene.release(), scene.person("omar", "ml-engineer")
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    scene.promoted(omar, release_row, "pre-prod", scene.person("rania", "release-manager"))
    with scene.platform.database.reading() as session:
        row = session.get_one(EndpointRow, ("local", "pre-prod", MODEL))
        turn = scene.platform.turn(session)
        decided = changes.decisions_for(turn, row.plan["change"], "local")
        envelopes = [*(item.envelope for item in evidence_of(session, release_row)), *decided]
        checkpoint = audit.newest_checkpoint(session)
        assert checkpoint is not None
        log = audit.proofs_for(session, envelopes, checkpoint)
    bundle = bundle_of(BundledRelease(MODEL, 1, release_row.digest, "run1", COMMIT), envelopes, log)
    verification = verify_admission(
        bundle, scene.platform.keyring.trusted(), scene.folder / "run1" / "model",
        log_key=scene.platform.keyring.signer(SigningRole.LOG).public_pem, last_seen_checkpoint=None,
        environment="pre-prod",
        location="local", jurisdiction="AE", floors={"pre-prod": 1}, now=scene.now,
    )  # fmt: skip
    assert verification.problems == ()


def test_an_older_release_is_superseded_when_it_serves_nowhere(scene: Scene) -> None:
    omar, first = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(first)
    scene.promoted(omar, first, "test")
    second = scene.release()
    scene.to_dev(second)
    assert (scene.state(first), scene.state(second)) == ("live", "live")
    scene.promoted(omar, second, "test")
    assert (scene.state(first), scene.state(second)) == ("superseded", "live")


def test_a_rollback_brings_back_what_served_by_the_approvals_of_then(scene: Scene) -> None:
    omar, first = scene.person("omar", "ml-engineer"), scene.release()
    rania = scene.person("rania", "release-manager")
    for release_row in (first, second := scene.release()):
        scene.to_dev(release_row)
        scene.promoted(omar, release_row, "test")
        scene.promoted(omar, release_row, "pre-prod", rania)
    scene.settle(frozen(PlatformSpec.default(), "pre-prod"))
    with scene.platform.database.transaction() as session:
        back = changes.roll_back(scene.platform.turn(session), omar, "pre-prod", MODEL, "errors")
    assert scene.deployed(back.id).state == "done"
    assert scene.serving("pre-prod") == 1
    assert (scene.state(first), scene.state(second)) == ("live", "live")
    with pytest.raises(ForbiddenError, match="environment-skipped"):
        scene.request(omar, second, "prod")
    with pytest.raises(ConflictError, match="no earlier release"), scene.platform.database.transaction() as session:
        changes.roll_back(scene.platform.turn(session), omar, "pre-prod", MODEL, "again")


def test_revoking_pulls_a_release_from_everywhere_and_voids_what_was_asked(scene: Scene) -> None:
    omar, rania = scene.person("omar", "ml-engineer"), scene.person("rania", "release-manager")
    release_row = scene.release()
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    change_row = scene.request(omar, release_row, "pre-prod")
    with scene.platform.database.transaction() as session:
        changes.revoke(scene.platform.turn(session), rania, f"{MODEL}@1", "label leak")
    assert [scene.serving(name) for name in ("dev", "test")] == [None, None]
    assert (scene.state(release_row), scene.change(change_row.id).state) == ("revoked", "invalidated")
    with pytest.raises(ForbiddenError, match="release-withdrawn"):
        scene.request(omar, release_row, "dev")


def test_what_serves_is_not_archived_and_what_is_archived_is_not_served(scene: Scene) -> None:
    omar, rania = scene.person("omar", "ml-engineer"), scene.person("rania", "release-manager")
    release_row, unused = scene.release(), scene.release()
    scene.to_dev(release_row)
    with (
        pytest.raises(IllegalTransitionError, match="live release cannot archive"),
        scene.platform.database.transaction() as session,
    ):
        changes.archive(scene.platform.turn(session), omar, f"{MODEL}@1", "old")
    with scene.platform.database.transaction() as session:
        changes.archive(scene.platform.turn(session), omar, f"{MODEL}@2", "old")
    with pytest.raises(ForbiddenError, match="release-withdrawn"):
        scene.request(omar, unused, "dev")
    with scene.platform.database.transaction() as session:
        changes.restore(scene.platform.turn(session), omar, f"{MODEL}@2", "needed")
    assert scene.deployed(scene.request(omar, unused, "dev").id).state == "done"
    with pytest.raises(ForbiddenError), scene.platform.database.transaction() as session:
        changes.retire(scene.platform.turn(session), omar, f"{MODEL}@1", "old")
    with scene.platform.database.transaction() as session:
        changes.retire(scene.platform.turn(session), rania, f"{MODEL}@1", "old")
    assert scene.state(release_row) == "retired"


def test_a_change_waits_for_its_window_and_expires_when_none_opens(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.settle(frozen(PlatformSpec.default(), "test", until=START + 2 * DAY_S))
    scene.to_dev(release_row)
    change_row = scene.request(omar, release_row, "test")
    assert scene.deployed(change_row.id).state == "scheduled"
    scene.wait(2 * DAY_S)
    assert scene.deployed(change_row.id).state == "done"
    late = scene.release()
    scene.to_dev(late)
    change_row = scene.request(omar, late, "test", opens_at=scene.now + DAY_S)
    assert scene.deployed(change_row.id).state == "scheduled"
    scene.wait(30 * DAY_S)
    assert scene.deployed(change_row.id).state == "expired"


def test_nobody_approved_in_time(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    change_row = scene.request(omar, release_row, "pre-prod")
    scene.wait(7 * DAY_S)
    assert scene.deployed(change_row.id).state == "expired"


def test_an_emergency_passes_a_freeze_and_is_taken_back_when_nobody_reviews_it(scene: Scene) -> None:
    omar, first, hot = scene.person("omar", "ml-engineer"), scene.release(), scene.release()
    ana, ben = scene.person("ana", "release-manager"), scene.person("ben", "release-manager")
    for release_row in (first, hot):
        scene.to_dev(release_row)
        scene.promoted(omar, release_row, "test")
    scene.promoted(omar, first, "pre-prod", ana)
    scene.settle(frozen(PlatformSpec.default(), "pre-prod", until=START + 90 * DAY_S))
    change_row = scene.request(omar, hot, "pre-prod", "emergency")
    for approver in (ana, ben):
        scene.approve(approver, change_row.id)
    assert scene.deployed(change_row.id).state == "review_due"
    assert scene.serving("pre-prod") == 2
    scene.wait(DAY_S + 1)
    scene.deployed(change_row.id)
    assert scene.change(change_row.id).state == "rolled_back"
    assert scene.serving("pre-prod") == 1


def test_an_emergency_that_was_reviewed_stays(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    ana, ben = scene.person("ana", "release-manager"), scene.person("ben", "release-manager")
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    change_row = scene.request(omar, release_row, "pre-prod", "emergency")
    for approver in (ana, ben):
        scene.approve(approver, change_row.id)
    scene.deployed(change_row.id)
    with pytest.raises(ForbiddenError), scene.platform.database.transaction() as session:
        changes.review(scene.platform.turn(session), omar, change_row.id, "I say it is fine")
    with scene.platform.database.transaction() as session:
        changes.review(scene.platform.turn(session), ana, change_row.id, "fine")
    scene.wait(DAY_S + 1)
    assert scene.deployed(change_row.id).state == "reviewed"


def test_an_unreviewed_emergency_without_anything_before_it_leaves_nothing_serving(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    change_row = scene.request(omar, release_row, "test", "emergency")
    assert scene.deployed(change_row.id).state == "review_due"
    scene.wait(DAY_S + 1)
    assert scene.deployed(change_row.id).state == "rolled_back"
    assert scene.serving("test") is None


def test_a_deployment_that_fails_ends_its_change(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    change_row = scene.request(omar, release_row, "test")
    scene.work()
    scene.report("failed")
    assert (scene.change(change_row.id).state, scene.change(change_row.id).data["ended_because"]) == (
        "failed",
        "local: m",
    )
    with pytest.raises(ForbiddenError, match="environment-skipped"):
        scene.request(omar, release_row, "pre-prod")


def test_a_change_ends_although_the_server_died_when_it_heard_of_the_deployment(scene: Scene) -> None:
    release_row = scene.release()
    change_row = scene.request(scene.person("omar", "ml-engineer"), release_row, "dev")
    scene.work()
    scene.wait(31)
    scene.work()
    assert scene.change(change_row.id).state == "deploying"
    scene.report(conclude=False)
    assert scene.change(change_row.id).state == "deploying"
    scene.wait(31)
    scene.work()
    assert scene.change(change_row.id).state == "done"


def test_admissions_are_renewed_while_the_endpoint_serves(scene: Scene) -> None:
    release_row = scene.release()
    scene.to_dev(release_row)
    with scene.platform.database.transaction() as session:
        assert changes.renew(scene.platform.turn(session)) == 0
        before = session.get_one(EndpointRow, ("local", "dev", MODEL)).version
    scene.wait(ADMISSION_LIFE_S / 2 + 1)
    with scene.platform.database.transaction() as session:
        assert changes.renew(scene.platform.turn(session)) == 1
        assert changes.renew(scene.platform.turn(session)) == 0
        first, second = session.query(AdmissionRow).order_by(AdmissionRow.id).all()
        assert second.not_before == first.not_before == START
        assert second.expires_at == scene.now + ADMISSION_LIFE_S
        assert session.get_one(EndpointRow, ("local", "dev", MODEL)).version == before + 1


def test_a_standard_change_needs_a_template_and_low_risk(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    with pytest.raises(UsageError, match="approved in advance"):
        scene.request(omar, release_row, "test", "standard")
    template = StandardChangeSpec("weekly", ("test",))
    scene.settle(replace(PlatformSpec.default(), standard_changes=(template,)))
    with pytest.raises(ForbiddenError, match="standard-needs-low-risk"):  # the first release there is never low
        scene.request(omar, release_row, "test", "standard")
    scene.promoted(omar, release_row, "test")
    second = scene.release()
    scene.to_dev(second)
    assert scene.deployed(scene.request(omar, second, "test", "standard").id).state == "done"


def test_a_risky_model_goes_to_dev_by_a_normal_change(scene: Scene) -> None:
    assert scene.to_dev(scene.release(risk="high")).kind == "normal"


def test_what_makes_no_sense_is_refused_with_a_hint(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    with pytest.raises(NotFoundError, match="no environment 'production'") as caught:
        scene.request(omar, release_row, "production")
    assert "prod" in caught.value.hint
    with pytest.raises(UsageError, match="says why"):
        scene.request(omar, release_row, "dev", "emergency", reason=" ")
    with pytest.raises(UsageError, match="no change of kind"):
        scene.request(omar, release_row, "dev", "urgent")
    with pytest.raises(NotFoundError, match="no change"):
        scene.approve(omar, "nope", envelope={"payload": "", "payloadType": "", "signatures": []})
    scene.to_dev(release_row)
    with pytest.raises(ConflictError, match="serves already"):
        scene.request(omar, release_row, "dev")
    second = scene.release()
    change_row = scene.request(omar, second, "dev")
    with pytest.raises(ConflictError, match=change_row.id):
        scene.request(omar, second, "dev")


def test_a_release_without_a_lockfile_stays_on_the_lowest_environment_unless_the_platform_allows_it(
    scene: Scene,
) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    with scene.platform.database.transaction() as session:
        row = session.get_one(ReleaseRow, (release_row.model, release_row.number))
        row.data = {**row.data, "locked": False}
    scene.to_dev(release_row)
    assert scene.serving("dev") == 1
    with pytest.raises(ConflictError, match="without a lockfile") as caught:
        scene.request(omar, release_row, "test")
    assert caught.value.code == "change.no-lockfile"
    assert "`uv lock`" in caught.value.hint
    spec = PlatformSpec.default()
    environments = {**spec.environments, "test": replace(spec.environments["test"], require_lockfile=False)}
    scene.settle(replace(spec, environments=environments))
    assert scene.promoted(omar, release_row, "test").state == "done"


def test_a_new_release_goes_to_the_lowest_environment_where_its_project_names_it(scene: Scene) -> None:
    """The server asks for the change, since it signs an admission; what keeps a release back is an event of its run."""

    def ask(release_row: ReleaseRow, **data: object) -> list[tuple[str, str]]:
        with scene.platform.database.transaction() as session:
            row = session.get_one(ReleaseRow, (release_row.model, release_row.number))
            row.data = {**row.data, **data}
            changes.request_lowest(scene.platform.turn(session), changes.to_request(row).data)
        with scene.platform.database.reading() as session:
            event_rows = session.scalars(select(EventRow).where(EventRow.subject == f"run/{release_row.run_id}"))
            change_rows = session.scalars(select(ChangeRow).where(ChangeRow.release == release_row.number))
            events = [(each.kind, each.data["reason"]) for each in event_rows if each.kind.startswith("deployment.")]
            return [*events, *((each.environment, each.requester) for each in change_rows)]

    assert ask(scene.release()) == [("dev", "workload:worker/local")]
    assert ask(scene.release(), deploy=["prod"]) == []
    lost = {"wins": False, "reason": "it is worse"}
    withheld_events = [("deployment.withheld", "the retraining did not help: it is worse")]
    assert ask(scene.release(), retraining=lost) == withheld_events


def test_an_environment_refuses_evidence_that_it_did_not_ask_for(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    scene.to_dev(release_row)
    spec = PlatformSpec.default()
    asking = replace(spec.environments["test"], require_pinned_exam=True)
    scene.settle(replace(spec, environments={**spec.environments, "test": asking}))
    with pytest.raises(ConflictError, match="no gate is on a table that no step could read") as caught:
        scene.request(omar, release_row, "test")
    assert caught.value.code == "change.evidence"


def test_people_withdraw_their_own_changes_and_managers_reject_any(scene: Scene) -> None:
    sara, omar = scene.person("sara", "data-scientist"), scene.person("omar", "ml-engineer")
    rania, release_row = scene.person("rania", "release-manager"), scene.release()
    scene.to_dev(release_row)
    scene.promoted(omar, release_row, "test")
    change_row = scene.request(sara, release_row, "pre-prod")
    with pytest.raises(ForbiddenError), scene.platform.database.transaction() as session:
        changes.cancel(scene.platform.turn(session), omar, change_row.id, "no")
    with scene.platform.database.transaction() as session:
        assert changes.cancel(scene.platform.turn(session), sara, change_row.id, "later").state == "cancelled"
    change_row = scene.request(sara, release_row, "pre-prod")
    with scene.platform.database.transaction() as session:
        assert changes.reject(scene.platform.turn(session), rania, change_row.id, "not yet").state == "rejected"
    with pytest.raises(ForbiddenError, match="change-state"):
        scene.approve(rania, change_row.id)


def test_every_decision_stands_in_the_audit_log(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    change = scene.to_dev(release_row)
    with scene.platform.database.reading() as session:
        about = audit.entries(session, audit.EntryFilter(subject=f"change/{change.id}"))
        of_release = audit.entries(session, audit.EntryFilter(subject=f"release/{MODEL}@1"))
        assert session.get_one(ReleaseRow, (MODEL, 1)).state == "live"
    assert omar.name == "omar"
    assert [each.kind for each in reversed(about)] == [
        "change.requested", "change.submitted", "evidence.signed", "change.opened", "change.deployed",
    ]  # fmt: skip
    assert [each.kind for each in reversed(of_release)] == [
        "release.published", *["evidence.signed"] * 8, "release.verify", "release.serve",
    ]  # fmt: skip


def frozen(spec: PlatformSpec, environment: str, until: float = START + 365 * DAY_S) -> PlatformSpec:
    """Settings with a freeze that has begun."""
    freeze = FreezeSpec(START - 1, until, "end of year")
    changed = replace(spec.environments[environment], freeze=(freeze,))
    return replace(spec, environments={**spec.environments, environment: changed})


def test_a_promotion_waits_while_the_environment_below_still_deploys(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    with scene.platform.database.transaction() as session:
        below = changes.request_automatic(scene.platform.turn(session), WORKER, release_row, "dev").id
    above = scene.request(omar, release_row, "test").id
    scene.work()
    assert (scene.change(below).state, scene.change(above).state) == ("deploying", "scheduled")
    scene.wait(31)
    scene.work()
    assert [scene.change(above).state, scene.serving("test")] == ["scheduled", None]
    scene.report()
    assert scene.deployed(above).state == "done"
    assert (scene.change(below).state, scene.serving("test")) == ("done", 1)


def test_a_promotion_ends_when_what_it_waits_for_fails(scene: Scene) -> None:
    omar, release_row = scene.person("omar", "ml-engineer"), scene.release()
    with scene.platform.database.transaction() as session:
        changes.request_automatic(scene.platform.turn(session), WORKER, release_row, "dev")
    above = scene.request(omar, release_row, "test").id
    scene.work()
    scene.report("failed")
    scene.work()
    assert scene.change(above).state == "invalidated"
    assert "has not passed the environment below" in scene.change(above).data["ended_because"]
    assert scene.serving("test") is None
