"""How long a location takes to admit a release: 50 MB of model, 8 attestations, two approvals, a log of 100,000 leaves.

    .venv/bin/python benchmarks/governance/admission.py [--megabytes 50] [--leaves 100000] [--rounds 9]

Side by side, alternating within each round: the whole admission; only reading and hashing the same bytes, which is
the floor; and the OpenSSF reference implementation, which checks one signature over the same files. Exits 1 when an
admission takes longer than its limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from falaj.supply_chain import attestations as ev
from falaj.supply_chain.attestations.checkpoint import Checkpoint, sign_checkpoint
from falaj.supply_chain.attestations.merkle import inclusion_proof, leaf_hash, root
from falaj.supply_chain.attestations.model_signature import KEY_FILE, sign_model

LIMIT_MS = 150.0
NOW = 1_767_300_000.0
COMMIT = "3f" * 20
FILES = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=50)
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-admission-") as folder:
        case = Case.make(Path(folder), options.megabytes, options.leaves)
        sys.exit(report(measure(case, options.rounds)))


@dataclass(frozen=True)
class Case:
    """One admitted release on disk."""

    folder: Path
    bundle: ev.Bundle
    keys: ev.Keyring

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @classmethod
    def make(cls, folder: Path, megabytes: int, leaves: int) -> Case:
        write_model(folder / "model", megabytes)
        keys = ev.open_keyring(folder / "keys")
        envelopes = [*attestations(keys, ev.tree_digest(folder / "model")), *decisions(keys, folder)]
        release = ev.BundledRelease("credit", 7, ev.tree_digest(folder / "model"), "r-1", COMMIT)
        blobs = {
            path.relative_to(folder / "model").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (folder / "model").iterdir()
        }
        (folder / "model.sig").write_text(json.dumps(sign_model("credit", blobs, folder / "keys" / KEY_FILE)))
        return cls(folder, ev.bundle_of(release, envelopes, log_of(keys, envelopes, leaves)), keys)

    def admit(self) -> None:
        trusted = self.keys.trusted()
        ev.verify_admission(
            self.bundle, trusted, self.model, log_key=ev.log_key_of(trusted), last_seen_checkpoint=None,
            environment="prod", location="dubai", jurisdiction="AE", floors={"prod": 2}, now=NOW,
        ).require()  # fmt: skip

    def hash(self) -> None:
        for path in sorted(self.model.iterdir()):
            with path.open("rb") as file:
                hashlib.file_digest(file, hashlib.sha256)

    def peer(self) -> None:
        from model_signing.verifying import Config

        public = self.folder / "keys" / f"{KEY_FILE}.pub"
        Config().use_elliptic_key_verifier(public_key=public).verify(self.model, self.folder / "model.sig")


def write_model(folder: Path, megabytes: int) -> None:
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.bin").write_bytes(os.urandom(megabytes * 1_000_000 // FILES))


def attestations(keys: ev.Keyring, digest: str) -> list[ev.Envelope]:
    """Two datasets, provenance, train, eval, tests, scan and a bill of materials of 150 packages."""
    snapshots = (ev.Snapshot("customers", "sha256:" + "1" * 64), ev.Snapshot("loans", "sha256:" + "2" * 64))
    described = [(s, ev.Dataset(s.name, "s3://x/y.parquet", "v7", "personal", "AE", 3, 10**9)) for s in snapshots]
    gates = tuple(ev.GateRecord(f"auc >= 0.7 by region {n}", True, 0.75, 0.7, 9000) for n in range(12))
    checks = tuple(ev.CheckRecord(f"check-{n}", True, 40, "fine", (), {"tool": "1.0"}) for n in range(6))
    features = tuple(f"feature_{n}" for n in range(60))
    bill = ev.MlBom(
        "credit", digest, "risk@example.org", "high", "r-1", COMMIT, "onnx", features, tuple(described),
        tuple((f"package-{n}", f"1.{n}") for n in range(150)), gates, "0.1", NOW,
    )  # fmt: skip
    provenance = ev.Provenance(
        "r-1", "/srv/credit.git", "refs/heads/main", COMMIT, {}, snapshots, None, False, "", "builder", "0.1", NOW, NOW
    )
    about = [
        (ev.PROVENANCE, provenance.as_dict()),
        (
            ev.TRAIN,
            ev.Train("credit", "r-1", COMMIT, "fit", "A <a@x>", snapshots, features, {}, {"auc": 0.7}).as_dict(),
        ),
        (ev.EVAL, ev.Eval("r-1", COMMIT, gates).as_dict()),
        (ev.TESTS, ev.Tests("r-1", COMMIT, checks).as_dict()),
        (ev.SCAN, ev.Scan("r-1", COMMIT, checks).as_dict()),
        (ev.MLBOM, bill.as_dict()),
    ]
    statements = [ev.statement(ev.DATASET, [(s.name, s.digest)], d.as_dict()) for s, d in described]
    statements += [ev.statement(kind, [("credit", digest)], predicate) for kind, predicate in about]
    return [ev.sign_statement(item, keys.signer_for(item.predicate_type)) for item in statements]


def decisions(keys: ev.Keyring, folder: Path) -> list[ev.Envelope]:
    """Two people's identities and approvals, and the admission that rests on them."""
    digest = ev.tree_digest(folder / "model")
    snapshots = (ev.Snapshot("customers", "sha256:" + "1" * 64), ev.Snapshot("loans", "sha256:" + "2" * 64))
    gates = tuple(ev.GateRecord(f"auc >= 0.7 by region {n}", True, 0.75, 0.7, 9000) for n in range(12))
    identities, approvals = [], []
    for name in ("carla", "dalal"):
        key = ev.load_or_create_key(folder / "people" / f"{name}.pem")
        identity = ev.IdentityRecord(f"user:{name}", f"{name}@x", key.key_id, key.public_pem, NOW - 1e6, NOW + 1e6)
        approval = ev.Approval(
            "c-1", "normal", "credit@7", digest, COMMIT, snapshots,
            ev.gates_digest(ev.Eval("r-1", COMMIT, gates).as_dict()), "prod", 3, "user:badr", f"user:{name}",
            NOW - 900, NOW + 9000,
        )  # fmt: skip
        identities.append(ev.sign_statement(identity.statement(), keys.signer_for(ev.IDENTITY)))
        approvals.append(ev.sign_statement(approval.statement(), key))
    admission = ev.AdmissionDecision(
        "c-1", "normal", "credit", 7, digest, "prod", 3, "dubai", "AE", 2,
        tuple(ev.envelope_digest(item) for item in approvals), NOW - 60, NOW + 86400,
    )  # fmt: skip
    return [*identities, *approvals, ev.sign_statement(admission.statement(), keys.signer_for(ev.ADMISSION))]


