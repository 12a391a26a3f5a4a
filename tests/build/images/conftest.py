from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from falaj.build.images import ReleaseContent
from falaj.supply_chain.artifacts import ArtifactStore, open_store
from falaj.supply_chain.attestations import Signer, TrustedKey, load_or_create_key, read_bundle, trust
from tests.build.images.registries import RegistryServer, run_registry
from tests.supply_chain.attestations.releases import SignedRelease, make


@dataclass(frozen=True)
class StoredRelease:
    """An honest release with its files in a store."""

    signed: SignedRelease
    store: ArtifactStore
    signer: Signer

    @property
    def keys(self) -> dict[str, TrustedKey]:
        return trust(self.signer.public_pem)

    @property
    def content(self) -> ReleaseContent:
        return ReleaseContent.verified(read_bundle(self.signed.folder), self.store, self.keys)


def store_release(folder: Path, weights: bytes = b"weights") -> StoredRelease:
    signer = load_or_create_key(folder / "keys" / "evidence.pem")
    signed = make(folder / "release", signer, weights=weights)
    store = open_store(str(folder / "store"))
    assert store.put(signed.folder / "model").digest == signed.digest
    return StoredRelease(signed, store, signer)


@pytest.fixture
def release(tmp_path: Path) -> StoredRelease:
    return store_release(tmp_path)


@pytest.fixture(scope="session")
def registry_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with run_registry(tmp_path_factory.mktemp("registry")) as server:
        yield server
