"""Secrets in files that something else writes, such as a volume of Kubernetes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from falaj.config.secret_stores import SecretReference, SecretStoreSpec
from falaj.integrations.secret_stores.errors import MissingStoredSecretError, SecretStoreError
from falaj.integrations.secret_stores.stored_secret import StoredSecret

_MOST_BYTES = 64 * 1024


def read(store: SecretStoreSpec, reference: SecretReference) -> StoredSecret:
    """Read a file below the store's folder; its version is when it was written.

    Raises:
        MissingStoredSecretError: There is no such file.
        SecretStoreError: It cannot be read, leads elsewhere or is no text.
    """
    root = Path(store.path).resolve()
    try:
        path = (root / reference.path).resolve(strict=True)
        if not path.is_relative_to(root):
            raise SecretStoreError("the file leads out of the folder", where=str(reference))
        content, changed = path.read_bytes()[: _MOST_BYTES + 1], path.stat().st_mtime
        if len(content) > _MOST_BYTES:
            raise SecretStoreError(f"the file has more than {_MOST_BYTES:,} bytes", where=str(reference))
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        raise MissingStoredSecretError("there is no such file", where=str(reference)) from None
    except UnicodeDecodeError:
        raise SecretStoreError("the file is not text in UTF-8", where=str(reference)) from None
    except OSError as error:
        raise SecretStoreError(f"the file cannot be read: {error.strerror}", where=str(reference)) from None
    return StoredSecret(text, datetime.fromtimestamp(changed, UTC).isoformat(timespec="seconds"))
