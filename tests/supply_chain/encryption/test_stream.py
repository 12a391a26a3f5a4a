"""The stream format: what goes in comes out, whatever the pieces; sizes are known; nothing else opens."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.supply_chain.encryption import DataKey, derive, key_id_of, plain_size, seal, sealed_size, stream, unseal

KEY = DataKey("0f" * 16, "default", bytes(range(32)))
SALT = bytes(32)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def sealed(data: bytes, name: str = "blobs/ab/c", piece: int = 1 << 20) -> bytes:
    return b"".join(seal(pieces(data, piece), KEY, name, SALT))


def opened(data: bytes, name: str = "blobs/ab/c", piece: int = 1 << 20) -> bytes:
    return b"".join(unseal(pieces(data, piece), lambda _: KEY, name))


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=40))
def test_derivation_is_hkdf(secret: bytes, salt: bytes, purpose: bytes) -> None:
    assert derive(secret, salt, purpose) == HKDF(SHA256(), 32, salt, purpose).derive(secret)


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 80), st.integers(1, 80), st.sampled_from([7, 16, 64]))
def test_what_goes_in_comes_out_whatever_the_pieces(data: bytes, put: int, take: int, frame: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "FRAME", frame)
        ciphertext = sealed(data, piece=put)
        assert len(ciphertext) == sealed_size(len(data)) and plain_size(len(ciphertext)) == len(data)
        assert opened(ciphertext, piece=take) == data


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 5])
def test_real_frames(size: int) -> None:
    data = os.urandom(size)
    ciphertext = sealed(data, piece=700_001)
    assert opened(ciphertext, piece=1 << 20) == data and len(ciphertext) == sealed_size(size)


@given(st.integers(0, 1 << 45))
def test_a_size_is_read_back_from_the_encrypted_one(size: int) -> None:
    assert plain_size(sealed_size(size)) == size


@given(st.integers(0, 4 << 20))
def test_sizes_of_nothing_that_was_sealed_are_known_as_such(size: int) -> None:
    plain = plain_size(size)
    assert plain == -1 or sealed_size(plain) == size


def test_equal_content_looks_different_every_time() -> None:
    first, second = (b"".join(seal([b"same"], KEY, "a", os.urandom(32))) for _ in range(2))
    assert first[-20:] != second[-20:]


def test_the_plaintext_is_nowhere_in_it() -> None:
    assert b"personal" not in sealed(b"personal data " * 1000)


def test_the_key_of_an_object_is_named_in_it() -> None:
    assert key_id_of([sealed(b"x")]) == KEY.id
    assert key_id_of([b"short"]) is None and key_id_of([b"x" * 100]) is None and key_id_of([]) is None


def test_a_key_does_not_show_itself() -> None:
    assert KEY.secret.hex() not in repr(KEY) and str(KEY.secret) not in repr(KEY)


def test_a_key_or_salt_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        list(seal([b""], DataKey("00" * 16, "t", b"short"), "n", SALT))
    with pytest.raises(ValueError, match="32 bytes"):
        list(seal([b""], KEY, "n", b"short"))
