from __future__ import annotations

from pathlib import Path

import pytest

from falaj.config.secret_stores import SecretReference, SecretStoreSpec, parse_reference
from falaj.core.errors import FalajError
from falaj.integrations.secret_stores import MissingStoredSecretError, SecretStoreError, read_secrets


@pytest.fixture
def store(tmp_path: Path) -> SecretStoreSpec:
    folder = tmp_path / "mounted"
    folder.mkdir()
    return SecretStoreSpec("mounted", "file", path=str(folder))


def read(store: SecretStoreSpec, reference: SecretReference) -> str:
    return read_secrets(store, [reference])[reference].value


def test_a_file_is_a_secret_without_the_end_of_its_line(store: SecretStoreSpec) -> None:
    Path(store.path, "dwh").mkdir()
    Path(store.path, "dwh", "password").write_text("correct horse\n")
    reference = parse_reference("mounted:dwh/password")
    assert read(store, reference) == "correct horse"
    assert read_secrets(store, [reference])[reference].version.endswith("+00:00")


def test_what_is_missing_elsewhere_or_no_text_is_refused(store: SecretStoreSpec) -> None:
    Path(store.path, "binary").write_bytes(b"\xff\xfe")
    Path(store.path, "large").write_bytes(b"a" * 70_000)
    Path(store.path).with_name("outside").write_text("of somebody else")
    Path(store.path, "link").symlink_to(Path(store.path).with_name("outside"))
    with pytest.raises(MissingStoredSecretError):
        read(store, parse_reference("mounted:nothing"))
    for name in ("binary", "large", "link"):
        with pytest.raises(SecretStoreError) as error:
            read(store, parse_reference(f"mounted:{name}"))
        assert "somebody" not in str(error.value)
    with pytest.raises(FalajError):
        read(store, SecretReference("mounted", "../outside"))


@pytest.mark.parametrize("text", ["", "corp", "corp:", ":path", "corp:/etc/passwd", "corp:a/../b", "corp:../b#c"])
def test_a_reference_leads_to_a_secret(text: str) -> None:
    with pytest.raises(ValueError, match="leads to no secret"):
        parse_reference(text)
