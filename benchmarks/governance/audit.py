"""How fast the audit log is: appends one by one and in batches on SQLite, proofs, and an auditor's verification.

    .venv/bin/python benchmarks/governance/audit.py [--leaves 100000] [--singles 1500]

Side by side: an append in a committed transaction of its own against a bare row in one, which is what the disk allows;
a batch against a bare batch of the same rows; the stand-alone verifier against reading and hashing the same bytes.
Exits 1 when a figure misses its limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import insert

from falaj.storage import Database, EventRow
from falaj.supply_chain.attestations import SigningRole, open_keyring
from falaj.trust import audit

NOW = 1_800_000_000.0
BATCH = 1_000
SINGLE_LIMIT, BATCH_LIMIT, VERIFY_LIMIT_S = 500.0, 10_000.0, 5.0
VERIFIER = Path(__file__).resolve().parents[2] / "auditors" / "verify_log.py"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--singles", type=int, default=1_500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-audit-") as folder:
        sys.exit(measure(Path(folder), options.leaves, options.singles))


def measure(folder: Path, leaves: int, singles: int) -> int:
    database = Database(f"sqlite:///{folder / 'falaj.db'}")
    database.migrate()
    bare, appended = per_second(singles, bare_row(database)), per_second(singles, append_one(database))
    bare_batch = per_second(leaves // BATCH, bare_rows(database)) * BATCH
    batched = per_second(leaves // BATCH, append_batch(database)) * BATCH
    export, signer = export_of(database, folder), open_keyring(folder / "keys").signer(SigningRole.LOG)
    key = folder / "log.pem"
    key.write_text(signer.public_pem)
    verified = seconds(lambda: subprocess.run([sys.executable, VERIFIER, export, key], check=True))
    hashed = seconds(lambda: [hashlib.sha256(path.read_bytes()) for path in export.iterdir()])
    rows = [
        ("append, a transaction each", appended >= SINGLE_LIMIT, f"{appended / bare:.2f} of bare rows", SINGLE_LIMIT),
        ("append, batched", batched >= BATCH_LIMIT, f"{batched / bare_batch:.2f} of bare rows", BATCH_LIMIT),
        ("verify 100,000 leaves", verified <= VERIFY_LIMIT_S, f"{verified / hashed:.0f}x reading them", VERIFY_LIMIT_S),
    ]
    for name, within_limit, ratio, limit in rows:
        print(f"{name:28} {ratio:24} limit {limit:g} {'held' if within_limit else 'MISSED'}")
    margins = (appended / SINGLE_LIMIT, batched / BATCH_LIMIT, VERIFY_LIMIT_S / verified)
    print("margin to each limit:", ", ".join(f"{margin:.1f}x" for margin in margins))
    return 0 if all(within_limit for _, within_limit, _, _ in rows) else 1


def append_one(database: Database) -> Callable[[int], None]:
    def append(number: int) -> None:
        with database.transaction() as session:
            audit.append(session, entry(number), NOW)

    return append


def append_batch(database: Database) -> Callable[[int], None]:
    def append(number: int) -> None:
        with database.transaction() as session:
            audit.append(session, [entry(number * BATCH + each) for each in range(BATCH)], NOW)

    return append


def bare_row(database: Database) -> Callable[[int], None]:
    def add(number: int) -> None:
        with database.transaction() as session:
            session.execute(insert(EventRow), [event(number)])

    return add


def bare_rows(database: Database) -> Callable[[int], None]:
    def add(number: int) -> None:
        with database.transaction() as session:
            session.execute(insert(EventRow), [event(number + each) for each in range(BATCH)])

    return add


def entry(number: int) -> audit.AuditEntry:
    return audit.AuditEntry(
        "change.approved", f"user:p{number % 50}", f"change/{number}", {"release": "m@1", "n": number}
    )


def event(number: int) -> dict[str, object]:
    return {"at": NOW, "subject": f"change/{number}", "kind": "change.approved", "data": {"release": "m@1"}}


def export_of(database: Database, folder: Path) -> Path:
    signer = open_keyring(folder / "keys").signer(SigningRole.LOG)
    with database.transaction() as session:
        text = audit.checkpoint(session, signer, NOW)
    target = folder / "export"
    target.mkdir()
    files = {name: (target / f"{name}.jsonl").open("w") for name in ("leaves", "details", "checkpoints")}
    with database.reading() as session:
        for name, line in audit.export_lines(session, text):
            files[name].write((line if name == "leaves" else json.dumps(line)) + "\n")
    for file in files.values():
        file.close()
    return target


def per_second(count: int, work: Callable[[int], None]) -> float:
    def all_of_them() -> None:
        for number in range(count):
            work(number)

    return count / seconds(all_of_them)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
