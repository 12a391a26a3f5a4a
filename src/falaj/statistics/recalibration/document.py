"""The file that says how a release is recalibrated at a location: signed by its agent, read by its model servers.

A DSSE envelope (JSON) around a JSON document. A reader trusts nothing of it before the signature holds, and then it
still asks whether it speaks of its own release and is not too old.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import msgspec

from falaj.core.errors import IntegrityError
from falaj.statistics.recalibration.records import AnswerKind, RecalibrationState

PAYLOAD_TYPE = "application/vnd.falaj.recalibration+json"
FORM = "falaj/recalibration/1"
MAX_BYTES = 4 << 20


class RecalibrationFileError(IntegrityError):
    """A file of recalibration is damaged, not signed by the location, or speaks of something else."""

    code = "serving.recalibration-file"


class RecalibrationDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How a release is recalibrated from the time of a fit on.

    Attributes:
        location: Name of the location.
        endpoint: `environment/model`.
        release: `name@version`.
        version: Grows with each fit of the release; the time of the fit in Unix seconds, where clocks allow it.
        kind: What the release answers with.
        offset: By which answers are moved.
        threshold: A probability from here on is the second class.
        bound: The largest offset.
        fitted_at: Unix seconds.
        expires_at: From when on answers are bare, unless there was another fit; Unix seconds.
        reason: Why nothing is moved; empty where something is, or could be.
        state: What the next fit goes on from.
        form: Of the document.
    """

    location: str
    endpoint: str
    release: str
    version: int
    kind: AnswerKind
    offset: float
    threshold: float
    bound: float
    fitted_at: float
    expires_at: float
    reason: str = ""
    state: RecalibrationState = RecalibrationState()
    form: str = FORM


class _Signature(msgspec.Struct):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct):
    payload: str
    signatures: list[_Signature]
    payloadType: str = PAYLOAD_TYPE  # noqa: N815 - the name of the field in DSSE


def file_name(endpoint: str, release: str) -> str:
    """The name of the file of a release at an endpoint.

    Args:
        endpoint: `environment/model`.
        release: `name@version`.
    """
    return f"{endpoint.replace('/', '+')}@{release.rpartition('@')[2]}.json"


def seal_document(document: RecalibrationDocument, sign: Callable[[bytes], bytes], key_id: str) -> bytes:
    """The bytes of the file.

    Args:
        document: What to say.
        sign: Message in, raw Ed25519 signature out.
        key_id: Of the key that signs.
    """
    payload = msgspec.json.encode(document)
    signature = base64.b64encode(sign(_message(PAYLOAD_TYPE, payload))).decode()
    return msgspec.json.encode(_Envelope(base64.b64encode(payload).decode(), [_Signature(signature, key_id)]))


def open_document(data: bytes, public_key: bytes, *, where: str = "") -> RecalibrationDocument:
    """The document of a file.

    Args:
        data: Bytes of unknown origin.
        public_key: The location's raw Ed25519 key, 32 bytes.
        where: Name of the file for errors.

    Raises:
        RecalibrationFileError: The signature does not hold, or what is signed is no such document.
    """
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        payload = base64.b64decode(envelope.payload, validate=True)
        signatures = [base64.b64decode(each.sig, validate=True) for each in envelope.signatures]
    except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise RecalibrationFileError(f"the file of recalibration is damaged: {error}", where=where) from error
    message = _message(envelope.payloadType, payload)
    if envelope.payloadType != PAYLOAD_TYPE or not any(_holds(public_key, each, message) for each in signatures):
        raise RecalibrationFileError("the file of recalibration is not signed by this location", where=where)
    try:
        document = msgspec.json.decode(payload, type=RecalibrationDocument)
    except msgspec.DecodeError as error:
        raise RecalibrationFileError(f"the file of recalibration is of another form: {error}", where=where) from error
    if document.form != FORM or not abs(document.offset) <= document.bound:
        raise RecalibrationFileError("the file of recalibration says what none may say", where=where)
    return document


def _message(kind: str, payload: bytes) -> bytes:
    """What a DSSE signature covers."""
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)


def _holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
