"""The stream format of encrypted objects (pure).

    object = header  frame*
    header = b"FALAJENC"  u8 format  16 bytes key id  32 bytes salt
    frame  = AES-256-GCM of 1 MiB of the plaintext (the last one of less, or of nothing), with its 16-byte tag

The salt is random, so each writing of an object has a key of its own (HKDF of the data key), under which the frame's
number is a nonce that cannot repeat. Each tag also covers `tenant | object | version | frame number | last?`, where the
version is the header. So a frame that was changed, cut off, repeated, reordered or taken from another object, another
writing of this object or another tenant is not decrypted. Everything is streamed; some 4 MiB are held.

Source: NIST SP 800-38D (GCM); the last-frame flag is that of the STREAM construction (Hoang et al., CRYPTO 2015).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from falaj.supply_chain.encryption.derivation import KEY_BYTES, derive
from falaj.supply_chain.encryption.errors import DamagedCiphertextError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FRAME = 1 << 20
SALT_BYTES = 32
_MAGIC = b"FALAJENC"
_FORMAT = 1
_HEADER = struct.Struct(">8sB16s32s")
_TAG = 16
HEADER_BYTES = _HEADER.size
SEALED_FRAME = FRAME + _TAG
_PURPOSE = b"falaj/object/v1"
OpenFrame = Callable[[int, "bytes | memoryview", bool], bytes]
"""Decrypts a frame, from its number, its bytes, and whether it is the last one."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that encrypts objects of one tenant in one jurisdiction.

    Args:
        id: UUID, 32 hex digits.
        tenant: Whose data it protects.
        secret: 32 bytes.
    """

    id: str
    tenant: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """What opens one object, and none of the others that the same data key protects.

    Args:
        tenant: Whose data it is.
        secret: 32 bytes, derived from the data key and the salt of the object.
    """

    tenant: str
    secret: bytes = field(repr=False)


def object_key(chunks: Iterable[bytes], find: Callable[[str], DataKey], name: str) -> ObjectKey:
    """What opens one object.

    Args:
        chunks: Its encrypted bytes, of which the first ones are read.
        find: As for `unseal`.
        name: As for `unseal`.

    Raises:
        DamagedCiphertextError: The bytes are not those of an encrypted object.
        KeyGoneError: From `find`.
    """
    header, _ = _head(iter(chunks), name)
    _, _, key_id, salt = _HEADER.unpack(header)
    key = find(key_id.hex())
    return ObjectKey(key.tenant, derive(key.secret, salt, _PURPOSE))


def unseal_object(chunks: Iterable[bytes], key: ObjectKey, name: str) -> Iterator[bytes]:
    """Decrypt an object by the key that opens it alone; see `unseal`.

    Raises:
        DamagedCiphertextError: The bytes are not what was written under that name.
    """
    pieces = iter(chunks)
    header, rest = _head(pieces, name)
    open_frame = _opener(_aes(key.secret), _about(key.tenant, name, header), name)
    for number, (block, last) in enumerate(_blocks(_after(rest, pieces), FRAME + _TAG)):
        yield open_frame(number, block, last)


def sealed_size(size: int) -> int:
    """Bytes that an object of `size` bytes takes encrypted."""
    return _HEADER.size + size + _TAG * max(1, -(-size // FRAME))


def plain_size(size: int) -> int:
    """Bytes that `size` encrypted bytes hold; -1 when no object has that size."""
    body = size - _HEADER.size
    plain = body - _TAG * -(-body // (FRAME + _TAG))
    return plain if body >= _TAG and sealed_size(max(plain, 0)) == size else -1


def seal(chunks: Iterable[bytes], key: DataKey, name: str, salt: bytes) -> Iterator[bytes]:
    """Encrypt an object.

    Args:
        chunks: Its bytes in order, in pieces of any size.
        key: The key.
        name: What it is called; it opens under no other name.
        salt: 32 random bytes, never used before.
    """
    header = _HEADER.pack(_MAGIC, _FORMAT, bytes.fromhex(key.id), salt)
    cipher, about = _cipher(key, salt), _about(key.tenant, name, header)
    yield header
    for number, (block, last) in enumerate(_blocks(chunks, FRAME)):
        yield cipher.encrypt(_nonce(number), block, about + _place(number, last))


def unseal(chunks: Iterable[bytes], find: Callable[[str], DataKey], name: str) -> Iterator[bytes]:
    """Decrypt an object; every piece was checked before it is returned, the end by the last one.

    Args:
        chunks: What `seal` gave, in pieces of any size.
        find: Gives the key of an id.
        name: What the object is called.

    Raises:
        DamagedCiphertextError: The bytes are not what was written under that name.
        KeyGoneError: From `find`.
    """
    pieces = iter(chunks)
    header, rest = _head(pieces, name)
    open_frame = opening(header, find, name)
    for number, (block, last) in enumerate(_blocks(_after(rest, pieces), FRAME + _TAG)):
        yield open_frame(number, block, last)


def opening(header: bytes, find: Callable[[str], DataKey], name: str) -> OpenFrame:
    """What decrypts single frames of an object, in any order.

    Args:
        header: Its first `HEADER_BYTES` bytes.
        find: As for `unseal`.
        name: As for `unseal`.

    Raises:
        DamagedCiphertextError: The header is none; and from what is returned, as from `unseal`.
        KeyGoneError: From `find`.
    """
    header, _ = _head(iter([header]), name)
    _, _, key_id, salt = _HEADER.unpack(header)
    key = find(key_id.hex())
    return _opener(_cipher(key, salt), _about(key.tenant, name, header), name)


def _opener(cipher: AESGCM, about: bytes, name: str) -> OpenFrame:
    def open_frame(number: int, block: bytes | memoryview, last: bool) -> bytes:
        try:
            return cipher.decrypt(_nonce(number), block, about + _place(number, last))
        except Exception as error:  # InvalidTag, or ValueError of a block shorter than a tag
            raise _damaged(name) from error

    return open_frame


def key_id_of(chunks: Iterable[bytes]) -> str | None:
    """Which key encrypted an object, from its first bytes; None when they are not those of an encrypted object."""
    try:
        header, _ = _head(iter(chunks), "")
    except DamagedCiphertextError:
        return None
    return header[9:25].hex()


def _head(pieces: Iterator[bytes], name: str) -> tuple[bytes, bytes]:
    """The header, and what came with it."""
    start = b""
    while len(start) < _HEADER.size and (piece := next(pieces, None)) is not None:
        start += piece
    if len(start) < _HEADER.size or not start.startswith(_MAGIC) or start[len(_MAGIC)] != _FORMAT:
        raise _damaged(name)
    return start[: _HEADER.size], start[_HEADER.size :]


def _after(rest: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield rest
    yield from pieces


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes | memoryview, bool]]:
    """The same bytes in blocks of one size, each with whether it is the last, which may be shorter.

    A block is good until the next one is asked for: those that come in parts are put together in one place.
    """
    pieces: list[memoryview] = []
    have, place = 0, bytearray()
    for chunk in chunks:
        rest = memoryview(chunk)
        while have + len(rest) > size:  # what is left is never empty: the last block must be known as such
            place = place or bytearray(size)
            yield _together([*pieces, rest[: size - have]], place), False
            rest, pieces, have = rest[size - have :], [], 0
        pieces.append(rest)
        have += len(rest)
    yield _together(pieces, place or bytearray(have)), True


def _together(parts: list[memoryview], place: bytearray) -> bytes | memoryview:
    """One buffer of all parts; copied only when there are several, since fresh memory costs more than a copy."""
    filled = [part for part in parts if len(part)]
    if len(filled) <= 1:
        return filled[0] if filled else b""
    end = 0
    for part in filled:
        place[end : end + len(part)] = part
        end += len(part)
    return memoryview(place)[:end]


def _cipher(key: DataKey, salt: bytes) -> AESGCM:
    if len(salt) != SALT_BYTES or len(key.secret) != KEY_BYTES:
        raise ValueError("a key and a salt have 32 bytes each")
    return _aes(derive(key.secret, salt, _PURPOSE))


def _aes(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)


def _about(tenant: str, name: str, header: bytes) -> bytes:
    """Each part behind its length, so that no two triples give the same bytes."""
    parts = (tenant.encode(), name.encode(), header)
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _place(number: int, last: bool) -> bytes:
    return number.to_bytes(8, "big") + bytes([last])


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _damaged(name: str) -> DamagedCiphertextError:
    return DamagedCiphertextError(
        "the encrypted bytes are not what was written under this name",
        where=name,
        hint="they were changed, cut off or exchanged; restore them from a backup",
    )
