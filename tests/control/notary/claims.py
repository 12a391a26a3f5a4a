"""A run whose claims are true: a model, its tables and lockfile in the store, and what a worker would say of them."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from falaj.build.checks.gates import judge
from falaj.build.checks.model_files import scan
from falaj.build.checks.scoring import CANDIDATE, GateScoring, Scores
from falaj.config.gates import parse_gate
from falaj.control.notary import Attestation, GateClaim, Office, ScoredTable, open_office
from falaj.control.notary.attestation import Circumstances, TableFacts
from falaj.control.notary.commit import CommitProof
from falaj.control.notary.evidence import check_record
from falaj.control.notary.gates import record_of
from falaj.core.home import Home
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import ArtifactStore


def _git(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


PROJECT_FILE = b"""
model: m
risk: low
pipeline:
  fit: {select: brier on validation}
gates:
  - accuracy >= 0.7 on test
  - "shop.metrics:profit >= 1 on test"
"""
_TREE = b"100644 falaj.yaml\0" + bytes.fromhex(_git("blob", PROJECT_FILE)) + b"40000 src\0" + bytes(20)
_COMMIT = f"tree {_git('tree', _TREE)}\nauthor A\n\nFirst\n".encode()
PROOF = CommitProof(_COMMIT, _TREE, PROJECT_FILE)
RUN, COMMIT = "r1", _git("commit", _COMMIT)
GATE, OWN = parse_gate("accuracy >= 0.7 on test"), parse_gate("shop.metrics:profit >= 1 on test")
LOCK = """
    version = 1
    [[package]]
    name = "numpy"
    version = "2.0.0"
    source = { registry = "https://index.example.org/simple" }
    wheels = [{ url = "https://index.example.org/numpy.whl", hash = "sha256:aa" }]
"""


@dataclass(frozen=True)
class Case:
    """A home and true claims."""

    home: Home
    claims: Attestation
    tables: Mapping[str, ScoredTable]

    @property
    def office(self) -> Office:
        return Office(self.home, committed=True)


def true_claims(home: Home, folder: Path) -> Case:
    """Claims that recompute."""
    home.prepare()
    office = open_office(home)
    store = office.store
    model, data, lock = (_put(store, folder, name, files) for name, files in _FILES.items())
    digest = str(model.digest)
    rng = np.random.default_rng(0)
    label = (rng.random(200) < 0.5).astype(float)
    answers = np.clip(label * 0.6 + 0.2 + rng.normal(0, 0.1, 200), 0, 1)
    table = ScoredTable(label, {CANDIDATE: answers}, {"shop": np.where(label > 0, "north", "south")})
    own = {(OWN.text, ""): 2.5}
    scoring = GateScoring({"test": Scores(label, table.scores, table.slices, {}, (), (0, 1), own)}, {}, {})
    bench = _Bench(digest)
    records = {gate: record_of(judge(gate, scoring, bench)) for gate in (GATE, OWN)}  # type: ignore[arg-type]
    snapshot = attestations.Snapshot("rows", str(data.digest))
    dataset = attestations.Dataset("rows", "file:rows.csv", "", "public", "AE", data.files, data.size)
    environment = _environment(folder / "lock")
    claims = Attestation(
        model="m", digest=digest, run=RUN, commit=COMMIT, datasets=((snapshot, dataset),),
        provenance=attestations.Provenance(RUN, "repo", "main", COMMIT, {}, (snapshot,), environment, True, "", "b",
        "0", 1, 2),
        train=attestations.Train("m", RUN, COMMIT, "fit", "A <a@example.org>", (snapshot,), ("x",), {}, {}),
        gates=(GateClaim(GATE, records[GATE]), GateClaim(OWN, records[OWN], {"": 2.5})),
        circumstances=Circumstances(outputs={"test": str(data.digest)}),
        champion=None,
        behaviour=(attestations.CheckRecord("tests", True, 3, "3 passed", (), {}, claimed_by="worker"),),
        content=(check_record(scan(folder / "model", ())), attestations.CheckRecord("secrets", True, 4, "none", (),
        {})),
        bill=attestations.MlBom("m", digest, "o", "low", RUN, COMMIT, "native", ("x",), ((snapshot, dataset),),
                      (("numpy", "2.0.0"),), (), "0", 2.0),
        lock=str(lock.digest),
        interpreter="3.12.3",
        tables={"test": TableFacts(names=(0, 1))},
        proof=PROOF,
    )  # fmt: skip
    return Case(home, claims, {"test": table})


@dataclass(frozen=True)
class _Bench:
    model: str
    live: None = None
    blocks: None = None
    seed: int = 0

    @property
    def outputs(self) -> Mapping[str, Any]:
        return {}

    def model_digest(self) -> str:
        return self.model


_FILES: Mapping[str, Mapping[str, str]] = {
    "model": {
        "MLmodel": """
            flavors: {sklearn: {pickled_model: model.skops}}
            signature: {inputs: '[{"name": "x", "type": "double"}]'}
        """,
        "model.skops": "{}",
    },
    "data": {"rows.csv": "x,y\n1,0\n"},
    "lock": {"uv.lock": LOCK, "pyproject.toml": '[project]\nname = "p"\n'},
}


def _put(store: ArtifactStore, folder: Path, name: str, files: Mapping[str, str]) -> Any:
    for path, text in files.items():
        target = folder / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
    return store.put(folder / name)


def _environment(lock: Path) -> str:
    from falaj.core.venv.environment import environment_digest, lock_digest

    return f"sha256:{environment_digest(lock_digest(lock, 'uv.lock'), '3.12.3')}"
