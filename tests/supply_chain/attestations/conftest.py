from pathlib import Path

import pytest

from falaj.supply_chain.attestations import Signer, load_or_create_key

from .releases import SignedRelease, make


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return load_or_create_key(tmp_path / "keys" / "evidence.pem")


@pytest.fixture
def signed_release(tmp_path: Path, signer: Signer) -> SignedRelease:
    return make(tmp_path / "release", signer)
