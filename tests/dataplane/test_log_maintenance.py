"""The agent's upkeep of a prediction log: quietly, with what is installed, and never less than it must keep."""

from __future__ import annotations

import builtins
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from falaj.core.home import Home
from falaj.dataplane.agent.state_store import Memory
from falaj.dataplane.desired_state import DesiredState
from falaj.dataplane.errors import DesiredStateError, LocationRulesError
from falaj.dataplane.log_keys import reader_keys, writer_keys
from falaj.dataplane.log_maintenance import LogUpkeep, keep_log, open_upkeep
from falaj.dataplane.prediction_log import LogKey, LogOwner, LogWriter, SegmentHeader, find_prediction
from falaj.supply_chain.encryption import open_chest
from tests.dataplane.agent_scene import Scene
from tests.dataplane.serving.log_cases import KEYS, answer, files, write
from tests.waiting import until

DAY = 86_400.0
NEW = threading.Event

OWNER = LogOwner("dev/m", "m@1")


def aged(path: Path, seconds: float = 3600.0) -> Path:
    written = path.stat().st_mtime - seconds
    os.utime(path, (written, written))
    return path


def upkeep(log: Path, keep_s: float | None = None, **options: Any) -> LogUpkeep:
    return LogUpkeep(log, KEYS, lambda: {"residency": "AE"}, lambda: keep_s, **options)


def test_ended_segments_are_compacted_when_they_were_quiet_for_a_while(tmp_path: Path) -> None:
    old, fresh = aged(write(tmp_path, answer("a"))), write(tmp_path, answer("b"), now=2)
    upkeep(tmp_path).look(NEW())
    assert files(tmp_path) == [old.with_suffix(".parquet").name, fresh.name]


def test_what_is_left_as_it_was_written_is_tried_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "1.wal").write_bytes(b"something else")
    aged(tmp_path / "1.wal")
    log_upkeep = upkeep(tmp_path)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            log_upkeep.look(NEW())
    assert len([line for line in caplog.messages if "left-as-written" in line]) == 1


def test_without_parquet_it_says_so_once_and_still_removes_what_is_old(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return importing(name, *args, **options)

    path = aged(write(tmp_path, answer("a")))
    retention_cell: list[float | None] = [None]
    log_upkeep = LogUpkeep(tmp_path, KEYS, dict, lambda: retention_cell[0])
    monkeypatch.setattr(builtins, "__import__", without)
    for _ in range(3):
        log_upkeep.look(NEW())
    assert files(tmp_path) == [path.name]
    warning_lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warning_lines) == 1 and "falaj[parquet]" in warning_lines[0]
    retention_cell[0] = DAY
    log_upkeep.look(NEW())
    assert files(tmp_path) == []


def test_it_stops_in_the_middle_when_the_agent_does(tmp_path: Path) -> None:
    aged(write(tmp_path, *(answer(f"{n}") for n in range(3_000))))
    stopping = NEW()
    stopping.set()
    upkeep(tmp_path).look(stopping)
    assert files(tmp_path)[0].endswith(".wal") and len(files(tmp_path)) == 1


def test_the_thread_of_the_agent(tmp_path: Path) -> None:
    path = aged(write(tmp_path, answer("a")))
    stopping = NEW()
    thread = threading.Thread(target=keep_log(lambda: upkeep(tmp_path), look_s=0.01), args=(stopping,))
    thread.start()
    for _ in range(1_000):
        if not path.exists():
            break
        stopping.wait(0.01)
    stopping.set()
    thread.join(10)
    assert not thread.is_alive() and files(tmp_path) == [path.with_suffix(".parquet").name]


# What an installation keeps


@pytest.fixture
def location(tmp_path: Path) -> Path:
    folder = tmp_path / "location"
    folder.mkdir()
    return folder


