"""Processes that append at once, and one that is killed while it does."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from sqlalchemy import func, select

from falaj.storage import Database, EventRow
from falaj.storage.audit_tables import AuditDetailRow, AuditLeafRow
from falaj.supply_chain.attestations.merkle import leaf_hash, root
from falaj.trust import audit
from tests.waiting import HANGS_AFTER_S, until

WRITER = """
import sys
from falaj.trust import audit
from falaj.storage import Database, EventRow

url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = Database(url)
for number in range(count):
    with database.transaction() as session:
        session.add(EventRow(at=1.0, subject=f"{name}/{number}", kind="k", data={}))
        audit.append(session, [audit.AuditEntry("k", "user:ana", f"{name}/{number}")] * (1 + number % 3), 1.0)
    print(number, flush=True)
"""


def writer(database: Database, name: str, count: int) -> subprocess.Popen[str]:
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", WRITER, url, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.faults
def test_processes_that_append_at_once_and_one_that_is_killed_leave_one_log(database: Database) -> None:
    victim, others = writer(database, "victim", 100_000), [writer(database, name, 60) for name in ("a", "b")]
    assert victim.stdout is not None
    acknowledged = [int(victim.stdout.readline()) for _ in range(25)][-1]
    victim.send_signal(signal.SIGKILL)
    acknowledged = max([acknowledged, *(int(line) for line in victim.stdout if line.endswith("\n"))])
    victim.wait(HANGS_AFTER_S)
    for other in others:
        assert other.stdout is not None
        assert len(other.stdout.read().split()) == 60
        assert other.wait(HANGS_AFTER_S) == 0
        other.stdout.close()
    victim.stdout.close()
    until(lambda: whole(database, acknowledged))  # PostgreSQL may take a moment to notice that the killed one is gone


def whole(database: Database, acknowledged: int) -> bool:
    """One log without gap or fork, that says of each event what it is to say and nothing else."""
    with database.reading() as session:
        rows = session.execute(select(AuditLeafRow.index, AuditLeafRow.text, AuditLeafRow.subject)).all()
        events = set(session.scalars(select(EventRow.subject)))
        size, log_root = audit.size_of(session), audit.root_at(session, audit.size_of(session))
        details = session.scalar(select(func.count()).select_from(AuditDetailRow))
    rows = sorted(rows)
    logged_subjects = [row.subject for row in rows]
    return (
        [row.index for row in rows] == list(range(size))
        and log_root == root([leaf_hash(row.text.encode()) for row in rows])
        and details == size
        and set(logged_subjects) == events >= {f"victim/{number}" for number in range(acknowledged + 1)}
        and all(logged_subjects.count(each) == 1 + int(each.partition("/")[2]) % 3 for each in events)
    )
