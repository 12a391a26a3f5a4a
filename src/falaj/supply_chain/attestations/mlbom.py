"""The bill of materials of a model: CycloneDX 1.6 with a model card, as an in-toto predicate.

Source: CycloneDX 1.6 ML-BOM (https://cyclonedx.org/capabilities/mlbom/), in-toto predicate type `cyclonedx`
(https://github.com/in-toto/attestation/blob/main/spec/predicates/cyclonedx.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.predicates import Dataset, GateRecord, Snapshot
from falaj.supply_chain.attestations.provenance import rfc3339

MLBOM = "https://cyclonedx.org/bom"

_MODEL_REF = "model"
_DATA = "data/"


@dataclass(frozen=True)
class MlBom:
    """Says what the model is made of and how it did; the subject is the model.

    Args:
        model: Name of the model line.
        digest: Digest of the model artifact.
        owner: Who answers for it.
        risk: Risk tier of the project.
        run: Run id.
        commit: Full commit id.
        flavor: How it is packaged, such as `onnx`.
        features: Names of the model's inputs, in order.
        datasets: Every snapshot that reached the model, with its description.
        packages: Name and exact version of what its environment holds.
        gates: How it did.
        version: Version of Falaj.
        made_at: Unix seconds.
    """

    model: str
    digest: str
    owner: str
    risk: str
    run: str
    commit: str
    flavor: str
    features: tuple[str, ...]
    datasets: tuple[tuple[Snapshot, Dataset], ...]
    packages: tuple[tuple[str, str], ...]
    gates: tuple[GateRecord, ...]
    version: str
    made_at: float

    def as_dict(self) -> dict[str, Any]:
        """Return the predicate: a CycloneDX 1.6 document."""
        data = [_data_component(snapshot, dataset) for snapshot, dataset in self.datasets]
        libraries = [_library(name, version) for name, version in sorted(set(self.packages))]
        refs = [item["bom-ref"] for item in (*data, *libraries)]
        return {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'falaj:{self.run}:{self.digest}')}",
            "version": 1,
            "metadata": self._metadata(),
            "components": [*data, *libraries],
            "dependencies": [{"ref": _MODEL_REF, "dependsOn": refs}] if refs else [],
        }

    def _metadata(self) -> dict[str, Any]:
        component = {
            "type": "machine-learning-model",
            "bom-ref": _MODEL_REF,
            "name": self.model,
            "version": self.digest.removeprefix("sha256:")[:12],
            "hashes": _hashes(self.digest),
            "modelCard": self._card(),
            "properties": _properties(
                ("run", self.run), ("commit", self.commit), ("owner", self.owner), ("risk", self.risk)
            ),
        }
        tool = {"type": "application", "name": "falaj", "version": self.version}
        return {"timestamp": rfc3339(self.made_at), "tools": {"components": [tool]}, "component": component}

    def _card(self) -> dict[str, Any]:
        return {
            "modelParameters": {
                "modelArchitecture": self.flavor,
                "datasets": [{"ref": _DATA + snapshot.name} for snapshot, _ in self.datasets],
            },
            "quantitativeAnalysis": {"performanceMetrics": [_metric(gate) for gate in self.gates]},
            "properties": _properties(*(("feature", name) for name in self.features)),
        }


@dataclass(frozen=True)
class MlBomFacts:
    """What the verifier joins on.

    Args:
        model: Name of the model line.
        digest: Digest of the model artifact.
        run: Run id.
        commit: Full commit id.
        risk: Risk tier of the project; `high` when it does not say.
        packages: What the environment holds, as package URLs.
        snapshots: Data that reached the model.
        document: The whole document.
    """

    model: str
    digest: str
    run: str
    commit: str
    risk: str
    packages: frozenset[str]
    snapshots: frozenset[Snapshot]
    document: Mapping[str, Any]


def read_mlbom(predicate: Mapping[str, Any], *, where: str = "") -> MlBomFacts:
    """Read the joining facts from a CycloneDX document of this shape.

    Raises:
        EvidenceError: `evidence.malformed`.
    """
    match predicate:
        case {
            "bomFormat": "CycloneDX",
            "metadata": {
                "component": {
                    "type": "machine-learning-model",
                    "name": str(name),
                    "hashes": [{"alg": "SHA-256", "content": str(content)}],
                    "modelCard": dict(),
                    "properties": list(properties),
                }
            },
            "components": list(components),
        }:
            property_values = _details(properties)
            facts = (name, f"sha256:{content}", property_values.get("run", ""), property_values.get("commit", ""))
            return MlBomFacts(
                *facts, _risk(property_values), _packages(components), frozenset(_snapshots(components)), predicate
            )
        case _:
            raise EvidenceError(
                "the bill of materials is not a CycloneDX document of a model with its card", where=where
            )


def _risk(property_values: Mapping[str, str]) -> str:
    risk = property_values.get("risk", "")
    return risk if risk in ("low", "medium") else "high"


def _packages(components: Iterable[Any]) -> frozenset[str]:
    urls = (each.get("purl") for each in components if isinstance(each, dict) and each.get("type") == "library")
    return frozenset(url for url in urls if isinstance(url, str))


def _data_component(snapshot: Snapshot, dataset: Dataset) -> dict[str, Any]:
    return {
        "type": "data",
        "bom-ref": _DATA + snapshot.name,
        "name": snapshot.name,
        "version": dataset.pinned,
        "hashes": _hashes(snapshot.digest),
        "data": [{"type": "dataset", "name": snapshot.name, "classification": dataset.classification}],
        "properties": _properties(("source", dataset.source), ("origin", dataset.origin)),
    }


def _library(name: str, version: str) -> dict[str, Any]:
    url = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": url, "name": name, "version": version, "purl": url}


def _metric(gate: GateRecord) -> dict[str, Any]:
    metric_entry: dict[str, Any] = {"type": gate.text, "value": "unknown" if gate.value is None else repr(gate.value)}
    if gate.slice:
        metric_entry["slice"] = gate.slice
    if gate.interval:
        low, high = gate.interval
        metric_entry["confidenceInterval"] = {"lowerBound": repr(low), "upperBound": repr(high)}
    return metric_entry


def _hashes(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]


def _properties(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": f"falaj:{name}", "value": value} for name, value in pairs]


def _details(properties: Iterable[Any]) -> dict[str, str]:
    property_values = {}
    for entry in properties:
        match entry:
            case {"name": str(name), "value": str(value)}:
                property_values[name.removeprefix("falaj:")] = value
    return property_values


def _snapshots(components: Iterable[Any]) -> Iterable[Snapshot]:
    for component in components:
        match component:
            case {"type": "data", "name": str(name), "hashes": [{"alg": "SHA-256", "content": str(content)}]}:
                yield Snapshot(name, f"sha256:{content}")
