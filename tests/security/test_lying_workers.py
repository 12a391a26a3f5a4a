"""A worker that was taken over by the code that it runs: what the notary does not sign for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from falaj.control.notary import Attestation, DoesNotRecomputeError, ScoredTable
from falaj.control.notary.requests import Request
from falaj.core.home import Home
from falaj.supply_chain.attestations import CandidateRecord, GateRecord, SelectionRecord, Snapshot
from falaj.supply_chain.encryption import KeyGoneError, KeyScope
from tests.control.notary.claims import Case, true_claims

Lie = Callable[[Attestation], Attestation]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return true_claims(Home(tmp_path / "home", {}), tmp_path / "made")


def statements(case: Case, claims: Attestation | None = None) -> dict[str, Any]:
    envelopes = case.office.attest(claims or case.claims, case.tables)
    payloads = (json.loads(base64.b64decode(envelope["payload"])) for _, envelope in envelopes)
    return {each["predicateType"].split("/")[-2]: each["predicate"] for each in payloads}


def test_what_holds_is_signed_and_says_what_is_the_workers_word(case: Case) -> None:
    signed = statements(case)
    gates = {gate["text"]: (gate["metric"], gate["claimed_by"]) for gate in signed["eval"]["gates"]}
    assert gates == {"accuracy >= 0.7 on test": ("ours", ""), "shop.metrics:profit >= 1 on test": ("project", "worker")}
    assert {check["name"]: check["claimed_by"] for check in signed["scan"]["checks"]} == {
        "model-files": "", "secrets": "worker",
    }  # fmt: skip
    assert signed["train"]["claimed_by"] == "worker" and signed["tests"]["checks"][0]["claimed_by"] == "worker"
    assert signed["provenance"]["buildDefinition"]["internalParameters"]["recomputed"] == ["snapshots", "environment"]


def better_gate(claims: Attestation) -> Attestation:
    first, *others = claims.gates
    record: GateRecord = replace(first.record, value=0.999)
    return msgspec.structs.replace(claims, gates=(msgspec.structs.replace(first, record=record), *others))


def passed_gate(claims: Attestation) -> Attestation:
    """The gate is said to be met by another slice of answers than those that were handed over."""
    first, *others = claims.gates
    own = msgspec.structs.replace(others[0], own={"": 0.4})
    return msgspec.structs.replace(claims, gates=(first, own))


def no_scan(claims: Attestation) -> Attestation:
    return msgspec.structs.replace(claims, content=tuple(c for c in claims.content if c.name != "model-files"))


def other_packages(claims: Attestation) -> Attestation:
    return msgspec.structs.replace(claims, bill=replace(claims.bill, packages=(("numpy", "1.0.0"),)))


def other_environment(claims: Attestation) -> Attestation:
    return msgspec.structs.replace(claims, provenance=replace(claims.provenance, environment=f"sha256:{'b' * 64}"))


def reproducible_without_a_lock(claims: Attestation) -> Attestation:
    provenance = replace(claims.provenance, environment=None)
    return msgspec.structs.replace(claims, provenance=provenance, lock=None, bill=replace(claims.bill, packages=()))


def smaller_snapshot(claims: Attestation) -> Attestation:
    (snapshot, dataset), *others = claims.datasets
    return msgspec.structs.replace(claims, datasets=((snapshot, replace(dataset, size=1)), *others))


def invented_snapshot(claims: Attestation) -> Attestation:
    (_, dataset), *_ = claims.datasets
    return msgspec.structs.replace(claims, datasets=((Snapshot("rows", f"sha256:{'c' * 64}"), dataset),))


def invented_model(claims: Attestation) -> Attestation:
    digest = f"sha256:{'d' * 64}"
    return msgspec.structs.replace(claims, digest=digest, bill=replace(claims.bill, digest=digest))


def without_a_gate(claims: Attestation) -> Attestation:
    return msgspec.structs.replace(claims, gates=claims.gates[:1])


def looser_gate(claims: Attestation) -> Attestation:
    first, *others = claims.gates
    spec, record = replace(first.spec, limit=0.1), replace(first.record, limit=0.1)
    return msgspec.structs.replace(claims, gates=(msgspec.structs.replace(first, spec=spec, record=record), *others))


def other_project_file(claims: Attestation) -> Attestation:
    assert claims.proof is not None
    proof = msgspec.structs.replace(claims.proof, file=b"gates: []\n")
    return msgspec.structs.replace(claims, proof=proof, gates=())


def no_project_file(claims: Attestation) -> Attestation:
    return msgspec.structs.replace(claims, proof=None)


def bill_of_another_run(claims: Attestation) -> Attestation:
    return msgspec.structs.replace(claims, bill=replace(claims.bill, run="r0"))


def selected(claims: Attestation, text: str = "brier on validation", **changes: Any) -> Attestation:
    """The model is the better one of two candidates."""
    rows = f"sha256:{'e' * 64}"
    candidates = tuple(
        CandidateRecord(f"fit[depth={depth}]", {"depth": depth}, claims.digest, changes.get("table", rows), score)
        for depth, score in ((2, 0.2), (3, 0.1))
    )
    best = changes.get("best", "fit[depth=3]")
    selection = SelectionRecord("fit", text, changes.get("better", "less"), best, candidates)
    return msgspec.structs.replace(claims, train=replace(claims.train, selection=selection))


def selected_the_worse(claims: Attestation) -> Attestation:
    return selected(claims, best="fit[depth=2]")


def selected_in_the_other_direction(claims: Attestation) -> Attestation:
    return selected(claims, better="greater", best="fit[depth=2]")


def selected_by_another_metric(claims: Attestation) -> Attestation:
    return selected(claims, "log_loss on validation")


def selected_by_rows_of_a_gate(claims: Attestation) -> Attestation:
    return selected(claims, table=claims.circumstances.outputs["test"])


def test_a_selection_that_holds_is_signed(case: Case) -> None:
    record = statements(case, selected(case.claims))["train"]["selection"]
    assert (record["best"], len(record["candidates"])) == ("fit[depth=3]", 2)


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (better_gate, "gives 0.985 on 200 rows, passed here, and the worker says 0.999"),
        (passed_gate, "gives 0.4 on 200 rows, failed here"),
        (no_scan, "were not scanned"),
        (other_packages, "names other packages"),
        (other_environment, "gives another environment"),
        (reproducible_without_a_lock, "without a lockfile"),
        (smaller_snapshot, "has 1 files of 8 bytes"),
        (invented_snapshot, "is not in the store"),
        (invented_model, "cannot be read"),
        (bill_of_another_run, "is of another run"),
        (without_a_gate, "of the project file was not judged"),
        (looser_gate, "is not in the project file"),
        (other_project_file, "the blob is not the one that is named"),
        (no_project_file, "nothing shows the project file"),
        (selected_the_worse, "is not the best of the candidates"),
        (selected_in_the_other_direction, "the project file selects by `brier on validation`"),
        (selected_by_another_metric, "the project file selects by `brier on validation`"),
        (selected_by_rows_of_a_gate, "judges on rows that were used to select"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_does_not_recompute_is_refused(case: Case, lie: Lie, words: str) -> None:
    with pytest.raises(DoesNotRecomputeError, match=words):
        statements(case, lie(case.claims))


def test_a_pickle_in_a_model_that_was_called_clean_is_refused(case: Case, tmp_path: Path) -> None:
    model = tmp_path / "made" / "model"
    (model / "model.pkl").write_bytes(b"\x80\x04cos\nsystem\n(S'id'\ntR.")
    digest = str(case.office.store.put(model).digest)
    claims = msgspec.structs.replace(case.claims, digest=digest, bill=replace(case.claims.bill, digest=digest))
    with pytest.raises(DoesNotRecomputeError, match="scan of the model's files gives: 3 files, 1 of them pickles"):
        statements(case, claims)


def test_arrays_of_objects_are_no_scores(case: Case) -> None:
    from falaj.control.notary.arrays import packed

    label = np.asarray([object()])
    with pytest.raises(DoesNotRecomputeError, match="numbers or texts"), packed({"test": ScoredTable(label, {}, {})}):
        pass


def test_a_file_that_could_still_change_is_no_scores(tmp_path: Path) -> None:
    from falaj.control.notary.arrays import ArrayPlace, TableLayout, unpacked

    layout = {"test": TableLayout(ArrayPlace("<f8", (1,), 0), {}, {})}
    (tmp_path / "scores").write_bytes(b"12345678")
    with (tmp_path / "scores").open("rb") as file, pytest.raises(DoesNotRecomputeError, match="could still be changed"):
        unpacked(layout, file.fileno())


@pytest.mark.parametrize("place", [("|O", (1,), 0), ("<f8", (9,), 0), ("<f8", (1,), -8), ("no", (1,), 0)])
def test_arrays_lie_in_their_file(place: tuple[str, tuple[int, ...], int]) -> None:
    from falaj.control.notary.arrays import ArrayPlace, TableLayout, packed, unpacked

    layout = {"test": TableLayout(ArrayPlace(*place), {}, {})}
    with (
        packed({"test": ScoredTable(np.zeros(2), {}, {})}) as (_, descriptor),
        pytest.raises(DoesNotRecomputeError, match="cannot be read"),
    ):
        unpacked(layout, descriptor)


def test_keys_of_persons_are_not_given_out(case: Case) -> None:
    office = case.office
    person = office.chest.current(KeyScope(subject="ana"))
    with pytest.raises(KeyGoneError, match="keys of persons"):
        office.find_key(person.id)
    with pytest.raises(KeyGoneError, match="keys of persons"):
        office.current_key(KeyScope(subject="ana"))
    assert office.find_key(office.current_key(KeyScope()).id).secret


def test_nothing_but_evidence_of_a_run_can_be_asked_for() -> None:
    """No request carries a statement, so admissions, approvals and settings cannot be had."""
    tags = {each.__struct_config__.tag for each in Request.__args__}
    assert tags == {
        "find-key", "current-key", "list-keys", "learn-keys", "public-files", "sign-model", "sign-owner", "attest",
    }  # fmt: skip
