"""The bill of materials is CycloneDX 1.6 by its own schema, for any names and numbers, and is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.supply_chain.attestations import EvidenceError, GateRecord, MlBom, canonical
from falaj.supply_chain.attestations.mlbom import read_mlbom

from .releases import COMMIT, FLIGHTS, RUN, WEATHER, dataset, mlbom

DIGEST = "sha256:" + "4" * 64
VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def test_it_is_cyclonedx_and_read_back() -> None:
    document = mlbom(DIGEST).as_dict()
    assert VALIDATOR.validate_str(json.dumps(document)) is None
    facts = read_mlbom(document)
    assert (facts.model, facts.digest, facts.run, facts.commit) == ("flight-delay", DIGEST, RUN, COMMIT)
    assert facts.snapshots == {FLIGHTS, WEATHER}


def test_the_card_says_how_the_model_did() -> None:
    gate = GateRecord("auc >= 0.68 by carrier", True, 0.7, 0.68, 90, (0.6, 0.8), "carrier=AA")
    card = replace(mlbom(DIGEST), gates=(gate, replace(gate, value=None, interval=None))).as_dict()["metadata"][
        "component"
    ]["modelCard"]
    first, second = card["quantitativeAnalysis"]["performanceMetrics"]
    assert first == {
        "type": gate.text, "value": "0.7", "slice": "carrier=AA",
        "confidenceInterval": {"lowerBound": "0.6", "upperBound": "0.8"},
    }  # fmt: skip
    assert second["value"] == "unknown"


def test_the_same_run_has_the_same_bill() -> None:
    assert canonical(mlbom(DIGEST).as_dict()) == canonical(mlbom(DIGEST).as_dict())


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(text, text, text, st.floats(allow_nan=False, allow_infinity=False), text)
def test_any_text_keeps_the_schema(name: str, source: str, package: str, value: float, slice_: str) -> None:
    bill: MlBom = replace(
        mlbom(DIGEST),
        model=name,
        owner=source,
        features=(name, source),
        datasets=((FLIGHTS, replace(dataset(FLIGHTS), source=source, pinned=package, classification=name)),),
        packages=((package, "1.0"), (package, "1.0")),
        gates=(GateRecord(source, True, value, value, 1, (value, value), slice_),),
    )
    assert VALIDATOR.validate_str(json.dumps(bill.as_dict())) is None


@pytest.mark.parametrize("damage", ["bomFormat", "metadata", "components"])
def test_another_document_is_refused(damage: str) -> None:
    document: dict[str, Any] = {key: value for key, value in mlbom(DIGEST).as_dict().items() if key != damage}
    with pytest.raises(EvidenceError, match="CycloneDX"):
        read_mlbom(document)
