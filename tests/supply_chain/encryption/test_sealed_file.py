"""An encrypted object read at any place: the same bytes as the stream gives, and nothing that was not written."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.supply_chain.encryption import DamagedCiphertextError, DataKey, KeyGoneError, seal
from falaj.supply_chain.encryption.sealed_file import SealedFile
from falaj.supply_chain.encryption.stream import FRAME, HEADER_BYTES, SEALED_FRAME

KEY = DataKey("ab" * 16, "default", bytes(range(32)))
PLAIN = os.urandom(1 << 16) * 40 + b"end"
SEALED = b"".join(seal([PLAIN], KEY, "columns", bytes(32)))


@contextmanager
def opened(path: Path, data: bytes = SEALED, name: str = "columns", key: DataKey = KEY) -> Iterator[SealedFile]:
    path.write_bytes(data)
    file = os.open(path, os.O_RDONLY)
    try:
        yield SealedFile(file, lambda _id: key, name)
    finally:
        os.close(file)


places = st.integers(0, len(PLAIN) + 10) | st.sampled_from([FRAME - 1, FRAME, FRAME + 1, 2 * FRAME])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(places, st.integers(0, FRAME + 10)), max_size=5))
def test_any_part_is_read(tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]) -> None:
    with opened(tmp_path_factory.mktemp("sealed") / "file") as file:
        for place, size in parts:
            assert file.seek(place) == place and file.read(size) == PLAIN[place : place + size]
            assert file.tell() == place + len(PLAIN[place : place + size])
        assert file.seek(-3, io.SEEK_END) == len(PLAIN) - 3 and file.read() == b"end"
        assert file.seek(-1, io.SEEK_CUR) == len(PLAIN) - 1 and file.readable() and file.seekable()


@pytest.mark.parametrize("size", [0, 1, FRAME, FRAME + 1])
def test_objects_of_odd_sizes(tmp_path: Path, size: int) -> None:
    data = b"".join(seal([PLAIN[:size]], KEY, "columns", bytes(32)))
    with opened(tmp_path / "file", data) as file:
        assert file.read() == PLAIN[:size]


def frames(data: bytes) -> tuple[bytes, list[bytes]]:
    body = data[HEADER_BYTES:]
    return data[:HEADER_BYTES], [body[at : at + SEALED_FRAME] for at in range(0, len(body), SEALED_FRAME)]


def test_what_was_changed_moved_or_cut_off_is_not_read(tmp_path: Path) -> None:
    head, (first, second, last) = frames(SEALED)
    other = b"".join(seal([PLAIN], KEY, "columns", bytes(31) + b"\x01"))
    attacks = {
        "cut at a frame": (head + first + second, 2 * FRAME - 1),
        "exchanged": (head + second + first + last, 0),
        "of another writing": (head + frames(other)[1][0] + second + last, 0),
        "flipped": (SEALED[:-1] + bytes([SEALED[-1] ^ 1]), len(PLAIN) - 1),
        "header": (head[:-1] + bytes([head[-1] ^ 1]) + first + second + last, 0),
    }
    for data, place in attacks.values():
        with opened(tmp_path / "file", data) as file, pytest.raises(DamagedCiphertextError):
            file.seek(place)
            file.read(1)
    for data in (b"", b"FALAJENC", SEALED[:HEADER_BYTES], SEALED[: HEADER_BYTES + 7], b"x" + SEALED[1:]):
        with pytest.raises(DamagedCiphertextError), opened(tmp_path / "file", data):
            pass


def test_only_the_key_and_the_name_open_it(tmp_path: Path) -> None:
    wrong = DataKey(KEY.id, "default", bytes(32))
    for options in ({"name": "another"}, {"key": wrong}, {"key": DataKey(KEY.id, "another", KEY.secret)}):
        with opened(tmp_path / "file", **options) as file, pytest.raises(DamagedCiphertextError):  # type: ignore[arg-type]
            file.read(1)

    def gone(key_id: str) -> DataKey:
        raise KeyGoneError("gone", where=key_id)

    file = os.open(tmp_path / "file", os.O_RDONLY)
    with pytest.raises(KeyGoneError):
        SealedFile(file, gone, "columns")
    os.close(file)
