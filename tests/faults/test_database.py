"""A database that is locked by others, workers whose clocks disagree, results that rot on the disk."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.storage import Database
from falaj.storage.durable import Lease, LeaseLostError, ProcessEvent, ProcessTable, TransitionStep
from tests.databases import migrated_sqlite
from tests.e2e.installation import Installation
from tests.faults.conftest import STEPS
from tests.waiting import HANGS_AFTER_S, until

pytestmark = [pytest.mark.durability, pytest.mark.faults]

LOCKED_S = 20.0  # longer than anyone waits for the database (15 s)
LEASE_S = 15.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other writer of a database away until the block ends."""
    began, unlock_event = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, timeout=HANGS_AFTER_S, isolation_level=None)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            began.set()
            unlock_event.wait()
            connection.execute("ROLLBACK")

    holder = threading.Thread(target=hold)
    holder.start()
    assert began.wait(HANGS_AFTER_S)
    try:
        yield
    finally:
        unlock_event.set()
        holder.join()


def executions(marks: Path) -> dict[int, int]:
    return {int(path.name): len(path.read_text()) for path in marks.iterdir()}


def test_a_run_outlives_a_locked_database(installation: Installation, slow_project: Path, marks: Path) -> None:
    commit = installation.push(slow_project)
    until((marks / "1").exists, installation.logs)
    with locked(installation.home / "falaj.db"):
        time.sleep(LOCKED_S)
    run = installation.ended(commit)
    assert run["state"] == "succeeded", run["reason"] + installation.logs()
    steps = [step for step in run["steps"] if step["kind"] == "step"]
    assert {step["node"] for step in steps} == {f"s{n}" for n in range(STEPS)}, "what was said meanwhile is kept"
    assert {step["state"] for step in steps} <= {"succeeded", "cached"}
    assert max(executions(marks).values()) <= 2


def test_a_push_to_a_locked_database_is_not_lost(installation: Installation, slow_project: Path, marks: Path) -> None:
    with locked(installation.home / "falaj.db"):
        commit = installation.push(slow_project)
        time.sleep(LOCKED_S)
    run = installation.ended(commit)
    assert run["state"] == "succeeded", run["reason"] + installation.logs()
    assert executions(marks) == dict.fromkeys(range(STEPS), 1)


def test_a_command_says_that_the_database_is_locked(installation: Installation, slow_project: Path) -> None:
    with locked(installation.home / "falaj.db"):
        refused = installation.falaj("project", "add", "meanwhile")
    assert refused.returncode == 6 and "database" in refused.stderr and "fix:" in refused.stderr
    assert "meanwhile" not in installation.ok("project", "list")
    installation.ok("project", "add", "meanwhile")


def test_a_damaged_result_is_made_again_and_never_served(
    installation: Installation, slow_project: Path, marks: Path
) -> None:
    first = installation.ended(installation.push(slow_project))
    assert first["state"] == "succeeded", first["reason"]
    for blob in blobs(installation):
        damage(blob)
    text = (slow_project / "falaj.yaml").read_text()
    (slow_project / "falaj.yaml").write_text(text.replace("inputs: [s3]", "inputs: [s2]"))
    second = installation.ended(installation.push(slow_project))
    assert second["state"] == "succeeded", second["reason"] + installation.logs()
    assert executions(marks)[2] == 2, "the step whose result was damaged is executed again"


def test_a_damaged_log_is_refused_by_name(installation: Installation, slow_project: Path) -> None:
    before = set(blobs(installation))
    text = (slow_project / "src" / "slow" / "steps.py").read_text()
    (slow_project / "src" / "slow" / "steps.py").write_text(text.replace("time.sleep(0.6)", "print(number, before)"))
    run = installation.ended(installation.push(slow_project))
    for blob in set(blobs(installation)) - before:
        damage(blob)
    refused = installation.falaj("run", "logs", run["id"], "s1")
    assert refused.returncode == 5 and "blobs/" in refused.stderr, refused.stderr
    assert refused.stdout.strip() == ""


def blobs(installation: Installation) -> list[Path]:
    return [path for path in (installation.home / "store" / "blobs").rglob("*") if path.is_file()]


def damage(blob: Path) -> None:
    """Change one bit and leave the size as it is, as a bad sector may."""
    content = bytearray(blob.read_bytes())
    if content:
        content[-1] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(content)


@settings(max_examples=60, deadline=None)
@given(
    turns=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["claim", "renew", "advance"]), st.integers(-7200, 7200)),
        max_size=25,
    )
)
def test_only_the_newest_claim_writes_however_the_clocks_jump(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, str, int]]
) -> None:
    """Every worker reads a clock of its own that may be hours off and go backwards."""
    with closing(migrated_sqlite(tmp_path_factory.mktemp("skew") / "falaj.db")) as database:
        table = ProcessTable(database, {"thing": lambda state, *_: TransitionStep(state + "+", wake_at=0.0)})
        with database.transaction() as session:
            table.start(session, "thing", "t", "", {}, now=0.0)
        leases: dict[str, Lease] = {}
        newest, is_holder, advanced = 0, False, 0
        for name, action, skew in turns:
            now = 100_000.0 + skew
            if action == "claim":
                if lease := table.claim("thing", name, LEASE_S, now):
                    assert lease.fence == newest + 1 and len(lease.state) == advanced
                    leases[name], newest, is_holder = lease, lease.fence, True
            elif lease := leases.get(name):
                allowed = is_holder and lease.fence == newest
                wrote = _writes(table, database, lease, action, now)
                assert wrote == allowed
                if wrote and action == "advance":
                    is_holder, advanced = False, advanced + 1


def _writes(table: ProcessTable, database: Database, lease: Lease, action: str, now: float) -> bool:
    try:
        if action == "renew":
            table.renew(lease, LEASE_S, now)
        else:
            with database.transaction() as session:
                table.advance(session, lease, ProcessEvent("go"), now)
    except LeaseLostError:
        return False
    return True
