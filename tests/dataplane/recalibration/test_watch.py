"""The agent fits each release once a day, from labels of senders with the right, and whatever is killed when."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from falaj.dataplane.agent.recalibration.fitting import OFF
from falaj.dataplane.agent.recalibration.reporting import months_of
from falaj.statistics.recalibration import AnswerKind, Limit
from falaj.statistics.recalibration.document import file_name

from .scene import ENDPOINT, FIRST, Scene, reference

pytestmark = pytest.mark.integration


def run(scene: Scene, days: range, need: float = 0.8, **options: object) -> None:
    watch = scene.open()
    for day in days:
        scene.day(day - 1, need, **options)  # type: ignore[arg-type]
        scene.morning(day, watch)
    watch.close()


def test_a_release_begins_bare_and_comes_to_what_its_labels_need(tmp_path: Path):
    scene = Scene(tmp_path)
    watch = scene.open()
    assert scene.morning(0, watch) == 1
    first = scene.document()
    assert (first.offset, first.kind, first.reason, first.release) == (0.0, AnswerKind.BINARY, "", "delay@3")
    watch.close()
    run(scene, range(1, 25))
    document = scene.document()
    assert 0.45 < document.offset < 0.95
    assert document.version > first.version
    assert document.state.strength > 0.65
    assert document.state.limit is Limit.NONE


def test_it_is_fitted_once_a_day_and_after_a_restart_nothing_is_lost(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 6))
    before = scene.document()
    watch = scene.open()  # another agent
    assert scene.morning(5, watch, hour=0.9) == 0
    assert scene.document() == before
    scene.day(5, 0.8)
    assert scene.morning(6, watch) == 1
    assert len(scene.document().state.days) == len(before.state.days) + 1
    watch.close()


def test_labels_of_others_move_nothing_until_their_token_is_listed(tmp_path: Path):
    for token in ("guessed", None):
        scene = Scene(tmp_path / str(token))
        run(scene, range(1, 6), token=token)
        assert scene.document().offset == 0 and scene.document().state.rows == 0


def test_a_correction_of_somebody_without_the_right_takes_no_label_away(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 5))
    rows = scene.document().state.rows
    watch = scene.open()
    ids = [f"00000000-0000-0000-0000-{place:012x}" for place in range(1, 1201)]
    scene.label(ids, [0.0] * len(ids), [scene.now + 10] * len(ids), token=None)
    scene.morning(5, watch)
    watch.close()
    assert scene.document().state.rows == rows
    assert scene.document().offset > 0.1


def test_it_is_fitted_to_what_the_model_gave_and_not_to_what_was_answered(tmp_path: Path):
    bare, moved = Scene(tmp_path / "bare"), Scene(tmp_path / "moved")
    run(bare, range(1, 8))
    run(moved, range(1, 8), answered=lambda score: score**0.5)
    assert moved.document().offset == pytest.approx(bare.document().offset)


def test_a_regression_is_moved_by_a_number_within_its_bound(tmp_path: Path):
    scene = Scene(tmp_path, {3: reference(regression=True)}, regression=True)
    run(scene, range(1, 20), need=40.0)
    document = scene.document()
    assert document.kind is AnswerKind.REGRESSION
    assert document.offset == document.bound
    assert document.state.limit is Limit.BOUND


def test_the_bound_is_said_when_it_is_reached(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    scene = Scene(tmp_path)
    with caplog.at_level(logging.WARNING):
        run(scene, range(1, 30), need=4.0)
    assert scene.document().offset == scene.document().bound == 1.5
    assert "limit=bound" in caplog.text
    assert scene.reports.of(ENDPOINT)[0]["limit"] == "bound"


def test_a_new_release_starts_at_zero_and_keeps_the_strength(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 20))
    scene.references[4], scene.live = reference(), 4
    watch = scene.open()
    scene.morning(20, watch)
    watch.close()
    fresh = scene.document(4)
    assert fresh.offset == 0 and fresh.state.rows == 0
    assert fresh.state.strength == pytest.approx(scene.document(3).state.strength, abs=0.1)
    assert months_of(fresh)


def test_one_word_switches_it_off_and_on_at_once(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 6))
    assert scene.document().offset > 0
    scene.switch(recalibrate=False)
    watch = scene.open()
    assert scene.morning(5, watch, hour=0.5) == 1
    assert (scene.document().offset, scene.document().reason) == (0.0, OFF)
    assert scene.morning(5, watch, hour=0.6) == 0
    scene.switch(recalibrate=True)
    assert scene.morning(5, watch, hour=0.7) == 1
    assert scene.document().reason == ""
    watch.close()


def test_it_is_off_where_labelled_rows_are_unlike_the_rest(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 8), labelled=lambda score: score > 0.4)
    document = scene.document()
    assert document.offset == 0
    assert "labelled rows have higher scores than the rest" in document.reason


def test_labels_of_some_rows_at_random_are_as_good(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 8), labelled=lambda score: int(score * 1e6) % 3 == 0, count=600)
    assert scene.document().reason == "" and scene.document().offset > 0.1


def test_a_damaged_file_is_written_again_by_the_agent_that_wrote_it(tmp_path: Path):
    scene = Scene(tmp_path)
    watch = scene.open()
    for day in range(1, 5):
        scene.day(day - 1, 0.8)
        scene.morning(day, watch)
    before, path = scene.document(), scene.documents / file_name(ENDPOINT, "delay@3")
    path.write_bytes(path.read_bytes()[:100])
    assert scene.morning(4, watch, hour=0.5) == 0
    assert scene.document() == before
    watch.close()


def test_a_file_that_was_damaged_while_no_agent_ran_is_begun_anew_from_zero(tmp_path: Path, caplog):
    scene = Scene(tmp_path)
    run(scene, range(1, 10))
    before, path = scene.document(), scene.documents / file_name(ENDPOINT, "delay@3")
    path.write_bytes(os.urandom(500))
    watch = scene.open()
    assert scene.morning(9, watch, hour=0.5) == 1
    watch.close()
    after = scene.document()
    assert "recalibration.damaged" in caplog.text
    assert 0 < after.offset <= after.bound / 3
    assert after.version > before.version and after.state.rows == before.state.rows


def test_a_clock_that_jumps_ahead_and_back_ends_within_its_limits(tmp_path: Path):
    scene = Scene(tmp_path)
    run(scene, range(1, 15))
    before = scene.document()
    watch = scene.open()
    scene.morning(900, watch)
    far = scene.document()
    assert far.offset == 0 and far.state.rows == 0
    for day in range(15, 18):
        scene.day(day - 1, 0.8)
        scene.morning(day, watch)
        after = scene.document()
        assert abs(after.offset) <= after.bound
    watch.close()
    assert after.version > far.version > before.version
    assert after.state.day == FIRST + 17


def test_rows_gathered_in_the_far_future_were_forgotten_and_their_labels_come_no_second_time(tmp_path: Path):
    """A clock ahead drops old rows: what was gathered is gone, new labels count on."""
    scene = Scene(tmp_path)
    run(scene, range(1, 4))
    watch = scene.open()
    scene.morning(900, watch)
    scene.day(3, 0.8)
    scene.morning(4, watch)
    watch.close()
    assert scene.document().state.rows == 300


def test_the_report_tells_of_no_row_and_no_small_count(tmp_path: Path):
    scene = Scene(tmp_path, {3: reference(least=10)})
    run(scene, range(1, 4), count=33)
    (report,) = scene.reports.of(ENDPOINT)
    assert report["rows"] % 10 == 0
    assert report["release"] == 3 and report["reason"] == ""
    assert set(report["months"]) == {"2024-10"}
    assert scene.reports.of("prod/other") == ()


def test_a_release_without_labels_in_its_reference_is_not_recalibrated(tmp_path: Path):
    from dataclasses import replace

    scene = Scene(tmp_path, {3: replace(reference(), loss=None)})
    watch = scene.open()
    assert scene.morning(1, watch) == 0
    watch.close()
    assert not scene.documents.exists()


def test_rows_of_a_busy_day_are_a_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("falaj.dataplane.agent.recalibration.rows_file.MOST_OF_A_DAY", 100)
    scene = Scene(tmp_path)
    run(scene, range(1, 6))
    assert scene.document().state.rows == 4 * 100 + 300
    assert scene.document().offset > 0.1


def test_senders_are_those_of_the_installation_and_of_the_rules(tmp_path: Path):
    from falaj.dataplane.agent.recalibration.factory import senders_of
    from falaj.supply_chain.certificates.names import own_caller

    own = own_caller(ENDPOINT)
    assert senders_of(tmp_path, "dubai", ENDPOINT) == {own} and own != own_caller("dev/other")
    (tmp_path / "rules.json").write_text('{"label_senders": {"billing": "c-0123456789abcdef"}}')
    assert senders_of(tmp_path, "dubai", ENDPOINT) == {own, "c-0123456789abcdef"}
