"""DSSE envelopes: a payload, its type, and signatures over both.

Source: Dead Simple Signing Envelope 1.0 (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature

from falaj.supply_chain.attestations.canonical import canonical, parse_canonical
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import Signer, TrustedKey, public_key
from falaj.supply_chain.attestations.statement import PAYLOAD_TYPE, Statement, parse_statement

Envelope = dict[str, Any]
"""`{"payloadType": str, "payload": base64, "signatures": [{"keyid": str, "sig": base64}]}`"""

MAX_SIGNATURES = 16


@dataclass(frozen=True)
class SignedStatement:
    """A statement whose signatures were checked.

    Args:
        statement: What was signed.
        key_ids: The trusted keys whose signatures hold, each once.
    """

    statement: Statement
    key_ids: frozenset[str]


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that a signature covers (pre-authentication encoding)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: Statement, signer: Signer) -> Envelope:
    """Sign a statement.

    Returns:
        The envelope with one signature; JSON-able.

    Raises:
        EvidenceError: `evidence.not-canonical`, when the predicate holds what JSON cannot.
    """
    payload = canonical(statement.as_dict())
    signature = signer.sign(pae(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signer.key_id, "sig": base64.b64encode(signature).decode()}],
    }


def verify_envelope(envelope: Any, keys: Mapping[str, TrustedKey], *, where: str = "") -> Statement:
    """Check one envelope and return its statement.

    Raises:
        EvidenceError: See `verify_signed`.
    """
    return verify_signed(envelope, keys, where=where).statement


def verify_signed(envelope: Any, keys: Mapping[str, TrustedKey], *, where: str = "") -> SignedStatement:
    """Check one envelope: signature first, then the payload's form, then whether the signer may say this.

    Args:
        envelope: Parsed JSON of unknown origin.
        keys: Trusted keys by key id.
        where: Name of the place for errors.

    Raises:
        EvidenceError: `evidence.malformed`, `evidence.untrusted-key`, `evidence.signature`,
            `evidence.not-canonical` or `evidence.wrong-signer`.
    """
    payload_type, payload = decode(envelope, where=where)
    accepted = accepted_keys(envelope, {name: key.pem for name, key in keys.items()}, where=where)
    if not accepted:
        raise _rejection(envelope, keys, where)
    if payload_type != PAYLOAD_TYPE:
        raise EvidenceError(f"the payload type is {payload_type!r}, not {PAYLOAD_TYPE!r}", where=where)
    parsed_statement = parse_statement(parse_canonical(payload, where=where), where=where)
    allowed = frozenset(name for name in accepted if keys[name].may_sign(parsed_statement.predicate_type))
    if not allowed:
        raise _wrong_signer(parsed_statement.predicate_type, accepted, where)
    return SignedStatement(parsed_statement, allowed)


def accepted_keys(envelope: Any, keys: Mapping[str, str], *, where: str = "") -> frozenset[str]:
    """Return the names of the keys that have a valid signature on the envelope, each once.

    A `keyid` narrows which key is tried and decides nothing else, as DSSE demands: it is not signed.

    Args:
        envelope: Parsed JSON of unknown origin.
        keys: Public keys in PEM by name.
        where: Name of the place for errors.

    Raises:
        EvidenceError: `evidence.malformed`, when the envelope is not one.
    """
    message = pae(*decode(envelope, where=where))
    return frozenset(
        name
        for key_id, signature in _signatures(envelope, where)
        for name in ([key_id] if key_id else keys)
        if name in keys and _is_valid(keys[name], signature, message)
    )


def decode(envelope: Any, *, where: str = "") -> tuple[str, bytes]:
    """Return payload type and payload, unverified.

    Raises:
        EvidenceError: `evidence.malformed`.
    """
    match envelope:
        case {"payloadType": str(kind), "payload": str(payload), "signatures": list()} if _is_utf8(kind):
            return kind, _base64(payload, where)
        case _:
            raise EvidenceError("this is not a DSSE envelope", where=where, hint="payloadType, payload, signatures")


def _signatures(envelope: Envelope, where: str) -> Iterator[tuple[str, bytes]]:
    signatures = envelope["signatures"]
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise EvidenceError(
            f"an envelope has 1 to {MAX_SIGNATURES} signatures, this one {len(signatures)}", where=where
        )
    for entry in signatures:
        match entry:
            case {"sig": str(signature), "keyid": str(key_id)}:
                yield key_id, _base64(signature, where)
            case {"sig": str(signature)} if "keyid" not in entry:
                yield "", _base64(signature, where)
            case _:
                raise EvidenceError("a signature needs `sig` and may have `keyid`, both text", where=where)


def _is_valid(pem: str, signature: bytes, message: bytes) -> bool:
    try:
        public_key(pem).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _is_utf8(text: str) -> bool:
    """Tell whether the text has bytes at all; JSON can carry half a surrogate pair, which has none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _base64(text: str, where: str) -> bytes:
    """Decode either alphabet; a text that is not exactly what an encoder writes is refused."""
    standard = text.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceError("the envelope holds broken base64", where=where) from error
    if base64.b64encode(data).decode() != standard:
        raise EvidenceError("the envelope holds base64 with stray bits", where=where)
    return data


def _rejection(envelope: Envelope, keys: Mapping[str, TrustedKey], where: str) -> EvidenceError:
    named = [entry.get("keyid", "") for entry in envelope["signatures"]]
    if any(not name or name in keys for name in named):
        return EvidenceError(
            "no signature holds: the payload or the signature was changed", where=where, code="evidence.signature"
        )
    return EvidenceError(
        f"signed by {', '.join(name[:12] for name in named)}, which is not a trusted key",
        where=where,
        hint="give the signer's public key with --keys",
        code="evidence.untrusted-key",
    )


def _wrong_signer(predicate_type: str, accepted: frozenset[str], where: str) -> EvidenceError:
    signers = ", ".join(sorted(name[:12] for name in accepted))
    return EvidenceError(f"key {signers} may not sign {predicate_type}", where=where, code="evidence.wrong-signer")