def log_of(keys: ev.Keyring, envelopes: list[ev.Envelope], size: int) -> dict[str, object]:
    """The proof of a log of this size that holds each envelope."""
    texts = [ev.canonical({"at": NOW, "envelope": ev.envelope_digest(item)}).decode() for item in envelopes]
    texts += [f'{{"at":{number}}}' for number in range(size - len(texts))]
    hashes = [leaf_hash(text.encode()) for text in texts]
    note = sign_checkpoint(Checkpoint("falaj/benchmark", size, root(hashes)), keys.signer(ev.SigningRole.LOG))
    inclusion = {
        ev.envelope_digest(item): {
            "index": index,
            "leaf": texts[index],
            "proof": [node.hex() for node in inclusion_proof(index, hashes)],
        }
        for index, item in enumerate(envelopes)
    }
    return {"checkpoint": note, "inclusion": inclusion}


def measure(case: Case, rounds: int) -> dict[str, float]:
    """Median milliseconds of each; the first round only warms caches and imports."""
    ways: dict[str, Callable[[], None]] = {
        "admission": case.admit,
        "hash only": case.hash,
        "model_signing": case.peer,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(samples) for name, samples in times.items()}


def report(medians: dict[str, float]) -> int:
    admission, floor = medians["admission"], medians["hash only"]
    print(f"admission, share of its limit of {LIMIT_MS:.0f} ms: {admission / LIMIT_MS:.2f} ({admission:.0f} ms)")
    print(f"admission / hashing the same bytes: {admission / floor:.2f}")
    print(f"OpenSSF model_signing (files and one signature) / admission: {medians['model_signing'] / admission:.2f}")
    return int(admission > LIMIT_MS)


if __name__ == "__main__":
    main()
