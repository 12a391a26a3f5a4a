"""Our model signature through the eyes of the reference implementation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from falaj.supply_chain.artifacts import open_store
from falaj.supply_chain.attestations import EvidenceError, load_or_create_key
from falaj.supply_chain.attestations.model_signature import KEY_FILE, sign_model

from .releases import SignedRelease


@pytest.fixture
def signed(signed_release: SignedRelease, tmp_path: Path) -> Path:
    """The model of a release, with its signature beside it."""
    for name in ("b.txt", "b-c/d.txt", "b/c.txt", "مرحبا.txt"):
        (signed_release.folder / "model" / name).parent.mkdir(exist_ok=True)
        (signed_release.folder / "model" / name).write_text(name)
    manifest = open_store(str(tmp_path / "store")).put(signed_release.folder / "model").digest
    files = open_store(str(tmp_path / "store")).manifest(manifest).files
    signature = sign_model("flight-delay", {f.path: str(f.blob) for f in files}, tmp_path / "keys" / KEY_FILE)
    (tmp_path / "model.sig").write_text(json.dumps(signature))
    return tmp_path


def check(folder: Path, public: Path) -> None:
    from model_signing.verifying import Config  # takes a second to import

    verifier = Config().use_elliptic_key_verifier(public_key=public)
    verifier.verify(folder / "release" / "model", folder / "model.sig")


def test_the_reference_implementation_verifies_it(signed: Path) -> None:
    check(signed, signed / "keys" / f"{KEY_FILE}.pub")


@pytest.mark.parametrize("damage", ["changed", "planted", "removed"])
def test_the_reference_implementation_sees_a_changed_model(signed: Path, damage: str) -> None:
    weights = signed / "release" / "model" / "data" / "weights.bin"
    match damage:
        case "changed":
            weights.write_bytes(b"Weights")
        case "planted":
            weights.with_name("more.bin").write_bytes(b"more")
        case "removed":
            weights.unlink()
    with pytest.raises(ValueError, match="mismatch"):
        check(signed, signed / "keys" / f"{KEY_FILE}.pub")


def test_another_key_and_a_key_of_another_kind_are_refused(signed: Path, tmp_path: Path) -> None:
    sign_model("other", {}, tmp_path / "other.pem")
    with pytest.raises(ValueError, match="Key mismatch"):
        check(signed, tmp_path / "other.pem.pub")
    load_or_create_key(tmp_path / "evidence.pem")
    with pytest.raises(EvidenceError, match="P-256"):
        sign_model("other", {}, tmp_path / "evidence.pem")
    (tmp_path / "nonsense.pem").write_text("nonsense")
    (tmp_path / "nonsense.pem").chmod(0o600)
    with pytest.raises(EvidenceError, match="no private key"):
        sign_model("other", {}, tmp_path / "nonsense.pem")