def of(home: Home, location: Path, wanted_s: float | None = None, now_after_s: float = 0.0) -> LogUpkeep:
    log_upkeep = open_upkeep(home, open_chest(home), location, "dubai", lambda: wanted_s)
    log_upkeep.quiet_s, log_upkeep.clock = 0.0, lambda: time.time() + now_after_s
    return log_upkeep


def sealed_segment(home: Home, location: Path) -> None:
    give = writer_keys(home, open_chest(home), location / "predictions", "AE")
    assert give is not None
    header = SegmentHeader("m@1", "dev/m", ("x",), 0)
    log = LogWriter(location / "predictions", header, time.time_ns, key=LogKey.from_bytes(give(OWNER)))
    log.write([("a", time.time_ns(), [(1.0,)], {"y": [2.0]}, None)])
    log.close()


def test_an_installation_reads_its_columns_until_their_key_is_destroyed(tmp_path: Path, location: Path) -> None:
    home = Home(tmp_path / "home", {}).prepare()
    sealed_segment(home, location)
    of(home, location).look(NEW())
    log = location / "predictions"
    assert [Path(name).suffix for name in files(log)] == [".sealed"]
    keys = reader_keys(home, open_chest(home), log)
    assert keys.only_sealed and find_prediction(log, "a", keys) is not None


def test_a_file_says_what_the_location_says_of_itself(tmp_path: Path, location: Path) -> None:
    home = Home(tmp_path / "home", {"FALAJ_ENCRYPTION": "off"}).prepare()
    (location / "rules.json").write_text('{"jurisdiction": "AE-DU"}')
    write(location / "predictions", answer("a"))
    of(home, location).look(NEW())
    [file] = (location / "predictions").iterdir()
    file_metadata = pq.read_schema(file).metadata
    assert (file_metadata[b"falaj.residency"], file_metadata[b"falaj.location"]) == (b"AE-DU", b"dubai")


def test_the_location_keeps_longer_than_it_is_told_to_where_its_own_rules_say_so(
    tmp_path: Path, location: Path
) -> None:
    home = Home(tmp_path / "home", {}).prepare()
    sealed_segment(home, location)
    log = location / "predictions"
    of(home, location, None, 10_000 * DAY).look(NEW())
    assert len(files(log)) == 1, "the default keeps everything"
    (location / "rules.json").write_text('{"keep_predictions_days": 1825}')
    of(home, location, 30 * DAY, 1_824 * DAY).look(NEW())
    assert len(files(log)) == 1
    (location / "rules.json").write_text('{"keep_predictions_days": -1}')
    with pytest.raises(LocationRulesError):
        of(home, location, 30 * DAY, 1_900 * DAY).look(NEW())
    (location / "rules.json").write_text('{"keep_predictions_days": 1825}')
    of(home, location, 30 * DAY, 1_826 * DAY).look(NEW())
    assert files(log) == []


def test_the_control_plane_says_how_long_and_no_mistake_removes_a_log() -> None:
    desired_state = DesiredState.from_json({"version": 1, "keep_predictions_s": 400 * DAY})
    assert (
        desired_state.keep_predictions_s == 400 * DAY
        and DesiredState.from_json(desired_state.to_json()) == desired_state
    )
    assert DesiredState.from_json({"version": 1}).keep_predictions_s is None
    for wrong in (0, 1, -5.0, DAY - 1, "400d", True, float("nan"), float("inf")):
        with pytest.raises(DesiredStateError):
            DesiredState.from_json({"version": 1, "keep_predictions_s": wrong})


@pytest.mark.e2e
def test_an_agent_takes_another_retention_though_no_endpoint_changed(scene: Scene) -> None:
    scene.start()
    memory = Memory(scene.location)
    scene.plane.want()
    until(lambda: memory.desired().version == scene.plane.desired["version"])
    scene.plane.desired |= {"keep_predictions_s": 400 * DAY}
    until(lambda: memory.desired().keep_predictions_s == 400 * DAY)
    scene.plane.desired |= {"keep_predictions_s": None}
    until(lambda: memory.desired().keep_predictions_s is None)
