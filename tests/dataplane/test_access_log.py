"""Reading a log that grows, rotates and vanishes: every line once, and it is said what was skipped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.dataplane.access_log import Access, AccessLog, Position


def line(number: int, **facts: object) -> str:
    defaults = {"at": f"17956469{number % 100:02}.950611", "request_id": str(number), "status": 200, "flags": "-"}
    return json.dumps(defaults | facts) + "\n"


def numbers(accesses: list[Access]) -> list[int]:
    return [int(access.request_id or -1) for access in accesses]


class Writer:
    """Writes and rotates as Envoy and the gateway do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def write(self, lines: int = 1) -> None:
        with self.path.open("a") as file:
            for _ in range(lines):
                file.write(line(self.count, filler="x" * 300))
                self.count += 1

    def rotate(self) -> None:
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self.path.touch()


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "access.jsonl")


def test_a_line_of_envoy_is_a_request() -> None:
    facts = {
        "attempts": 3, "candidate": 2, "endpoint": "dev/m", "forced": False, "latency_us": 1500, "release": 2,
        "answered": 1, "unit": "c7", "weights": {"1": 9000, "2": 1000}, "path": "/dev/m", "replica": None,
    }  # fmt: skip
    (access,) = _read_text(line(7, **facts))
    assert access.at == 1795646907.950611 and access.latency_ms == 1.5 and access.weights == {1: 9000, 2: 1000}
    assert (access.arm, access.weight, access.failed_over) == ("candidate", 1000, True)
    (other,) = _read_text(line(7, **facts | {"release": 1, "forced": True}))
    assert (other.arm, other.failed_over) == ("forced", False)
    (nobody,) = _read_text(line(7, request_id=None, method=None))
    assert (nobody.arm, nobody.weight, nobody.failed_over, nobody.latency_ms) == (None, 0, False, math.inf)


def _read_text(text: str) -> list[Access]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        path.write_text(text)
        return AccessLog(path).read()[0]


def test_there_may_be_no_log_yet(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "none")
    assert log.read() == ([], None) and log.end() is None and log.recent(100) == ([], None)
    gone = Position(1, 2, 3)
    assert log.read(gone) == ([], gone)


def test_a_torn_line_waits_for_its_end(writer: Writer) -> None:
    writer.write(2)
    whole = line(9)
    with writer.path.open("a") as file:
        file.write(whole[:20])
    log_entries, position = AccessLog(writer.path).read()
    assert numbers(log_entries) == [0, 1] and AccessLog(writer.path).end() == position
    with writer.path.open("a") as file:
        file.write(whole[20:])
    log_entries, position = AccessLog(writer.path).read(position)
    assert numbers(log_entries) == [9] and position is not None and position.skipped == 0


def test_a_line_that_is_none_is_counted_and_passed(writer: Writer) -> None:
    writer.path.write_text(line(1) + "{nothing}\n" + line(2) + '{"at": "soon"}\n')
    log_entries, position = AccessLog(writer.path).read()
    assert (
        numbers(log_entries) == [1, 2]
        and position is not None
        and position.skipped == len('{nothing}\n{"at": "soon"}\n')
    )


def test_a_file_that_vanished_is_said(writer: Writer) -> None:
    log = AccessLog(writer.path)
    writer.write(10)
    _, position = log.read(limit=4)
    assert position is not None and position.size == writer.path.stat().st_size
    lost = position.size - position.offset
    for _ in range(2):
        writer.rotate()
        writer.write(3)
    log_entries, position = log.read(position)
    assert numbers(log_entries) == list(range(10, 16)) and position is not None and position.skipped == lost


def test_an_inode_that_is_used_again_is_not_taken_for_the_old_file(writer: Writer) -> None:
    log = AccessLog(writer.path)
    writer.write(2)
    _, position = log.read()
    assert position is not None
    inode = writer.path.stat().st_ino
    writer.path.write_text("".join(line(number, filler="y" * 900) for number in range(50, 55)))
    assert writer.path.stat().st_ino == inode and writer.path.stat().st_size > position.offset
    assert numbers(log.read(position)[0]) == [50, 51, 52, 53, 54]


def test_a_line_that_was_never_finished_is_skipped_with_its_file(writer: Writer) -> None:
    writer.write(1)
    with writer.path.open("a") as file:
        file.write("{torn")
    writer.rotate()
    writer.write(1)
    log_entries, position = AccessLog(writer.path).read()
    assert numbers(log_entries) == [0, 1] and position is not None and position.skipped == len("{torn")


def test_recent_requests_reach_back_over_a_rotation(writer: Writer) -> None:
    log = AccessLog(writer.path)
    writer.write(10)
    size = writer.path.stat().st_size // 10
    assert numbers(log.recent(3 * size - 1)[0]) == [7, 8, 9]
    writer.rotate()
    writer.write(2)
    log_entries, end = log.recent(5 * size)
    assert numbers(log_entries)[-4:] == [8, 9, 10, 11] and 4 <= len(log_entries) <= 6
    assert numbers(log.recent(1 << 30)[0]) == list(range(12))
    assert log.read(end)[0] == [] and end == log.end()


STEPS = st.lists(st.sampled_from(["write", "write", "rotate", "read", "read one", "restart"]), max_size=30)


@settings(max_examples=60)
@given(STEPS)
def test_every_line_is_read_once_while_rotations_are_followed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    writer = Writer(tmp_path_factory.mktemp("log") / "access.jsonl")
    numbers_read: list[int] = []
    position: Position | None = None
    unread_rotation = False
    for step in steps:
        match step:
            case "write":
                writer.write(2)
            case "rotate" if writer.path.exists() and not unread_rotation:  # one file back is what is kept
                writer.rotate()
                unread_rotation = True
            case "restart" if position:
                position = Position.from_json(json.loads(json.dumps(position.to_json())))
            case "read" | "read one":
                accesses, position = AccessLog(writer.path).read(position, 1 if step == "read one" else 1000)
                numbers_read += numbers(accesses)
                unread_rotation = unread_rotation and step == "read one"
    accesses, position = AccessLog(writer.path).read(position)
    assert numbers_read + numbers(accesses) == list(range(writer.count))
    assert position is None or position.skipped == 0
