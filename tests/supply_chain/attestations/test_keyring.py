"""One key a role, and who is believed about what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from falaj.supply_chain.attestations import (
    ADMISSION,
    APPROVAL,
    EVAL,
    IDENTITY,
    SCAN,
    EvidenceError,
    SigningRole,
    load_or_create_key,
    log_key_of,
    open_keyring,
    trust,
)
from falaj.supply_chain.attestations.keyring import CHECKPOINT, SIGNS


def test_each_role_has_its_own_key_and_signs_its_own_types(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path / "keys")
    trusted = keyring.trusted()
    assert len({keyring.signer(role).key_id for role in SigningRole}) == len(SigningRole) == len(trusted)
    for role, types in SIGNS.items():
        assert trusted[keyring.signer(role).key_id].types == types
        assert {keyring.signer_for(kind).key_id for kind in types} == {keyring.signer(role).key_id}
    assert (tmp_path / "keys" / "scanner.pem").stat().st_mode & 0o777 == 0o600


def test_no_type_has_two_roles_and_nobody_signs_approvals() -> None:
    kinds = [kind for types in SIGNS.values() for kind in types]
    assert len(kinds) == len(set(kinds))
    assert APPROVAL not in kinds
    assert {ADMISSION, IDENTITY, EVAL, SCAN, CHECKPOINT} <= set(kinds)


def test_what_the_file_says_stands(tmp_path: Path) -> None:
    """Trust that was taken away is not given back by the next start."""
    keyring = open_keyring(tmp_path)
    value = json.loads((tmp_path / "trusted.json").read_text())
    key_entries = [entry for entry in value["keys"] if entry["role"] != "scanner"]
    (tmp_path / "trusted.json").write_text(json.dumps({"keys": key_entries}))
    assert keyring.signer(SigningRole.SCANNER).key_id not in open_keyring(tmp_path).trusted()


def test_the_key_of_an_earlier_version_stays_believed_about_what_it_signed(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path / "evidence.pem")
    trusted = open_keyring(tmp_path).trusted()[first.key_id]
    assert trusted.may_sign(EVAL) and trusted.may_sign(SCAN)
    assert not any(trusted.may_sign(kind) for kind in (ADMISSION, APPROVAL, IDENTITY, CHECKPOINT, "anything"))


def test_the_key_of_the_log(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    assert log_key_of(keyring.trusted()) == keyring.signer(SigningRole.LOG).public_pem
    assert log_key_of(trust(keyring.signer(SigningRole.SCANNER).public_pem)) is None


def test_without_the_file_nobody_is_believed(tmp_path: Path) -> None:
    keyring = open_keyring(tmp_path)
    (tmp_path / "trusted.json").unlink()
    with pytest.raises(EvidenceError) as caught:
        keyring.trusted()
    assert caught.value.code == "evidence.key"
