"""A revoked release serves nowhere, whatever was under way with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import delete, update

from falaj.api.controller import Controller
from falaj.control import changes, releases
from falaj.control.releases.lifecycle import DeploymentState
from falaj.control.releases.registry import state_of
from falaj.core.errors import ConflictError
from falaj.storage import ProcessRow, ReleaseRow, ReleaseWithdrawalRow
from falaj.storage.facts import FactMissingError
from falaj.trust.policy import ForbiddenError
from tests.control.changes.test_rollouts import canary_in, report_rollout, rolling, row_of
from tests.control.releases.scene import MODEL, WORKER, Scene

pytestmark = pytest.mark.integration


def revoke(scene: Scene, release_row: ReleaseRow) -> None:
    manager = scene.person(f"manager{release_row.number}", "release-manager")
    with scene.platform.database.transaction() as session:
        changes.revoke(scene.platform.turn(session), manager, f"{MODEL}@{release_row.number}", "label leak")


def deployments(scene: Scene, change_id: str) -> list[str]:
    with scene.platform.database.reading() as session:
        ids = scene.change(change_id).data["deployments"]
        return [session.get_one(ProcessRow, each).state for each in ids]


def rollout(scene: Scene) -> tuple[str, str]:
    """The state of the newest rollout and why."""
    with scene.platform.database.reading() as session:
        rollout_status = changes.rollouts(session)[0]
        return rollout_status.state, rollout_status.report["reason"]


def test_what_was_admitted_and_not_yet_pointed_at_never_comes(scene: Scene) -> None:
    release_row, omar = scene.release(), scene.person("omar", "ml-engineer")
    change_row = scene.request(omar, release_row, "dev")
    assert Controller(scene.platform, "test").advance_change()
    assert scene.change(change_row.id).state == "deploying"
    revoke(scene, release_row)
    scene.deployed(change_row.id)
    assert scene.serving("dev") is None
    assert scene.change(change_row.id).state == "failed"
    assert scene.change(change_row.id).data["ended_because"] == "release 1 was revoked: label leak"
    assert deployments(scene, change_row.id) == [DeploymentState.SUPERSEDED]


def test_a_candidate_gives_way_to_the_stable_release(scene: Scene) -> None:
    first, second, _ = rolling(scene)
    revoke(scene, second)
    assert [(arm.release, arm.role) for arm in releases.arms_of(row_of(scene))] == [(first.number, "primary")]
    assert scene.change(scene.change_id).state == "failed"  # type: ignore[attr-defined]
    scene.report()
    assert (scene.serving("dev"), scene.state(second), scene.state(first)) == (1, "revoked", "live")
    assert rollout(scene) == ("aborted", "release 2 was revoked: label leak")


def test_without_its_stable_release_a_candidate_goes_on_alone(scene: Scene) -> None:
    first, second, _ = rolling(scene)
    revoke(scene, first)
    assert [(arm.release, arm.role) for arm in releases.arms_of(row_of(scene))] == [(second.number, "primary")]
    assert releases.rollouts_of(row_of(scene)) == []
    scene.report()
    assert scene.change(scene.change_id).state == "done"  # type: ignore[attr-defined]
    assert (scene.serving("dev"), scene.state(first), scene.state(second)) == (2, "revoked", "live")
    assert rollout(scene) == ("succeeded", "the release that it was compared with was revoked")


def test_nothing_falls_back_to_it(scene: Scene) -> None:
    first, _, _ = rolling(scene)
    revoke(scene, first)
    scene.report("failed")
    assert scene.serving("dev") == 2, "nothing else may serve there"
    assert row_of(scene).plan["before"] is None
    assert rollout(scene)[0] == "aborted"


def test_a_challenger_is_dropped(scene: Scene) -> None:
    first, second, omar = scene.release(), scene.release(), scene.person("omar", "ml-engineer")
    scene.to_dev(first)
    scene.to_dev(second)
    scene.promoted(omar, first, "test")
    scene.request(omar, second, "test", challenge=True)
    scene.work()
    revoke(scene, second)
    with scene.platform.database.reading() as session:
        [row] = releases.endpoints_of(session, MODEL, "test")
        assert [arm.release for arm in releases.arms_of(row)] == [1]


def test_a_later_location_of_a_wave_never_gets_it(scene: Scene) -> None:
    canary_in(scene, "dev", locations=("local", "edge"), bake_s=60.0)
    scene.to_dev(scene.release())
    scene.wait(61)
    scene.work()
    scene.report()
    second = scene.release()
    with scene.platform.database.transaction() as session:
        change_id = changes.request_automatic(scene.platform.turn(session), WORKER, second, "dev").id
    scene.work()
    report_rollout(scene, "succeeded", "ready")
    revoke(scene, second)
    scene.wait(61)
    scene.deployed(change_id)
    assert (row_of(scene).release, row_of(scene, "edge").release) == (1, 1)
    assert deployments(scene, change_id) == [DeploymentState.LIVE, DeploymentState.SUPERSEDED]


@pytest.mark.parametrize("end", [changes.archive, changes.retire])
def test_what_is_being_deployed_is_not_put_away(scene: Scene, end: Callable[..., ReleaseRow]) -> None:
    release_row, omar = scene.release(), scene.person("omar", "release-manager", "ml-engineer")
    change_row = scene.request(omar, release_row, "dev")
    assert Controller(scene.platform, "test").advance_change()
    with (
        pytest.raises(ConflictError, match="is being deployed to dev"),
        scene.platform.database.transaction() as session,
    ):
        end(scene.platform.turn(session), omar, f"{MODEL}@1", "old")
    assert scene.deployed(change_row.id).state == "done"


def test_who_writes_rows_takes_no_revocation_back(scene: Scene) -> None:
    release_row, omar = scene.release(), scene.person("omar", "ml-engineer")
    revoke(scene, release_row)
    with scene.platform.database.engine.begin() as connection:
        connection.execute(update(ReleaseRow).values(state="verified"))
    assert scene.state(release_row) == "verified"  # what the row says now
    with pytest.raises(ForbiddenError, match="release-withdrawn"):
        scene.request(omar, release_row, "dev")
    with scene.platform.database.engine.begin() as connection:
        connection.execute(delete(ReleaseWithdrawalRow))
    with pytest.raises(FactMissingError):
        scene.request(omar, release_row, "dev")


def test_a_release_that_was_brought_back_is_deployable(scene: Scene) -> None:
    release_row, manager = scene.release(), scene.person("mona", "release-manager")
    name = f"{MODEL}@{release_row.number}"
    for act, state in ((changes.archive, "archived"), (changes.restore, "verified")):
        with scene.platform.database.transaction() as session:
            act(scene.platform.turn(session), manager, name, "because")
        with scene.platform.database.reading() as session:
            assert state_of(session, session.get_one(ReleaseRow, (MODEL, release_row.number))) == state
    assert scene.request(scene.person("omar", "ml-engineer"), release_row, "dev").state


def test_the_risk_of_a_change_is_what_was_signed(scene: Scene) -> None:
    release_row = scene.release(risk="high")
    with scene.platform.database.transaction() as session:
        row = session.get_one(ReleaseRow, (MODEL, release_row.number))
        row.data = {**row.data, "risk": "low"}
    assert scene.to_dev(release_row).kind == "normal"
