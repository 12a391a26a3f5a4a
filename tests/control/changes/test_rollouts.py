"""Rollouts as the control plane sees them: agents are played, everything else is real, on both databases."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from falaj.config.platform_spec import LocationSpec, PlatformSpec
from falaj.control import changes, releases
from falaj.control.changes.implementation import ADMISSION_LIFE_S
from falaj.control.releases import regression_gates
from falaj.core.errors import ConflictError, NotFoundError, UsageError
from falaj.statistics.rollout import Command
from falaj.storage import EndpointRow, EvidenceRow, ReleaseRow
from falaj.storage.change_tables import AdmissionRow, ChangeRow
from falaj.supply_chain.attestations import ROLLOUT, envelope_digest, verify_envelope
from falaj.trust import audit
from falaj.trust.policy import ForbiddenError
from tests.control.releases.scene import MODEL, Scene
from tests.control.releases.scene import WORKER as _WORKER

pytestmark = pytest.mark.integration

CANARY = {"kind": "canary", "options": {"steps": [0.05, 0.5], "metrics": [{"name": "brier"}]}}


def canary_in(scene: Scene, environment: str, **more: Any) -> None:
    """Settings by which candidates come into an environment by a canary."""
    spec = PlatformSpec.default()
    changed = replace(spec.environments[environment], rollout=CANARY, **more)
    locations = {name: LocationSpec(name) for name in changed.locations}
    environments = {**spec.environments, environment: changed}
    scene.settle(replace(spec, environments=environments, locations={**spec.locations, **locations}))


def report_rollout(
    scene: Scene, state: str, endpoint_state: str = "rolling", location: str = "local", **more: Any
) -> None:
    """The agent of a location reports the rollout in dev."""
    with scene.platform.database.transaction() as session:
        row = session.get_one(EndpointRow, (location, "dev", MODEL))
        plan = row.plan["rollout"]["plan"]
        record = {
            "id": plan["id"], "strategy": plan["strategy"], "candidate": plan["candidate"], "stable": plan["stable"],
            "state": state, "reason": "because", "culprits": [], "plan": plan, "trajectory": [], "requests": {}, **more,
        }  # fmt: skip
        endpoint_report = {
            "endpoint": f"dev/{MODEL}", "release": row.release, "state": endpoint_state, "message": "because",
            "rollouts": [record],
        }  # fmt: skip
        settled = releases.observe(session, scene.platform.processes, location, [endpoint_report], scene.now)
    for change in settled:
        with scene.platform.database.transaction() as session:
            changes.complete_change(scene.platform.turn(session), change)
    scene.work()


def rolling(scene: Scene, **more: Any) -> tuple[ReleaseRow, ReleaseRow, str]:
    """Release 1 serves in dev, release 2 rolls out; with the id of the rollout."""
    canary_in(scene, "dev", **more)
    first = scene.release()
    scene.to_dev(first)
    second = scene.release()
    with scene.platform.database.transaction() as session:
        scene.change_id = changes.request_automatic(scene.platform.turn(session), _WORKER, second, "dev").id  # type: ignore[attr-defined]
    scene.work()
    report_rollout(scene, "stepping")
    with scene.platform.database.reading() as session:
        [rollout_status] = changes.rollouts(session)
        return first, second, rollout_status.process.id


def row_of(scene: Scene, location: str = "local") -> EndpointRow:
    with scene.platform.database.reading() as session:
        return session.get_one(EndpointRow, (location, "dev", MODEL))


def test_a_candidate_beside_a_stable_release_is_two_arms_until_it_has_succeeded(scene: Scene) -> None:
    _, second, rollout = rolling(scene)
    row = row_of(scene)
    assert [(arm.release, arm.role) for arm in releases.arms_of(row)] == [(2, "primary"), (1, "stable")]
    [desired_rollout] = releases.rollouts_of(row)
    assert (desired_rollout["plan"]["steps"], desired_rollout["plan"]["id"]) == ([500, 5000], rollout)
    assert scene.change(scene.change_id).state == "deploying"  # type: ignore[attr-defined]
    report_rollout(scene, "succeeded", "ready")
    row = row_of(scene)
    assert [(arm.release, arm.role) for arm in releases.arms_of(row)] == [(2, "primary")]
    assert releases.rollouts_of(row) == []
    assert (scene.change(scene.change_id).state, scene.state(second)) == ("done", "live")  # type: ignore[attr-defined]


def test_a_rollback_brings_the_stable_release_back_and_signs_why(scene: Scene) -> None:
    first, second, rollout = rolling(scene)
    report_rollout(scene, "rolled_back", "failed", culprits=["brier"], reason="after 412 candidate requests: brier")
    assert (scene.serving("dev"), row_of(scene).plan["digest"]) == (1, first.digest)
    change = scene.change(scene.change_id)  # type: ignore[attr-defined]
    assert (change.state, scene.state(second)) == ("failed", "verified")
    with scene.platform.database.reading() as session:
        rows = session.query(EvidenceRow).where(EvidenceRow.predicate_type == ROLLOUT).all()
        [envelope] = [row.envelope for row in rows]
        [rollout_status] = changes.rollouts(session)
        shown = audit.proofs_for(session, [envelope], audit.newest_checkpoint(session) or "")
    assert envelope_digest(envelope) in json.dumps(shown), "locations ask for proofs from the newest checkpoint"
    statement = verify_envelope(envelope, scene.platform.keyring.trusted(), where="rollout")
    assert statement.predicate["decision"] == "rolled_back"
    assert statement.predicate["culprits"] == ["brier"]
    assert statement.is_about(second.digest)
    assert (rollout_status.process.id, rollout_status.state) == (rollout, "rolled_back")


def test_the_next_candidate_is_compared_with_what_was_proven(scene: Scene) -> None:
    rolling(scene)
    scene.wait(1)
    third = scene.release()
    with scene.platform.database.transaction() as session:
        changes.request_automatic(scene.platform.turn(session), _WORKER, third, "dev")
    scene.work()
    assert [(arm.release, arm.role) for arm in releases.arms_of(row_of(scene))] == [(3, "primary"), (1, "stable")]
    with scene.platform.database.reading() as session:
        rollout_states = [(each.state, each.report.get("reason")) for each in changes.rollouts(session)]
    assert rollout_states == [("pending", None), ("aborted", "another release came in")]


def test_locations_follow_each_other_and_one_that_rolls_back_takes_the_others_along(scene: Scene) -> None:
    canary_in(scene, "dev", locations=("local", "edge"), bake_s=60.0)
    first = scene.to_dev(scene.release())
    scene.wait(61)
    assert scene.deployed(first.id).state == "done"
    second = scene.release()
    with scene.platform.database.transaction() as session:
        change_id = changes.request_automatic(scene.platform.turn(session), _WORKER, second, "dev").id
    scene.work()
    assert (row_of(scene).release, row_of(scene, "edge").release) == (2, 1), "the edge waits for the first location"
    assert row_of(scene).plan["rollout"]["plan"]["false_alarm"] == 0.005, "locations share the bound"
    report_rollout(scene, "stepping")
    report_rollout(scene, "succeeded", "ready")
    scene.wait(30)
    scene.work()
    assert row_of(scene, "edge").release == 1, "the bake time is not over"
    scene.wait(31)
    scene.work()
    assert row_of(scene, "edge").release == 2
    assert row_of(scene, "edge").plan["rollout"]["plan"]["false_alarm"] == 0.005
    report_rollout(scene, "rolled_back", "failed", location="edge")
    assert (row_of(scene).release, row_of(scene, "edge").release) == (1, 1)
    assert scene.change(change_id).state == "failed"


def test_people_steer_it_and_the_evidence_is_not_spared_by_whoever_asked(scene: Scene) -> None:
    _, _, rollout = rolling(scene)
    omar, rania = scene.person("omar", "ml-engineer"), scene.person("rania", "release-manager")
    sara = scene.person("sara", "data-scientist")
    report_rollout(scene, "stepping")

    def steer(who: Any, command: Command) -> None:
        with scene.platform.database.transaction() as session:
            changes.steer(scene.platform.turn(session), who, rollout, command, "why not")

    steer(omar, Command.PAUSE)
    assert row_of(scene).plan["rollout"]["asked"] == [{"command": "pause", "by": "user:omar", "reason": "why not"}]
    for who, command in ((sara, Command.PAUSE), (omar, Command.PROMOTE)):
        with pytest.raises(ForbiddenError):
            steer(who, command)
    with pytest.raises(ConflictError, match="cannot be asked to resume"):
        steer(omar, Command.RESUME)
    steer(rania, Command.SKIP)
    with pytest.raises(NotFoundError), scene.platform.database.transaction() as session:
        changes.steer(scene.platform.turn(session), omar, "nothing", Command.PAUSE, "")
    report_rollout(scene, "succeeded", "ready")
    with pytest.raises(ConflictError, match="nothing more"):
        steer(omar, Command.ABORT)


def test_who_asked_for_a_change_may_not_skip_its_evidence(scene: Scene) -> None:
    rania = scene.person("rania", "release-manager")
    canary_in(scene, "test")
    first, second = scene.release(), scene.release()
    for release_row in (first, second):
        scene.to_dev(release_row)
    scene.promoted(rania, first, "test")
    scene.request(rania, second, "test")
    scene.work()
    with scene.platform.database.reading() as session:
        [rollout_status] = changes.rollouts(session, f"test/{MODEL}")
    with pytest.raises(ForbiddenError, match="sod-self-override"), scene.platform.database.transaction() as session:
        changes.steer(scene.platform.turn(session), rania, rollout_status.process.id, Command.PROMOTE, "")


def test_every_release_of_a_long_rollout_stays_admitted(scene: Scene) -> None:
    _, second, _ = rolling(scene)
    scene.wait(ADMISSION_LIFE_S / 2 + 1)
    with scene.platform.database.transaction() as session:
        turn = scene.platform.turn(session)
        assert changes.renew(turn) == 2
        assert changes.renew(turn) == 0
        rows = session.query(AdmissionRow).order_by(AdmissionRow.id.desc()).limit(2)
        renewed = {session.get_one(ChangeRow, row.change_id).release: row.expires_at for row in rows}
    assert renewed == dict.fromkeys((1, second.number), scene.now + ADMISSION_LIFE_S)


def test_emergencies_and_rollbacks_come_in_at_once(scene: Scene) -> None:
    rolling(scene)
    report_rollout(scene, "succeeded", "ready")
    omar = scene.person("omar", "ml-engineer")
    with scene.platform.database.transaction() as session:
        changes.roll_back(scene.platform.turn(session), omar, "dev", MODEL, "bad")
    scene.work()
    assert scene.serving("dev") == 1
    assert releases.rollouts_of(row_of(scene)) == []


def test_a_challenger_is_compared_and_never_becomes_what_serves(scene: Scene) -> None:
    canary_in(scene, "test")
    first, second, omar = scene.release(), scene.release(), scene.person("omar", "ml-engineer")
    scene.to_dev(first)
    scene.to_dev(second)
    scene.promoted(omar, first, "test")
    change_row = scene.request(omar, second, "test", challenge=True)
    scene.work()
    with scene.platform.database.transaction() as session:
        row = session.get_one(EndpointRow, ("local", "test", MODEL))
        assert [(arm.release, arm.role) for arm in releases.arms_of(row)] == [(1, "primary"), (2, "challenger")]
        [desired_rollout] = releases.rollouts_of(row)
        record = {
            "id": desired_rollout["plan"]["id"],
            "strategy": "challenger",
            "candidate": 2,
            "stable": 1,
            "plan": desired_rollout["plan"],
        }
        for state in ("shadowing", "aborted"):
            report = {
                "endpoint": f"test/{MODEL}", "release": 1, "state": "ready", "message": "",
                "rollouts": [{**record, "state": state, "reason": "seen enough"}],
            }  # fmt: skip
            for change in releases.observe(session, scene.platform.processes, "local", [report], scene.now):
                changes.complete_change(scene.platform.turn(session), change)
        assert [arm.release for arm in releases.arms_of(row)] == [1]
        [signed] = session.query(EvidenceRow).where(EvidenceRow.predicate_type == ROLLOUT).all()
        report = verify_envelope(signed.envelope, scene.platform.keyring.trusted(), where="rollout").predicate
        assert (report["decision"], report["release"], report["stable"]) == ("aborted", 2, 1)
    assert scene.change(change_row.id).state == "done"
    assert scene.serving("test") == 1


@pytest.mark.parametrize(("jurisdiction", "expected"), [("AE", "rows"), ("SA", "summary")])
def test_rows_come_from_a_location_under_the_law_of_the_platform_alone(
    scene: Scene, jurisdiction: str, expected: str
) -> None:
    scene.to_dev(scene.release())
    spec = PlatformSpec.default()
    dev = replace(spec.environments["dev"], rollout=CANARY)
    local = LocationSpec("local", jurisdiction=jurisdiction)
    scene.settle(
        replace(
            spec,
            environments={**spec.environments, "dev": dev},
            locations={**spec.locations, "local": local},
            entity={"jurisdiction": "AE"},
        )
    )
    release_row = scene.release()
    with scene.platform.database.transaction() as session:
        changes.request_automatic(scene.platform.turn(session), _WORKER, release_row, "dev")
    scene.work()
    assert releases.rollouts_of(row_of(scene))[0]["plan"]["capture"] == expected


CAPTURED = {
    "metric": "brier", "predicate": 'carrier == "EV"', "limit": 0.21, "stable": 0.15, "candidate": 0.27,
    "held_out_p": 1e-6, "columns": ["carrier", "distance"], "rows": [["EV", 500.0]] * 40, "labels": [1] * 40,
}  # fmt: skip


def capture(scene: Scene) -> str:
    _, second, rollout = rolling(scene)
    with scene.platform.database.transaction() as session:
        release_row = session.get_one(ReleaseRow, (MODEL, second.number))
        release_row.data = {**release_row.data, "label": {"label": "late"}}
    report_rollout(scene, "rolled_back", "failed", captured=CAPTURED)
    controller = _controller(scene)
    controller.advance_outbox()
    return rollout


def _controller(scene: Scene) -> Any:
    from falaj.api.controller import Controller

    return Controller(scene.platform, "test")


def test_what_a_candidate_failed_on_becomes_a_gate_that_a_person_accepts(scene: Scene) -> None:
    gate_id = capture(scene)
    rania, omar = scene.person("rania", "release-manager"), scene.person("omar", "ml-engineer")
    with scene.platform.database.transaction() as session:
        row = regression_gates.gate(session, gate_id)
        assert (row.state, row.metric, row.limit, row.data["rows"]) == ("proposed", "brier", 0.21, 40)
        text = scene.platform.store.read_bytes(row.digest, "rows.csv").decode()
        assert text.splitlines()[:2] == ["carrier,distance,late", "EV,500.0,1"]
        with pytest.raises(ForbiddenError):
            regression_gates.decide(session, omar, gate_id, "accept", "", scene.now)
        regression_gates.decide(session, rania, gate_id, "accept", "", scene.now)
        assert [each.id for each in regression_gates.gates(session, MODEL, "accepted")] == [gate_id]
        with pytest.raises(ConflictError, match="is accepted, not proposed"):
            regression_gates.decide(session, rania, gate_id, "reject", "no", scene.now)
        with pytest.raises(UsageError, match="needs a reason"):
            regression_gates.decide(session, rania, gate_id, "retire", " ", scene.now)
        regression_gates.decide(session, rania, gate_id, "retire", "the carrier is gone", scene.now)
    assert "captured" not in row_of(scene).status["rollouts"][0], "rows are kept as a snapshot, and nowhere else"


def test_a_capture_that_is_reported_again_is_one_gate(scene: Scene) -> None:
    capture(scene)
    _controller(scene).advance_outbox()
    with scene.platform.database.reading() as session:
        assert len(regression_gates.gates(session)) == 1


def test_rows_that_must_stay_leave_a_gate_without_rows(scene: Scene) -> None:
    _, _, rollout = rolling(scene)
    report_rollout(scene, "rolled_back", "failed", captured={**CAPTURED, "rows": [], "labels": []})
    _controller(scene).advance_outbox()
    with scene.platform.database.reading() as session:
        row = regression_gates.gate(session, rollout)
        assert (row.digest, row.data["rows"], row.predicate) == ("", 0, 'carrier == "EV"')
