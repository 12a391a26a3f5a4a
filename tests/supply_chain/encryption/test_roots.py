"""Root keys: a file with and without a passphrase, and addresses."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from falaj.core.errors import UsageError
from falaj.supply_chain.encryption import RootKeyError, open_root
from falaj.supply_chain.encryption.file_root import Cost, FileRoot
from falaj.supply_chain.encryption.kms_root import KmsRoot
from falaj.supply_chain.encryption.pkcs11_root import TokenRoot

CHEAP = Cost(passes=1, memory_kib=64, lanes=1)


def test_a_file_is_made_at_first_use_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "root.key"
    root = FileRoot(path)
    assert not path.exists()
    wrapped = root.wrap(b"k" * 32, "what for")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileRoot(path).unwrap(wrapped, "what for") == b"k" * 32
    assert b"k" * 32 not in wrapped


def test_it_unwraps_in_no_other_context_and_by_no_other_key(tmp_path: Path) -> None:
    root = FileRoot(tmp_path / "root.key")
    wrapped = root.wrap(b"k" * 32, "tenant a")
    with pytest.raises(RootKeyError, match="did not wrap"):
        root.unwrap(wrapped, "tenant b")
    with pytest.raises(RootKeyError, match="did not wrap"):
        FileRoot(tmp_path / "other.key").unwrap(wrapped, "tenant a")


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    FileRoot(path).wrap(b"x", "c")
    path.chmod(0o640)
    with pytest.raises(RootKeyError, match="other users"):
        FileRoot(path).wrap(b"x", "c")


@pytest.mark.parametrize("text", ["", "{}", '{"key": "!"}', "not json"])
def test_a_damaged_file_is_an_error_with_a_reason(tmp_path: Path, text: str) -> None:
    path = tmp_path / "root.key"
    path.touch(mode=0o600)
    path.write_text(text)
    with pytest.raises(RootKeyError, match="cannot be read"):
        FileRoot(path).wrap(b"x", "c")


def test_a_passphrase_seals_the_file(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    wrapped = FileRoot(path, lambda: "right", CHEAP).wrap(b"k" * 32, "c")
    document = json.loads(path.read_bytes())
    assert document["kdf"] == "argon2id" and document["cost"] == {"passes": 1, "memory_kib": 64, "lanes": 1}
    assert FileRoot(path, lambda: "right").unwrap(wrapped, "c") == b"k" * 32
    with pytest.raises(RootKeyError, match="not that of this root key"):
        FileRoot(path, lambda: "wrong").unwrap(wrapped, "c")
    with pytest.raises(RootKeyError, match="sealed by a passphrase"):
        FileRoot(path).unwrap(wrapped, "c")


def test_an_address_finds_its_kind(tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("secret phrase\n")
    settings = {"FALAJ_ROOT_PASSPHRASE_FILE": str(tmp_path / "phrase")}
    root = open_root(f"file:{tmp_path}/r.key", tmp_path, settings)
    wrapped = root.wrap(b"x", "c")
    assert open_root(f"file:{tmp_path}/r.key", tmp_path, {"FALAJ_ROOT_PASSPHRASE": "secret phrase"}).unwrap(
        wrapped, "c"
    )
    assert open_root("", tmp_path, {}).name == "file:root.key"
    token = open_root("pkcs11:token=t%20one;object=k?module-path=/m.so&pin-source=file:/pin", tmp_path, {})
    assert token == TokenRoot("/m.so", "t one", "k", Path("/pin"))
    assert open_root("awskms:alias/falaj?region=me-central-1", tmp_path, {}) == KmsRoot("alias/falaj", "me-central-1")


@pytest.mark.parametrize(
    "address",
    [
        "vault:x", "file:", "pkcs11:token=t;object=k", "pkcs11:token=t?module-path=/m&pin-source=/p", "awskms:",
        "pkcs11:token=t;object=k?module-path=/m&pin-value=1234", "awskms:k?profile=x",
    ],
)  # fmt: skip
def test_another_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_root(address, tmp_path, {})
    assert raised.value.code == "encryption.bad-root-key"
