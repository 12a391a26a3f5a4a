"""An agent counts a log that real writers wrote, and tells what it counted: once, and however often it dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from falaj.dataplane.agent.profiling import references
from falaj.dataplane.errors import LocationError
from falaj.statistics.profiles import Profile
from tests.dataplane.profiling.scene import NOW, RELEASE, Scene, reference

pytestmark = pytest.mark.integration

HOUR = NOW // 3600 * 3600


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    new_scene = Scene(tmp_path, reference())
    yield new_scene
    new_scene.close()


def passed(scene: Scene) -> None:
    """One look and one report of an agent that was started just now."""
    profiling = scene.open()
    profiling.look()
    profiling.report()
    profiling.close()


def test_full_blocks_are_told_and_the_rest_waits(scene: Scene) -> None:
    scene.predict(250, NOW - 10)
    passed(scene)
    blocks_by_place = scene.blocks()
    assert sorted(blocks_by_place) == [(RELEASE, "answered", 0), (RELEASE, "answered", 1)]
    assert all(block["rows"] == 100 and block["final"] for block in blocks_by_place.values())
    profile = Profile.from_json(blocks_by_place[RELEASE, "answered", 0]["features"])
    assert scene.reference is not None and profile.schema == scene.reference.features.schema.digest
    assert profile.rows == 100 and sum(profile.features["carrier"].counts) == 100
    assert Profile.from_json(blocks_by_place[RELEASE, "answered", 0]["predictions"]).rows == 100


def test_an_agent_that_is_killed_between_looks_counts_every_row_once(scene: Scene) -> None:
    for part in range(7):
        scene.predict(43, NOW - 10, seed=part + 2)
        killed = scene.open()
        killed.look()  # and then it is gone, with nothing closed and nothing told
    passed(scene)
    assert [scene.blocks()[RELEASE, "answered", number]["rows"] for number in range(3)] == [100] * 3
    assert len(scene.blocks()) == 3
    scene.predict(99, NOW - 10, seed=99)
    passed(scene)
    assert len(scene.blocks()) == 4


def test_what_was_told_is_not_told_again(scene: Scene) -> None:
    scene.predict(100, NOW - 10)
    passed(scene)
    passed(scene)
    assert len(scene.messages) == 1


def test_a_silent_control_plane_is_told_later(scene: Scene) -> None:
    scene.silent = True
    for part in range(3):
        scene.predict(100, NOW - 10, seed=part + 2)
        profiling = scene.open()
        profiling.look()
        with pytest.raises(LocationError):
            profiling.report()
        profiling.close()
    scene.silent = False
    passed(scene)
    assert len(scene.blocks()) == 3


def test_hours_close_after_they_have_settled_and_growing_ones_are_told_now_and_then(tmp_path: Path) -> None:
    scene = Scene(tmp_path, reference(block="hour"), now=HOUR + 1800)
    scene.predict(30, HOUR + 60)
    profiling = scene.open()
    profiling.look()
    assert profiling.report() == 0
    scene.now = HOUR + 1900
    profiling.look()
    assert profiling.report() == 1
    place = (RELEASE, "answered", int(HOUR // 3600))
    assert not scene.blocks()[place]["final"]
    scene.now = HOUR + 3604
    profiling.look()
    profiling.report()
    assert not scene.blocks()[place]["final"]
    scene.now = HOUR + 3606
    profiling.look()
    profiling.report()
    assert scene.blocks()[place]["final"]
    profiling.close()
    scene.close()


def test_a_clock_that_is_wrong_loses_no_row_and_reopens_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, reference(block="hour"), now=HOUR + 7300)
    number = int(HOUR // 3600)
    scene.predict(20, HOUR + 10)
    passed(scene)
    assert scene.blocks()[RELEASE, "answered", number]["final"]
    late, future = HOUR + 20, HOUR + 90_000
    scene.predict(15, [late] * 8 + [future] * 7, seed=3)
    scene.now = HOUR + 4 * 3600
    passed(scene)
    row_counts = {place[2] - number: block["rows"] for place, block in scene.blocks().items()}
    assert row_counts == {0: 20, 2: 8}
    scene.now = HOUR + 6 * 3600
    passed(scene)
    assert {place[2] - number: block["rows"] for place, block in scene.blocks().items()} == {0: 20, 2: 8, 4: 7}
    scene.close()


def test_shadows_are_counted_apart_and_chosen_requests_not_at_all(scene: Scene) -> None:
    scene.predict(100, NOW - 10, flags=8)
    scene.predict(100, NOW - 10, flags=4, seed=3)
    passed(scene)
    assert sorted(scene.blocks()) == [(RELEASE, "shadow", 0)]


def test_labels_become_losses_of_the_block_and_of_the_concept_monitor(scene: Scene) -> None:
    assert scene.reference is not None and scene.reference.loss is not None
    ids = scene.predict(150, [NOW - 300 + place for place in range(150)])
    passed(scene)
    scene.label(ids, [1, 0] * 75)
    passed(scene)
    first = scene.blocks()[RELEASE, "answered", 0]["losses"]
    assert first["labelled"] == sum(first["cells"]) == 100
    assert 0.2 < first["total"] / 100 < 0.6 and 20 < first["wrong"] < 80
    loss_runs = [run for message in scene.messages for run in message["losses"]]
    assert len(loss_runs) == 150 // scene.reference.loss.block_rows
    assert all(run["rows"] == scene.reference.loss.block_rows and 0 < run["mean"] < 1 for run in loss_runs)


def test_labels_of_nothing_that_is_known_and_of_odd_kinds_change_nothing(scene: Scene) -> None:
    ids = scene.predict(100, NOW - 100)
    passed(scene)
    scene.label(
        [*(f"00000000-0000-0000-0000-{place:012d}" for place in range(50)), *ids[:3]], [1] * 50 + ["x", None, 7]
    )
    passed(scene)
    assert scene.blocks()[RELEASE, "answered", 0].get("losses") is None


def test_a_release_without_a_reference_is_counted_in_rows(tmp_path: Path) -> None:
    scene = Scene(tmp_path, None, now=HOUR + 10)
    scene.predict(30, HOUR + 5)
    passed(scene)
    scene.now = HOUR + 4000
    passed(scene)
    (block,) = scene.blocks().values()
    assert block["rows"] == 30 and block["final"] and "features" not in block
    scene.close()


def test_the_log_waits_for_a_reference_that_cannot_be_fetched_yet(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.predict(100, NOW - 10)
    scene.shelf.away = True
    with pytest.raises(references.ReferenceAwaitedError):
        scene.open().look()
    scene.shelf.away = False
    passed(scene)
    assert scene.blocks()[RELEASE, "answered", 0]["rows"] == 100


def test_a_reference_that_never_comes_does_not_hold_the_log_for_ever(scene: Scene) -> None:
    scene.predict(100, HOUR - 10)
    scene.shelf.away = True
    profiling = scene.open()
    with pytest.raises(references.ReferenceAwaitedError):
        profiling.look()
    scene.now += references.PATIENCE_S
    profiling.look()
    profiling.report()
    assert [block["rows"] for block in scene.blocks().values()] == [100]


def test_of_restricted_data_no_small_count_leaves_the_location(tmp_path: Path) -> None:
    scene = Scene(tmp_path, reference(least=10))
    ids = scene.predict(250, NOW - 100)
    passed(scene)
    scene.label(ids[:5], [1] * 5)
    passed(scene)
    for block in scene.blocks().values():
        counts = [
            count for feature_profile in block["features"]["features"].values() for count in feature_profile["counts"]
        ]
        assert block["rows"] == 100 and block["least"] == 10 and all(count % 10 == 0 for count in counts)
        assert "losses" not in block
        assert all(
            not {"distinct", "frequent"} & feature_profile.keys()
            for feature_profile in block["features"]["features"].values()
        )
    scene.close()


def test_what_was_never_told_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("falaj.dataplane.agent.profiling.profile_store.MOST_UNSENT", 2)
    scene.predict(500, NOW - 10)
    profiling = scene.open()
    profiling.look()
    profiling._forget()
    profiling.report()
    assert sorted(place[2] for place in scene.blocks()) == [3, 4]
    profiling.close()
