r"""Encrypted segments.

    record = u32 0  u32 length  16 bytes key  u64 time (ns, Unix)  AES-256-GCM of the payload (`length` bytes)

A location has a data key. Whoever starts a replica derives a key for it and hands over that one alone, so a model
server can neither read the log of another one nor its own after a restart. Each segment has a key derived from that
and from the bytes of the segment's header. The nonce is the record's offset in the segment, and the tag covers key
and time as well. So a record that was changed, moved, copied or taken from another segment does not open, nor does any
record below a changed header. What cannot be seen is that records are missing at the end: a killed writer leaves the
same.

A record is found by a keyed hash of its request id, since ids that clients choose may be guessed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from falaj.supply_chain.encryption.derivation import derive
from falaj.supply_chain.encryption.errors import DamagedCiphertextError
from falaj.supply_chain.encryption.stream import DataKey

RECORD = struct.Struct("<II16sQ")
_SALT_BYTES = 16
_TAG = 16
_HEAD = struct.Struct("<16sQ")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """What a segment's header says of its encryption; nothing of it is secret.

    Args:
        key: Id of the data key.
        replica: Salt of the replica's key, in hex.
        segment: Salt of the segment's key, in hex.
        slot: Name of the replica, which its key was derived for.
    """

    key: str
    replica: str
    segment: str
    slot: str = ""


@dataclass(frozen=True, slots=True)
class LogOwner:
    """Whose log it is: its key opens nothing that names another one.

    Args:
        endpoint: `environment/model`.
        release: `name@version`.
        slot: Name of the replica.
    """

    endpoint: str
    release: str
    slot: str = ""


@dataclass(frozen=True)
class LogKey:
    """The key of one replica's log.

    Args:
        id: Id of the data key that it was derived from.
        salt: Of the derivation, in hex.
        secret: 32 bytes.
        slot: Name of the replica.
    """

    id: str
    salt: str
    secret: bytes = field(repr=False)
    slot: str = ""

    def to_bytes(self) -> bytes:
        """For the pipe on which a replica receives it."""
        return json.dumps({"id": self.id, "salt": self.salt, "secret": self.secret.hex(), "slot": self.slot}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> LogKey:
        """Read what `to_bytes` gave.

        Raises:
            ValueError: It is something else.
        """
        try:
            value = json.loads(data)
            return cls(value["id"], value["salt"], bytes.fromhex(value["secret"]), value["slot"])
        except (KeyError, TypeError) as error:
            raise ValueError("this is not a key of a prediction log") from error

    def new_seal(self) -> SegmentKey:
        """The seal of a new segment."""
        return SegmentKey(self.id, self.salt, os.urandom(_SALT_BYTES).hex(), self.slot)


def new_log_key(key: DataKey, owner: LogOwner) -> LogKey:
    """A key for a replica that is about to start; it seals what is this replica's, and nothing of another one."""
    return _log_key(key, os.urandom(_SALT_BYTES).hex(), owner)


def _log_key(key: DataKey, salt: str, owner: LogOwner) -> LogKey:
    whose = json.dumps([owner.endpoint, owner.release, owner.slot]).encode()
    info = b"falaj/prediction-log/replica/v2|" + hashlib.sha256(whose).digest()
    return LogKey(key.id, salt, derive(key.secret, bytes.fromhex(salt), info), owner.slot)


class SegmentCipher:
    """Seals and opens the records of one segment.

    Args:
        key: The replica's key.
        header: The header's bytes; each bit of them counts.
        salt: Of the segment, in hex.
    """

    def __init__(self, key: LogKey, header: bytes, salt: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        secret = derive(key.secret, bytes.fromhex(salt), b"falaj/prediction-log/segment/v1|" + header)
        self._cipher = AESGCM(secret)
        self._names = derive(secret, b"", b"names")

    def name(self, request_id: str) -> bytes:
        """The 16 bytes by which a request is found in this segment."""
        return hashlib.blake2b(request_id.encode(), digest_size=16, key=self._names).digest()

    def seal(self, offset: int, request_id: str, at_ns: int, *values: Any) -> bytes:
        """One record.

        Args:
            offset: Where in the segment it will stand.
            request_id: The prediction id.
            at_ns: Unix time in nanoseconds.
            values: See `encode_record`.
        """
        payload, name = _encode((request_id, *values)), self.name(request_id)
        sealed = self._cipher.encrypt(_nonce(offset), payload, _HEAD.pack(name, at_ns))
        return RECORD.pack(0, len(sealed), name, at_ns) + sealed

    def open(self, data: Any, offset: int, base: int = 0) -> tuple[str, int, tuple[Any, ...], int] | None:
        """The record at an offset: request id, time, values, and the offset behind it.

        Args:
            data: Bytes of the segment.
            offset: Where in them the record may start.
            base: Where in the segment they begin.

        Returns:
            None when the segment ends here, or was torn here.

        Raises:
            DamagedCiphertextError: The record is not what was written here.
        """
        if offset < 0 or offset + RECORD.size > len(data):
            return None
        _, length, name, at_ns = RECORD.unpack(data[offset : offset + RECORD.size])
        end = offset + RECORD.size + length
        if end > len(data) or length < _TAG:
            return None
        sealed, place = data[offset + RECORD.size : end], base + offset
        try:
            payload = self._cipher.decrypt(_nonce(place), sealed, _HEAD.pack(name, at_ns))
        except Exception as error:  # InvalidTag has no base of its own
            raise DamagedCiphertextError(
                "a record of the prediction log is not what was written there", where=f"offset {place}"
            ) from error
        request_id, *values = _decode(payload)
        return request_id, at_ns, tuple(values), end


@dataclass(frozen=True)
class LogKeys:
    """What a reader needs.

    Args:
        find: Gives the data key of an id.
        only_sealed: Refuse segments in the clear, which anybody could have put there.
    """

    find: Callable[[str], DataKey]
    only_sealed: bool = False

    def cipher(self, seal: SegmentKey, header: bytes, owner: LogOwner) -> SegmentCipher:
        """What opens the records of a segment: of the owner that its header names, or nothing.

        Raises:
            KeyGoneError: Its data key was destroyed.
        """
        return SegmentCipher(_log_key(self.find(seal.key), seal.replica, owner), header, seal.segment)


def _nonce(offset: int) -> bytes:
    return offset.to_bytes(12, "big")
