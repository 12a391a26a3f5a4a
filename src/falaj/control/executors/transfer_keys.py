"""The key for what comes of one order: derived for its lease, so that it opens nothing else and is stored nowhere."""

from __future__ import annotations

import hashlib

from falaj.supply_chain.encryption.derivation import derive
from falaj.supply_chain.encryption.stream import DataKey

_PURPOSE = b"falaj/step-output/v1"


def output_key(data_key: DataKey, lease: str) -> DataKey:
    """The key that the holder of a lease encrypts outputs with.

    Args:
        data_key: Protects what is new of the tenant.
        lease: 32 hex digits, which are also the id of the key.
    """
    secret = derive(data_key.secret, hashlib.sha256(lease.encode()).digest(), _PURPOSE)
    return DataKey(lease, data_key.tenant, secret)
