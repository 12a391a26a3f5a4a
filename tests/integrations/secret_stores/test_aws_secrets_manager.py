"""Secrets in AWS Secrets Manager, as moto plays it: no account of AWS is in the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from falaj.config.secret_stores import SecretReference, SecretStoreSpec, parse_reference
from falaj.integrations.secret_stores import (
    MissingStoredSecretError,
    SecretStoreAwayError,
    SecretStoreError,
    aws_secrets_manager,
    read_secrets,
)

pytestmark = pytest.mark.integration
STORE = SecretStoreSpec("aws", "aws-secrets-manager", region="me-central-1")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name=STORE.region)


def read(text: str) -> tuple[str, str]:
    reference: SecretReference = parse_reference(text)
    secret = read_secrets(STORE, [reference])[reference]
    return secret.value, secret.version


def test_fields_and_plain_texts_are_read_with_their_version(manager: Any) -> None:
    manager.create_secret(Name="falaj/dwh", SecretString=json.dumps({"password": "first"}))
    newest = manager.put_secret_value(SecretId="falaj/dwh", SecretString=json.dumps({"password": "second"}))
    manager.create_secret(Name="falaj/key", SecretString="plain-text")
    assert read("aws:falaj/dwh#password") == ("second", newest["VersionId"])
    assert read("aws:falaj/key")[0] == "plain-text"


def test_what_is_not_there_any_more(manager: Any) -> None:
    manager.create_secret(Name="falaj/dwh", SecretString=json.dumps({"password": "value-of-it", "port": 5}))
    for reference in ("aws:falaj/nothing#password", "aws:falaj/dwh#user", "aws:falaj/dwh#port"):
        with pytest.raises(MissingStoredSecretError) as error:
            read(reference)
        assert "value-of-it" not in str(error.value)
    manager.delete_secret(SecretId="falaj/dwh", RecoveryWindowInDays=7)
    with pytest.raises(MissingStoredSecretError, match="no such secret now"):
        read("aws:falaj/dwh#password")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("AccessDeniedException", SecretStoreError),
        ("InternalServiceError", SecretStoreAwayError),
    ],
)
def test_what_aws_refuses(manager: Any, code: str, kind: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    with Stubber(manager) as answers:
        answers.add_client_error("get_secret_value", code, "no", 400)
        monkeypatch.setattr(aws_secrets_manager.boto3, "client", lambda *_, **__: manager)
        with pytest.raises(kind):
            read("aws:falaj/dwh#password")
