"""Data with people in it that became a release, as a finished run leaves it behind."""

from __future__ import annotations

from pathlib import Path

from falaj.api.platform import Platform
from falaj.control import compliance
from falaj.control.compliance import DataClassification, Searched, SourceReading
from falaj.storage import ProjectRow, ReleaseRow, RunRow
from falaj.supply_chain.artifacts import Digest
from falaj.trust import lineage
from falaj.trust.lineage import Edge, Node
from tests.owners import own

ROWS = "customer;city;late\nA-17;Dubai;1\nB-23;Sharjah;0\n A-17 ;Dubai;0\n"
LABEL = DataClassification("customers", "personal", "general", "AE", "customer")


def snapshot(
    platform: Platform, text: str = ROWS, name: str = "customers.csv", label: DataClassification = LABEL
) -> SourceReading:
    """A file in the store, as a run read it."""
    digest = platform.store.put_bytes(text.encode()).digest
    return SourceReading(str(digest), f"churn/{label.name}", name, label)


def learned(platform: Platform, *source_snapshots: SourceReading, now: float) -> list[Searched]:
    """What the worker does at the end of a run: labels are kept, people are found and remembered."""
    with platform.database.transaction() as session:
        secret = compliance.secret_of(session, platform.vault)
        pending = compliance.unsearched(session, source_snapshots)
    searched = [compliance.search(platform.store, each, secret) for each in pending]
    with platform.database.transaction() as session:
        compliance.keep_labels(session, "retail", source_snapshots, now)
        compliance.remember(session, searched, now)
    return searched


def released(
    platform: Platform, source_snapshot: SourceReading, folder: Path, now: float, number: int = 1
) -> tuple[Digest, Digest]:
    """A release that a snapshot reached; the artifact that a step made on the way, and the model."""
    (folder / f"model{number}").mkdir(parents=True)
    (folder / f"model{number}" / "weights").write_text(f"weights {number}")
    model = platform.store.put(folder / f"model{number}").digest
    table = platform.store.put_bytes(f"table {number} made of {source_snapshot.digest}".encode()).digest
    run, prepare, fit = (
        Node("run", f"run{number}"),
        Node("step", f"run{number}/prepare"),
        Node("step", f"run{number}/fit"),
    )
    edges = [
        Edge(Node("artifact", source_snapshot.digest), lineage.SNAPSHOT_OF, Node("source", source_snapshot.source)),
        Edge(prepare, lineage.PART_OF, run),
        Edge(prepare, "read", Node("artifact", source_snapshot.digest)),
        Edge(Node("artifact", str(table)), lineage.MADE_BY, prepare),
        Edge(fit, "read", Node("artifact", str(table))),
        Edge(Node("artifact", str(model)), lineage.MADE_BY, fit),
        Edge(Node("release", f"churn@{number}"), "serves", Node("artifact", str(model))),
        Edge(Node("release", f"churn@{number}"), lineage.MADE_BY, run),
    ]
    with platform.database.transaction() as session:
        if session.get(ProjectRow, "retail") is None:
            session.add(ProjectRow(name="retail", repository="/r", branch="main", created_at=now))
            own(session, "churn", "retail")
        session.add(
            RunRow(
                id=f"run{number}", project="retail", commit="1" * 40, trigger="push", params={}, state="succeeded",
                created_at=now,
            )
        )  # fmt: skip
        session.add(
            ReleaseRow(
                model="churn", number=number, project="retail", run_id=f"run{number}", commit="1" * 40,
                digest=str(model), state="live", data={"snapshots": {"customers": source_snapshot.digest}},
                created_at=now,
            )
        )  # fmt: skip
        lineage.record(session, edges, now)
    return Digest(table), Digest(model)
