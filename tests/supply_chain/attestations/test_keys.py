from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from falaj.supply_chain.attestations import EvidenceError, key_id_of, load_or_create_key, read_trusted_keys, trust

ENCODING, FORMAT = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def test_a_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "evidence.pem"
    first = load_or_create_key(path)
    assert load_or_create_key(path).key_id == first.key_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in sorted(path.parent.iterdir())] == ["evidence.pem", "evidence.pem.pub"]
    assert (path.parent / "evidence.pem.pub").read_text() == first.public_pem


def test_the_id_is_the_digest_of_the_public_key_in_der(tmp_path: Path) -> None:
    signer = load_or_create_key(tmp_path / "key.pem")
    key = serialization.load_pem_public_key(signer.public_pem.encode())
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert signer.key_id == hashlib.sha256(der).hexdigest()


@pytest.mark.integration
def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    code = "import sys, pathlib; from falaj.supply_chain import attestations as e; "
    code += "print(e.load_or_create_key(pathlib.Path(sys.argv[1])).key_id)"
    command = [sys.executable, "-c", code, str(tmp_path / "key.pem")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ids = {process.communicate()[0] for process in started}
    assert len(ids) == 1
    assert len(ids.pop().strip()) == 64


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    load_or_create_key(path)
    path.chmod(0o644)
    with pytest.raises(EvidenceError, match="chmod 600"):
        load_or_create_key(path)


def test_what_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    other = ec.generate_private_key(ec.SECP256R1())
    for content in (b"", b"hello", other.private_bytes(ENCODING, FORMAT, serialization.NoEncryption())):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(EvidenceError) as caught:
            load_or_create_key(path)
        assert caught.value.code == "evidence.key"


def test_trusted_keys_of_a_pem_and_of_a_list(tmp_path: Path) -> None:
    signer = load_or_create_key(tmp_path / "key.pem")
    assert read_trusted_keys(tmp_path / "key.pem.pub")[signer.key_id].may_sign("anything")
    listed = tmp_path / "keys.json"
    listed.write_text(json.dumps({"keys": [{"pem": signer.public_pem, "types": ["a"]}]}))
    key = read_trusted_keys(listed)[signer.key_id]
    assert key.may_sign("a")
    assert not key.may_sign("b")


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [1]}', '{"keys": [{"pem": "x", "types": []}]}'])
def test_broken_lists_of_keys_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(EvidenceError):
        read_trusted_keys(path)


def test_one_key_listed_twice_or_missing_is_refused(tmp_path: Path) -> None:
    pem = load_or_create_key(tmp_path / "key.pem").public_pem
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [{"pem": pem, "types": ["a"]}, {"pem": pem + "\n", "types": ["b"]}]}))
    with pytest.raises(EvidenceError, match="twice"):
        read_trusted_keys(path)
    with pytest.raises(EvidenceError, match="No such file"):
        read_trusted_keys(tmp_path / "nowhere")


def test_a_public_key_of_another_kind_is_refused() -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).public_key()
    text = pem.public_bytes(ENCODING, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    for wrong in (text, "-----BEGIN PUBLIC KEY-----", ""):
        with pytest.raises(EvidenceError):
            key_id_of(wrong)
        with pytest.raises(EvidenceError):
            trust(wrong)
