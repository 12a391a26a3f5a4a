"""Signing facts and verifying them, each at most once in a process."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock

from cryptography.exceptions import InvalidSignature

from falaj.storage.facts.statement import Fact, FactSignature, FactSubject
from falaj.supply_chain.attestations import Signer, TrustedKey
from falaj.supply_chain.attestations.keys import public_key

SealSigner = Callable[[str], Signer]
"""Gives the signer of a type of facts."""

_REMEMBERED = 50_000


class Seals:
    """Makes and verifies seals.

    Args:
        signer_for: Gives the signer of a type of facts; only asked where facts are made.
        keys: Public keys by id, and the types of facts that each is believed about.
    """

    def __init__(self, signer_for: SealSigner, keys: Mapping[str, TrustedKey]) -> None:
        self._signer_for, self._keys = signer_for, keys
        self._verified: OrderedDict[FactSubject, bytes] = OrderedDict()
        self._lock = Lock()
        self.verifications = 0

    def make(self, fact: Fact, fact_type: str) -> FactSignature:
        """Sign a fact."""
        signer, message = self._signer_for(fact_type), fact.message(fact_type)
        seal = FactSignature(fact.number, signer.key_id, signer.sign(message))
        self._remember(fact.subject, _digest(message, seal))
        return seal

    def hold(self, fact: Fact, fact_type: str, seal: FactSignature) -> bool:
        """Tell whether a fact is what was signed, by a key that is believed about its type."""
        message = fact.message(fact_type)
        digest = _digest(message, seal)
        if self._verified.get(fact.subject) == digest:
            return True
        key = self._keys.get(seal.key_id)
        if key is None or not key.may_sign(fact_type) or not self._signed(key, seal, message):
            return False
        self._remember(fact.subject, digest)
        return True

    def _signed(self, key: TrustedKey, seal: FactSignature, message: bytes) -> bool:
        self.verifications += 1
        try:
            public_key(key.pem).verify(seal.signature, message)
        except InvalidSignature:
            return False
        return True

    def _remember(self, subject: FactSubject, digest: bytes) -> None:
        """Keep what was verified of a subject last; a bounded number of subjects."""
        with self._lock:
            self._verified[subject] = digest
            self._verified.move_to_end(subject)
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)


def _digest(message: bytes, seal: FactSignature) -> bytes:
    return hashlib.sha256(message + str(seal).encode()).digest()
