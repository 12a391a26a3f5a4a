"""The worker's side: requests to the notary."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from falaj.control.notary import requests
from falaj.control.notary.channel import VARIABLE, ask
from falaj.control.notary.errors import DoesNotRecomputeError, NotaryAwayError, NotBelievableError
from falaj.core import errors
from falaj.supply_chain.attestations.keyring import MODEL_OWNER, SigningRole
from falaj.supply_chain.attestations.keys import Signer, key_id_of
from falaj.supply_chain.encryption import errors as encryption_errors

if TYPE_CHECKING:
    from falaj.control.notary.attestation import Attestation, ScoredTable

T = TypeVar("T")
_AWAY_AFTER_S = 60.0
_ANSWER_AFTER_S = 1800.0
_ASK_AGAIN_S = 0.1
_ERRORS: Mapping[str, type[errors.FalajError]] = {
    each.__name__: each
    for each in (
        DoesNotRecomputeError,
        NotBelievableError,
        encryption_errors.KeyGoneError,
        encryption_errors.RootKeyError,
        errors.IntegrityError,
        errors.UsageError,
    )
}


def inherited() -> NotaryClient | None:
    """The notary that this process was started with; None when there is none. To be called once."""
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    channel = socket.socket(fileno=int(text))
    channel.set_inheritable(False)
    return NotaryClient(channel)


class NotaryClient:
    """Asks the notary, as often as it takes while one is started again. Safe for any number of threads.

    Args:
        channel: The inherited socket.
        away_after_s: How long to ask again before giving up.
    """

    def __init__(self, channel: socket.socket, away_after_s: float = _AWAY_AFTER_S) -> None:
        self._channel, self._away_after_s = channel, away_after_s

    def ask(self, request: requests.Request, kind: type[T], attached: int | None = None) -> T:
        """Carry out a request.

        Args:
            request: What is asked.
            kind: Type of what is returned.
            attached: Descriptor of a file that belongs to it.

        Raises:
            FalajError: What the notary refused it with.
            NotaryAwayError: Nobody answered.
        """
        message, deadline = msgspec.msgpack.encode(request), time.monotonic() + self._away_after_s
        while True:
            try:
                answered = ask(self._channel, message, attached, _ANSWER_AFTER_S)
            except OSError as error:
                raise NotaryAwayError(f"the notary does not answer: {error}") from error
            if answered is not None:
                return _value(msgspec.msgpack.decode(answered, type=requests.NotaryResponse), kind)
            if time.monotonic() >= deadline:
                raise NotaryAwayError("the notary ends again and again", hint="its log is notary.log")
            time.sleep(_ASK_AGAIN_S)

    def public_files(self) -> dict[str, bytes]:
        """What may be read of the folder of keys: public keys, and whom this installation believes."""
        return self.ask(requests.PublicFiles(), dict[str, bytes])

    def sign_model(self, model: str, digest: str) -> dict[str, Any]:
        """See `Notary.sign_model`."""
        return self.ask(requests.SignModel(model, digest), dict[str, Any])

    def owner_signer(self, fact_type: str) -> Signer:
        """A signer of facts about who owns a model; a worker makes no others."""
        pem = self.public_files()[f"{SigningRole.BUILDER}.pem.pub"].decode()
        if fact_type != MODEL_OWNER:
            raise NotBelievableError("a worker makes no facts of this kind", where=fact_type)
        return Signer(key_id_of(pem), pem, lambda message: self.ask(requests.SignOwner(message), bytes))

    def attest(
        self, attestation: Attestation, tables: Mapping[str, ScoredTable]
    ) -> list[tuple[str, Mapping[str, Any]]]:
        """See `Notary.attest`."""
        from falaj.control.notary.arrays import packed

        with packed(tables) as (layout, descriptor):
            claims = msgspec.structs.replace(attestation, layout=layout)
            request = requests.Attest(msgspec.Raw(msgspec.msgpack.encode(claims)))
            envelopes = self.ask(request, list[tuple[str, dict[str, Any]]], descriptor)
        return [*envelopes]


def _value(answer: requests.NotaryResponse, kind: type[T]) -> T:
    if answer.refusal is None:
        return msgspec.msgpack.decode(answer.value, type=kind)
    refusal = answer.refusal
    error_class = _ERRORS.get(refusal.kind, errors.UnavailableError)
    raise error_class(refusal.message, where=refusal.where, hint=refusal.hint, code=refusal.code)
