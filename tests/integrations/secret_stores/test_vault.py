"""Secrets in a real OpenBao."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from falaj.config.secret_stores import SecretReference, SecretStoreSpec, parse_reference
from falaj.core.errors import FalajError
from falaj.integrations.secret_stores import (
    MissingStoredSecretError,
    SecretStoreAwayError,
    SecretStoreError,
    read_secrets,
)
from tests.servers import free_ports
from tests.vaults import Bao, bao

__all__ = ["bao"]

pytestmark = pytest.mark.integrations
PASSWORD = parse_reference("corp:data/falaj/dwh#password")


def refused(store: SecretStoreSpec, credential: str, reference: SecretReference = PASSWORD) -> FalajError:
    with pytest.raises(FalajError) as error:
        read_secrets(store, [reference], credential)
    assert credential not in str(error.value)
    return error.value


def test_secrets_are_read_with_their_versions_and_the_login_ends(bao: Bao) -> None:
    bao.write("falaj/dwh", password="first", user="ana")
    bao.write("falaj/dwh", password="second", user="ana")
    bao.write("falaj/lake", secret="third")
    lake = parse_reference("corp:falaj/lake#secret")
    before = len(bao.ask("LIST", "auth/token/accessors")["data"]["keys"])
    secrets = read_secrets(bao.spec, [PASSWORD, lake], bao.secret_id())
    assert {each: (secrets[each].value, secrets[each].version) for each in secrets} == {
        PASSWORD: ("second", "2"),
        lake: ("third", "1"),
    }
    assert "second" not in repr(secrets)
    assert len(bao.ask("LIST", "auth/token/accessors")["data"]["keys"]) == before


def test_what_the_role_may_not_read_is_named(bao: Bao) -> None:
    bao.write("others/dwh", password="not-ours")
    error = refused(bao.spec, bao.secret_id(), parse_reference("corp:data/others/dwh#password"))
    assert isinstance(error, SecretStoreError)
    assert (error.message, error.hint) == ("the role may not read this secret", "`read` on kv/data/others/dwh")


def test_a_role_that_is_not_let_in(bao: Bao) -> None:
    error = refused(bao.spec, "not-a-secret-id")
    assert isinstance(error, SecretStoreError) and "does not let the role in" in error.message
    used = bao.secret_id()
    accessor = bao.ask("POST", "auth/approle/role/falaj/secret-id/destroy", {"secret_id": used})
    assert accessor is None
    assert isinstance(refused(bao.spec, used), SecretStoreError)


def test_what_is_not_there(bao: Bao) -> None:
    bao.write("falaj/odd", password="value-of-it", number=5)
    missing = refused(bao.spec, bao.secret_id(), parse_reference("corp:data/falaj/nothing#password"))
    assert isinstance(missing, MissingStoredSecretError) and missing.message == "the store has no such secret"
    for field in ("user", "number"):
        error = refused(bao.spec, bao.secret_id(), parse_reference(f"corp:data/falaj/odd#{field}"))
        assert (error.message, error.hint) == (f"the secret has no text called `{field}`", "it has number, password")


def test_a_deleted_and_a_destroyed_version_are_told_apart(bao: Bao) -> None:
    gone = parse_reference("corp:data/falaj/gone#password")
    bao.write("falaj/gone", password="soon-deleted")
    bao.ask("DELETE", "kv/data/falaj/gone")
    assert refused(bao.spec, bao.secret_id(), gone).message == "version 1 of the secret was deleted"
    bao.ask("POST", "kv/destroy/falaj/gone", {"versions": [1]})
    assert refused(bao.spec, bao.secret_id(), gone).message == "version 1 of the secret was destroyed"


def test_what_does_not_answer_may_be_asked_again(bao: Bao) -> None:
    (port,) = free_ports(1)
    error = refused(replace(bao.spec, url=f"http://127.0.0.1:{port}"), "some-credential")
    assert isinstance(error, SecretStoreAwayError) and error.exit_code == 6
    assert refused(replace(bao.spec, url="http://169.254.169.254"), "some-credential").code == "egress.address"


def test_a_sealed_vault_is_said_to_be_sealed(bao: Bao) -> None:
    """Last of the module: nobody unseals it again."""
    credential = bao.secret_id()
    bao.ask("PUT", "sys/seal")
    assert httpx.get(f"{bao.url}/v1/sys/health").status_code == 503
    error = refused(bao.spec, credential)
    assert isinstance(error, SecretStoreAwayError) and error.message == "the secret store is sealed"
