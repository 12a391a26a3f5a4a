"""Checkpoints as signed notes: what is believed, and every edit that is not."""

from __future__ import annotations

import base64
import string

import pytest

from falaj.supply_chain.attestations import EvidenceError, Signer
from falaj.supply_chain.attestations.checkpoint import (
    Checkpoint,
    key_hash,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)

CHECKPOINT = Checkpoint("falaj/home", 42, b"\x07" * 32)

# The verifier key in the documentation of golang.org/x/mod/sumdb/note, which names its own hash.
NOTE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_what_is_signed_is_read(signer: Signer) -> None:
    text = sign_checkpoint(CHECKPOINT, signer)
    assert text.startswith("falaj/home\n42\n" + base64.b64encode(CHECKPOINT.root).decode() + "\n\n\u2014 falaj/home ")
    assert verify_checkpoint(text, signer.public_pem) == CHECKPOINT == parse_checkpoint(text)


def test_a_witness_may_sign_too(signer: Signer) -> None:
    text = sign_checkpoint(CHECKPOINT, signer) + "\u2014 witness.example AAAAAAAA\n"
    assert verify_checkpoint(text, signer.public_pem) == CHECKPOINT


def test_extension_lines_are_signed(signer: Signer) -> None:
    log_checkpoint = Checkpoint("falaj/home", 42, b"\x07" * 32, ("one", "two"))
    text = sign_checkpoint(log_checkpoint, signer)
    assert verify_checkpoint(text, signer.public_pem).extensions == ("one", "two")
    with pytest.raises(EvidenceError):
        verify_checkpoint(text.replace("two", "tow"), signer.public_pem)


def test_the_key_hash_is_that_of_the_specification() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    name, expected, encoded = NOTE_KEY.split("+", 2)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    assert key_hash(name, pem).hex() == expected


EDITS = (
    "origin", "size", "leading zero", "root", "short root", "no signature", "empty signature", "no newline",
    "plain dash", "stray bits", "nothing", "long",
)  # fmt: skip


def edits(text: str) -> dict[str, str]:
    body, _, signature = text.partition("\n\n")
    return {
        "origin": text.replace("falaj/home", "falaj/away"),
        "size": text.replace("\n42\n", "\n43\n"),
        "leading zero": text.replace("\n42\n", "\n042\n"),
        "root": text.replace("BwcH", "BwcI", 1),
        "short root": text.replace("BwcH", "", 1),
        "no signature": body + "\n",
        "empty signature": body + "\n\n",
        "no newline": text[:-1],
        "plain dash": text.replace("\u2014", "-"),
        "stray bits": f"{body}\n\n{_stray(signature)}",
        "nothing": "",
        "long": text + "\u2014 x AAAA\n" * 20_000,
    }


def _stray(signature: str) -> str:
    """The same bytes in base64 that no encoder writes: a bit below the last byte is set."""
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
    last = signature[-3]
    return f"{signature[:-3]}{alphabet[alphabet.index(last) | 1]}=\n"


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_checkpoint_is_refused(signer: Signer, edit: str) -> None:
    edited = edits(sign_checkpoint(CHECKPOINT, signer))[edit]
    with pytest.raises(EvidenceError) as caught:
        verify_checkpoint(edited, signer.public_pem)
    assert caught.value.code == "evidence.checkpoint"


def test_an_origin_that_cannot_name_a_key(signer: Signer) -> None:
    for origin in ("", "a b", "a+b", "a\nb"):
        with pytest.raises(EvidenceError, match="origin"):
            sign_checkpoint(Checkpoint(origin, 0, b"\0" * 32), signer)
