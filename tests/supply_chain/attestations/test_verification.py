"""An honest release is believed; every way of lying about one is named."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from falaj.supply_chain.artifacts import open_store
from falaj.supply_chain.attestations import (
    DATASET,
    EVAL,
    EvidenceError,
    GateRecord,
    Signer,
    Snapshot,
    Verification,
    bundle_of,
    load_or_create_key,
    read_bundle,
    sign_statement,
    statement,
    tree_digest,
    trust,
    verify_release,
)
from falaj.supply_chain.attestations.envelope import pae
from falaj.supply_chain.attestations.statement import PAYLOAD_TYPE

from .releases import (
    EVAL_OF_RUN,
    FILES,
    PROVENANCE_OF_RUN,
    SCAN_OF_RUN,
    TESTS_OF_RUN,
    TRAIN_OF_RUN,
    SignedRelease,
    check,
    dataset,
    make,
)


def verify(signed_release: SignedRelease) -> Verification:
    return verify_release(signed_release.folder, trust(signed_release.signer.public_pem))


def codes(signed_release: SignedRelease) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in verify(signed_release).problems]


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def signed_payload(payload: bytes, signer: Signer) -> str:
    """An envelope whose signature holds, whatever the payload is."""
    signature = base64.b64encode(signer.sign(pae(PAYLOAD_TYPE, payload))).decode()
    body = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signer.key_id, "sig": signature}],
    }
    return json.dumps(body)


def test_an_honest_release_is_believed(signed_release: SignedRelease) -> None:
    verification_result = verify(signed_release)
    assert verification_result.ok, verification_result.problems
    assert verification_result.checked == len(FILES)
    assert verification_result.require() is verification_result


def test_the_digest_is_the_one_that_the_store_gives(signed_release: SignedRelease, tmp_path: Path) -> None:
    stored = open_store(str(tmp_path / "store")).put(signed_release.folder / "model")
    assert stored.digest == signed_release.digest


def test_a_bundle_that_never_was_on_disk_needs_only_the_model(signed_release: SignedRelease, tmp_path: Path) -> None:
    bundle = read_bundle(signed_release.folder)
    memory_bundle = bundle_of(bundle.release, [json.loads(data) for data in bundle.evidence.values()])
    assert verify_release(memory_bundle, trust(signed_release.signer.public_pem), signed_release.folder / "model").ok
    assert [p.code for p in verify_release(memory_bundle, trust(signed_release.signer.public_pem)).problems] == [
        "evidence.bundle"
    ]


@pytest.mark.parametrize("kind", FILES)
def test_a_tampered_payload(signed_release: SignedRelease, kind: str) -> None:
    envelope = json.loads(signed_release.evidence(kind).read_text())
    payload = base64.b64decode(envelope["payload"])
    edit(signed_release.evidence(kind), payload=base64.b64encode(payload.replace(b"sha256", b"SHA256", 1)).decode())
    assert ("evidence.signature", f"evidence/{FILES[kind]}") in codes(signed_release)


@pytest.mark.parametrize("kind", FILES)
def test_missing_evidence(signed_release: SignedRelease, kind: str) -> None:
    signed_release.evidence(kind).unlink()
    assert codes(signed_release), f"nobody missed {kind}"


def test_missing_evidence_is_named(signed_release: SignedRelease) -> None:
    signed_release.evidence("eval").unlink()
    signed_release.evidence("scan").unlink()
    assert [p.message for p in verify(signed_release).problems] == [
        "there is no eval evidence",
        "there is no scan evidence",
    ]


@pytest.mark.parametrize("damage", ["changed", "planted", "removed", "hidden", "empty-folder", "executable"])
def test_a_changed_model(signed_release: SignedRelease, damage: str) -> None:
    model = signed_release.folder / "model"
    match damage:
        case "changed":
            (model / "data" / "weights.bin").write_bytes(b"Weights")
        case "planted":
            (model / "data" / "extra.py").write_text("print('hello')")
        case "removed":
            (model / "data" / "weights.bin").unlink()
        case "hidden":
            (model / ".git").mkdir()
            (model / ".git" / "config").write_text("")
        case "empty-folder":
            (model / "code").mkdir()
        case "executable":
            (model / "MLmodel").chmod(0o755)
    assert codes(signed_release) == [("evidence.model-changed", "model")]


def test_a_link_in_the_model_is_refused_even_when_the_bytes_are_right(
    signed_release: SignedRelease, tmp_path: Path
) -> None:
    weights = signed_release.folder / "model" / "data" / "weights.bin"
    weights.rename(tmp_path / "elsewhere.bin")
    weights.symlink_to(tmp_path / "elsewhere.bin")
    assert codes(signed_release) == [("evidence.bundle", str(weights))]


def test_a_linked_folder_and_a_pipe_are_refused(signed_release: SignedRelease, tmp_path: Path) -> None:
    data = signed_release.folder / "model" / "data"
    data.rename(tmp_path / "data")
    data.symlink_to(tmp_path / "data")
    assert [code for code, _ in codes(signed_release)] == ["evidence.bundle"]
    data.unlink()
    os.mkfifo(data)
    assert [code for code, _ in codes(signed_release)] == ["evidence.bundle"]


def test_no_model_at_all(signed_release: SignedRelease, tmp_path: Path) -> None:
    verification_result = verify_release(
        signed_release.folder, trust(signed_release.signer.public_pem), tmp_path / "nowhere"
    )
    assert [p.code for p in verification_result.problems] == ["evidence.bundle"]


def test_the_evidence_of_another_model(signed_release: SignedRelease, tmp_path: Path, signer: Signer) -> None:
    other = make(tmp_path / "other", signer, weights=b"better weights")
    signed_release.evidence("eval").write_bytes(other.evidence("eval").read_bytes())
    assert codes(signed_release) == [("evidence.lineage", "evidence/05.json")]
    assert "about another model" in verify(signed_release).problems[0].message


def test_the_evidence_of_another_run_of_the_same_model(
    signed_release: SignedRelease, tmp_path: Path, signer: Signer
) -> None:
    other = make(tmp_path / "other", signer, run="another-run")
    signed_release.evidence("eval").write_bytes(other.evidence("eval").read_bytes())
    assert other.digest == signed_release.digest
    assert codes(signed_release) == [("evidence.lineage", "evidence/05.json")]


def test_a_swapped_envelope_leaves_a_gap(signed_release: SignedRelease) -> None:
    signed_release.evidence("eval").write_bytes(signed_release.evidence("tests").read_bytes())
    assert codes(signed_release) == [("evidence.missing", "evidence")]


def test_an_untrusted_key(signed_release: SignedRelease, tmp_path: Path) -> None:
    stranger = load_or_create_key(tmp_path / "stranger.pem")
    signed_release.sign_again("eval", EVAL_OF_RUN.as_dict(), signer=stranger)
    (signed_release.folder / "keys" / "stranger.pub").write_text(stranger.public_pem)
    assert codes(signed_release) == [("evidence.untrusted-key", "evidence/05.json"), ("evidence.missing", "evidence")]


def test_a_stranger_under_a_trusted_name(signed_release: SignedRelease, tmp_path: Path) -> None:
    stranger = load_or_create_key(tmp_path / "stranger.pem")
    disguised = replace(stranger, key_id=signed_release.signer.key_id)
    signed_release.sign_again("eval", EVAL_OF_RUN.as_dict(), signer=disguised)
    assert ("evidence.signature", "evidence/05.json") in codes(signed_release)


def test_a_key_speaks_only_of_its_types(signed_release: SignedRelease, tmp_path: Path) -> None:
    scanner = load_or_create_key(tmp_path / "scanner.pem")
    signed_release.sign_again("eval", EVAL_OF_RUN.as_dict(), signer=scanner)
    keys = trust(signed_release.signer.public_pem) | trust(scanner.public_pem, ["https://falaj.dev/evidence/scan/v1"])
    verification_result = verify_release(signed_release.folder, keys)
    assert [p.code for p in verification_result.problems] == ["evidence.wrong-signer", "evidence.missing"]
    keys |= trust(scanner.public_pem, [EVAL])
    assert verify_release(signed_release.folder, keys).ok


def test_a_payload_that_is_not_canonical(signed_release: SignedRelease, signer: Signer) -> None:
    envelope = json.loads(signed_release.evidence("eval").read_text())
    payload = base64.b64decode(envelope["payload"])
    signed_release.evidence("eval").write_text(signed_payload(json.dumps(json.loads(payload)).encode(), signer))
    assert ("evidence.not-canonical", "evidence/05.json") in codes(signed_release)


def test_duplicate_keys_in_the_payload_and_in_the_envelope(signed_release: SignedRelease, signer: Signer) -> None:
    signed_release.evidence("eval").write_text(signed_payload(b'{"_type":"a","_type":"b"}', signer))
    scan = signed_release.evidence("scan")
    scan.write_text(scan.read_text().rstrip()[:-1] + ',"payload":""}')
    bundle_problems = verify(signed_release).problems
    assert [p.where for p in bundle_problems if "duplicate key" in p.message] == [
        "evidence/05.json",
        "evidence/07.json",
    ]


def test_deep_json(signed_release: SignedRelease, signer: Signer) -> None:
    signed_release.evidence("eval").write_text(signed_payload(b"[" * 500_000, signer))
    signed_release.evidence("scan").write_bytes(b'{"a":' * 500_000)
    bundle_problems = verify(signed_release).problems
    assert [p.where for p in bundle_problems if "nested deeper" in p.message] == [
        "evidence/05.json",
        "evidence/07.json",
    ]


def test_an_unknown_predicate(signed_release: SignedRelease, signer: Signer) -> None:
    strange = statement("https://falaj.dev/evidence/horoscope/v1", [("model", signed_release.digest)], {})
    (signed_release.folder / "evidence" / "99.json").write_text(json.dumps(sign_statement(strange, signer)))
    assert codes(signed_release) == [("evidence.unknown-predicate", "evidence/99.json")]


@pytest.mark.parametrize("predicate", [{}, {"run": 1}, EVAL_OF_RUN.as_dict() | {"gates": [{"text": "auc"}]}])
def test_a_malformed_predicate(signed_release: SignedRelease, predicate: dict[str, object]) -> None:
    signed_release.sign_again("eval", predicate)
    assert ("evidence.malformed", "evidence/05.json") in codes(signed_release)


@pytest.mark.parametrize("predicate", [{}, PROVENANCE_OF_RUN.as_dict() | {"runDetails": {}}])
def test_a_malformed_provenance(signed_release: SignedRelease, predicate: dict[str, object]) -> None:
    signed_release.sign_again("provenance", predicate)
    assert ("evidence.malformed", "evidence/03.json") in codes(signed_release)


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        ("provenance", replace(PROVENANCE_OF_RUN, commit="0" * 40).as_dict()),
        ("train", replace(TRAIN_OF_RUN, commit="0" * 40).as_dict()),
        ("train", replace(TRAIN_OF_RUN, model="fraud").as_dict()),
        ("eval", replace(EVAL_OF_RUN, run="other").as_dict()),
        ("tests", replace(TESTS_OF_RUN, run="other").as_dict()),
        ("scan", replace(SCAN_OF_RUN, commit="0" * 40).as_dict()),
    ],
)
def test_evidence_of_another_run_commit_or_model(
    signed_release: SignedRelease, kind: str, predicate: dict[str, object]
) -> None:
    signed_release.sign_again(kind, predicate)
    assert codes(signed_release) == [("evidence.lineage", f"evidence/{FILES[kind]}")]


def test_training_on_a_snapshot_that_nobody_described(signed_release: SignedRelease) -> None:
    hidden = Snapshot("passengers", "sha256:" + "9" * 64)
    signed_release.sign_again("train", replace(TRAIN_OF_RUN, snapshots=(*TRAIN_OF_RUN.snapshots, hidden)).as_dict())
    messages = [p.message for p in verify(signed_release).problems]
    assert len(messages) == 3
    assert all("passengers" in message for message in messages)


def test_a_dataset_that_is_described_with_another_digest(signed_release: SignedRelease, signer: Signer) -> None:
    swapped = statement(DATASET, [("flights", "sha256:" + "8" * 64)], dataset(TRAIN_OF_RUN.snapshots[0]).as_dict())
    signed_release.evidence("dataset-flights").write_text(json.dumps(sign_statement(swapped, signer)))
    assert [code for code, _ in codes(signed_release)] == ["evidence.lineage", "evidence.lineage"]


def test_a_failed_gate_a_failed_check_and_checks_of_nothing(signed_release: SignedRelease) -> None:
    failed = GateRecord("auc >= 0.68", False, 0.5, 0.68, 10, reason="0.50 is below 0.68")
    signed_release.sign_again("eval", replace(EVAL_OF_RUN, gates=(failed,)).as_dict())
    signed_release.sign_again("tests", replace(TESTS_OF_RUN, checks=(replace(check("tests"), passed=False),)).as_dict())
    signed_release.sign_again("scan", replace(SCAN_OF_RUN, checks=(replace(check("secrets"), checked=0),)).as_dict())
    expected = ["evidence.gate-failed", "evidence.check-failed", "evidence.nothing-checked"]
    assert [code for code, _ in codes(signed_release)] == expected


def test_no_gates_and_no_checks_prove_nothing(signed_release: SignedRelease) -> None:
    signed_release.sign_again("eval", replace(EVAL_OF_RUN, gates=()).as_dict())
    signed_release.sign_again("scan", replace(SCAN_OF_RUN, checks=()).as_dict())
    assert [code for code, _ in codes(signed_release)] == ["evidence.nothing-checked"] * 2


def test_a_release_that_claims_another_model_run_or_digest(signed_release: SignedRelease) -> None:
    edit(signed_release.folder / "release.json", digest="sha256:" + "0" * 64, run="other", model="fraud")
    problem_codes = codes(signed_release)
    assert ("evidence.model-changed", "model") in problem_codes
    assert {where for code, where in problem_codes if code == "evidence.lineage"} >= {
        f"evidence/0{n}.json" for n in range(3, 8)
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model": 1}', "{" * 100, "\x00", '{"a":NaN}'])
def test_a_broken_release_file_is_a_problem_not_a_crash(signed_release: SignedRelease, text: str) -> None:
    (signed_release.folder / "release.json").write_text(text)
    assert len(verify(signed_release).problems) == 1


def test_links_pipes_and_huge_files_as_evidence(signed_release: SignedRelease, tmp_path: Path) -> None:
    eval_file = signed_release.evidence("eval")
    eval_file.rename(tmp_path / "eval.json")
    eval_file.symlink_to(tmp_path / "eval.json")
    signed_release.evidence("scan").unlink()
    os.mkfifo(signed_release.evidence("scan"))
    signed_release.evidence("tests").write_bytes(b" " * (4 * 1024 * 1024 + 1))
    problem_codes = codes(signed_release)
    assert [code for code, _ in problem_codes] == ["evidence.bundle"] * 3 + ["evidence.missing"] * 3
    assert [where for _, where in problem_codes[:3]] == [
        str(signed_release.evidence(kind)) for kind in ("eval", "tests", "scan")
    ]


def test_everything_wrong_is_listed_at_once(signed_release: SignedRelease) -> None:
    edit(signed_release.evidence("tests"), payload="e30=")
    signed_release.evidence("scan").unlink()
    (signed_release.folder / "model" / "planted").write_text("")
    wrong = {code for code, _ in codes(signed_release)}
    assert wrong == {"evidence.signature", "evidence.missing", "evidence.model-changed"}
    with pytest.raises(EvidenceError, match=r"planted|digest") as caught:
        verify(signed_release).require()
    assert caught.value.code == "evidence.signature"


def test_verification_reads_nothing_but_the_bundle(
    signed_release: SignedRelease, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the verifier looked at the clock or the network")

    monkeypatch.setattr("socket.socket.__init__", refuse)
    monkeypatch.setattr("time.time", refuse)
    assert verify(signed_release).ok


def test_the_tree_digest_depends_on_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    before = tree_digest(tmp_path / "a")
    (tmp_path / "a" / "x").rename(tmp_path / "a" / "y")
    assert tree_digest(tmp_path / "a") != before
