"""The requests that the notary answers, and its answers: typed, and nothing else is read."""

from __future__ import annotations

import msgspec

from falaj.supply_chain.encryption.wrapped import KeyScope, WrappedKey


class FindKey(msgspec.Struct, frozen=True, tag="find-key"):
    """Asks for a data key, for reading.

    Args:
        key: Its id.
    """

    key: str


class CurrentKey(msgspec.Struct, frozen=True, tag="current-key"):
    """Asks for the data key that encrypts what is new.

    Args:
        scope: Whose data.
    """

    scope: KeyScope


class ListKeys(msgspec.Struct, frozen=True, tag="list-keys"):
    """Asks for all data keys, wrapped."""


class LearnKeys(msgspec.Struct, frozen=True, tag="learn-keys"):
    """Tells of keys that other machines made or destroyed.

    Args:
        keys: As they are kept.
    """

    keys: tuple[WrappedKey, ...]


class PublicFiles(msgspec.Struct, frozen=True, tag="public-files"):
    """Asks for what may be read of the folder of keys, by name."""


class SignModel(msgspec.Struct, frozen=True, tag="sign-model"):
    """Asks for a signature over the files of a model.

    Args:
        model: Name of the model line.
        digest: The artifact.
    """

    model: str
    digest: str


class SignOwner(msgspec.Struct, frozen=True, tag="sign-owner"):
    """Asks for the seal of the first fact about who owns a model.

    Args:
        message: What the seal covers: `falaj.storage.facts.Fact.message`.
    """

    message: bytes


class Attest(msgspec.Struct, frozen=True, tag="attest"):
    """Asks for the evidence of a run.

    Args:
        attestation: What it should say: `falaj.control.notary.attestation.Attestation`, read when it is looked at.
    """

    attestation: msgspec.Raw


Request = FindKey | CurrentKey | ListKeys | LearnKeys | PublicFiles | SignModel | SignOwner | Attest


class NotaryRefusal(msgspec.Struct, frozen=True):
    """Why a request was not carried out.

    Args:
        kind: Name of the error's class.
        code: Its stable identifier.
        message: One line.
        where: The place.
        hint: What can be done.
    """

    kind: str
    code: str
    message: str
    where: str = ""
    hint: str = ""


class NotaryResponse(msgspec.Struct, frozen=True):
    """What came of a request.

    Args:
        value: What was asked for; nil when it was refused.
        refusal: Why there is none.
    """

    value: msgspec.Raw = msgspec.Raw(b"\xc0")
    refusal: NotaryRefusal | None = None
