"""Attacks on what lies encrypted: whatever is done to the bytes or to the keys, nothing false is read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.core.home import Home
from falaj.dataplane.prediction_log import (
    LogKeys,
    LogOwner,
    LogWriter,
    SegmentHeader,
    find_prediction,
    new_log_key,
    read_segment,
    segments,
)
from falaj.supply_chain.artifacts import (
    ArtifactCorruptError,
    ArtifactErasedError,
    ArtifactStore,
    Digest,
    StoreSealedError,
    open_home_store,
    open_store,
)
from falaj.supply_chain.encryption import (
    DamagedCiphertextError,
    DataKey,
    RootKeyError,
    home_scope,
    open_chest,
    seal,
    stream,
    unseal,
)

KEY = DataKey("0f" * 16, "default", bytes(range(32)))
HEADER_BYTES, FRAME = 57, (1 << 20) + 16
CONTENT = os.urandom((3 << 20) + 100)


def sealed(name: str = "blobs/ab/c", content: bytes = CONTENT, key: DataKey = KEY) -> bytes:
    return b"".join(seal([content], key, name, os.urandom(32)))


def opened(data: bytes, name: str = "blobs/ab/c", key: DataKey = KEY) -> bytes:
    return b"".join(unseal([data], lambda _: key, name))


def frames(data: bytes) -> list[bytes]:
    body = data[HEADER_BYTES:]
    return [data[:HEADER_BYTES], *(body[start : start + FRAME] for start in range(0, len(body), FRAME))]


ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "the last frame cut off": lambda f: f[:-1],
    "cut off behind the first frame": lambda f: f[:2],
    "cut off behind the header": lambda f: f[:1],
    "cut off within a frame": lambda f: [*f[:-1], f[-1][:-1]],
    "cut off within the header": lambda f: [f[0][:20]],
    "nothing left": lambda _: [],
    "two frames swapped": lambda f: [f[0], f[2], f[1], *f[3:]],
    "a frame twice": lambda f: [*f[:2], f[1], *f[2:]],
    "the last frame twice": lambda f: [*f, f[-1]],
    "a frame left out": lambda f: [*f[:2], *f[3:]],
    "bytes appended": lambda f: [*f, b"\0"],
    "bytes put before": lambda f: [b"\0", *f],
    "a frame of another writing of the object": lambda f: [*f[:2], frames(sealed())[2], *f[3:]],
    "the header of another writing": lambda f: [frames(sealed())[0], *f[1:]],
    "a frame of another object": lambda f: [*f[:2], frames(sealed("blobs/ab/d"))[2], *f[3:]],
    "another format number": lambda f: [f[0][:8] + b"\x02" + f[0][9:], *f[1:]],
    "the plaintext itself": lambda _: [CONTENT],
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_changed_ciphertext_is_not_read(attack: Callable[[list[bytes]], list[bytes]]) -> None:
    with pytest.raises(DamagedCiphertextError) as raised:
        opened(b"".join(attack(frames(sealed()))))
    assert raised.value.code == "encryption.damaged"


@settings(deadline=None)
@given(st.binary(max_size=90), st.integers(0, 10_000), st.integers(1, 255))
def test_no_bit_may_flip(content: bytes, position: int, change: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "FRAME", 16)
        data = bytearray(sealed(content=content))
        data[position % len(data)] ^= change
        with pytest.raises(DamagedCiphertextError):
            opened(bytes(data))


def test_a_whole_object_under_another_name_is_not_read() -> None:
    with pytest.raises(DamagedCiphertextError):
        opened(sealed("blobs/ab/c"), "blobs/ab/d")


def test_another_tenant_does_not_read_it_even_with_the_same_secret() -> None:
    with pytest.raises(DamagedCiphertextError):
        opened(sealed(), key=replace(KEY, tenant="other"))


def test_names_cannot_run_into_each_other() -> None:
    first, second = DataKey(KEY.id, "ab", KEY.secret), DataKey(KEY.id, "a", KEY.secret)
    with pytest.raises(DamagedCiphertextError):
        opened(sealed("c", key=first), "bc", second)


# The artifact store


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home", {}).prepare()


@pytest.fixture
def store(home: Home) -> ArtifactStore:
    return open_home_store(home)


def blob(home: Home, digest: Digest) -> Path:
    """Where the only blob of a file artifact lies."""
    name = open_home_store(home).manifest(digest).files[0].blob[7:]
    return Path(home.store_url) / "blobs" / name[:2] / name[2:]


def overwrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def test_two_blobs_exchanged_in_the_store_are_refused(home: Home, store: ArtifactStore) -> None:
    good, bad = (
        store.put_bytes(b"the model that was approved").digest,
        store.put_bytes(b"the model that was not").digest,
    )
    overwrite(blob(home, good), blob(home, bad).read_bytes())
    with pytest.raises(ArtifactCorruptError) as raised:
        store.read_bytes(good)
    assert raised.value.code == "artifact.corrupt"


def test_a_result_planted_under_the_name_of_another_step_is_refused(home: Home, store: ArtifactStore) -> None:
    store.set_ref("steps/honest", b'{"outputs": "honest"}')
    store.set_ref("steps/planted", b'{"outputs": "planted"}')
    folder = Path(home.store_url) / "refs" / "steps"
    overwrite(folder / "honest~", (folder / "planted~").read_bytes())
    with pytest.raises(ArtifactCorruptError):
        store.get_ref("steps/honest")


def test_a_ref_in_the_clear_in_an_encrypted_store_is_refused(home: Home, store: ArtifactStore) -> None:
    store.set_ref("steps/honest", b"{}")
    overwrite(Path(home.store_url) / "refs" / "steps" / "honest~", b'{"outputs": "planted"}')
    with pytest.raises(ArtifactCorruptError):
        store.get_ref("steps/honest")


def test_an_encrypted_store_cannot_be_made_one_in_the_clear(home: Home, store: ArtifactStore) -> None:
    store.put_bytes(b"x")
    (Path(home.store_url) / "sealed").unlink()
    with pytest.raises(StoreSealedError) as raised:
        open_home_store(home)
    assert raised.value.code == "artifact.store-in-the-clear"


def test_an_emptied_store_is_not_taken_for_a_new_one_in_the_clear(home: Home, store: ArtifactStore) -> None:
    store.put_bytes(b"x")
    shutil.rmtree(home.store_url)
    with pytest.raises(StoreSealedError):
        open_home_store(home)


def test_what_a_destroyed_key_encrypted_is_gone_with_every_copy_of_it(home: Home, store: ArtifactStore) -> None:
    digest = store.put_bytes(b"about a person").digest
    shutil.copytree(home.store_url, home.root / "backup")
    chest = open_chest(home)
    chest.change(lambda keys: [key.destroyed(1.0) for key in keys])
    backup = Home(home.root, {"FALAJ_STORE": str(home.root / "backup")})
    for attempt in (store, open_home_store(home), open_home_store(backup)):
        with pytest.raises(ArtifactErasedError) as raised:
            attempt.read_bytes(digest)
        assert raised.value.code == "artifact.erased"


def test_a_copy_of_the_store_without_the_keys_is_worth_nothing(
    home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    digest = store.put_bytes(b"secret").digest
    thief = Home(tmp_path / "thief", {"FALAJ_STORE": home.store_url}).prepare()
    with pytest.raises(ArtifactErasedError):
        open_home_store(thief).read_bytes(digest)
    shutil.copy(home.keys / "data-keys.json", thief.keys)
    with pytest.raises(RootKeyError):
        open_home_store(thief).read_bytes(digest)
    with pytest.raises(StoreSealedError):
        open_store(home.store_url)


def test_a_wrapped_key_moved_to_another_jurisdiction_does_not_open(home: Home) -> None:
    chest = open_chest(home)
    chest.current(home_scope({"FALAJ_JURISDICTION": "AE"}))
    path = home.keys / "data-keys.json"
    path.write_text(path.read_text().replace('"AE"', '"US"'))
    with pytest.raises(RootKeyError) as raised:
        open_chest(home).current(home_scope({"FALAJ_JURISDICTION": "US"}))
    assert raised.value.code == "encryption.root-key"


# The prediction log

KEYS = LogKeys(lambda _: KEY)


def log(folder: Path, *names: str, endpoint: str = "dev/m", now: int = 1) -> bytes:
    header = SegmentHeader("m@1", endpoint, ("x",), 0)
    writer = LogWriter(folder, header, lambda: now, key=new_log_key(KEY, header.owner))
    for name in names:
        writer.write([(name, 1, [(1.0,)], {"y": [2.0]})])
    writer.close()
    return segments(folder)[-1].read_bytes()


def parts(data: bytes) -> list[bytes]:
    """The header and the records, which all have one length here."""
    start = 18 + int.from_bytes(data[10:14], "little")
    size = (len(data) - start) // 3
    return [data[:start], *(data[start + size * index : start + size * (index + 1)] for index in range(3))]


LOG_ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "records exchanged": lambda p: [p[0], p[2], p[1], p[3]],
    "a record twice": lambda p: [p[0], p[1], p[1], p[2], p[3]],
    "a record left out": lambda p: [p[0], p[1], p[3]],
    "the first left out": lambda p: [p[0], p[2], p[3]],
    "another time": lambda p: [p[0], p[1][:24] + b"\x07" + p[1][25:], *p[2:]],
    "another name": lambda p: [p[0], p[1][:8] + b"\x00" * 16 + p[1][24:], *p[2:]],
    "a flipped bit": lambda p: [*p[:3], p[3][:-1] + bytes([p[3][-1] ^ 1])],
}


@pytest.mark.parametrize("attack", LOG_ATTACKS.values(), ids=LOG_ATTACKS)
def test_a_changed_prediction_log_is_not_read(tmp_path: Path, attack: Callable[[list[bytes]], list[bytes]]) -> None:
    data = log(tmp_path, "a", "b", "c")
    assert len(list(read_segment(segments(tmp_path)[0], KEYS))) == 3
    segments(tmp_path)[0].write_bytes(b"".join(attack(parts(data))))
    with pytest.raises(DamagedCiphertextError):
        list(read_segment(segments(tmp_path)[0], KEYS))


def test_a_record_of_another_endpoint_cannot_be_passed_off(tmp_path: Path) -> None:
    ours, theirs = log(tmp_path / "a", "a", "b", "c"), log(tmp_path / "b", "a", "b", "c", endpoint="prod/m")
    segments(tmp_path / "b")[0].write_bytes(b"".join([parts(theirs)[0], *parts(ours)[1:]]))
    with pytest.raises(DamagedCiphertextError):
        list(read_segment(segments(tmp_path / "b")[0], KEYS))
    assert find_prediction(tmp_path / "b", "a", KEYS) is None


def test_a_header_that_names_another_release_opens_nothing(tmp_path: Path) -> None:
    import zlib

    data = log(tmp_path, "a", "b", "c")
    header, body = parts(data)[0], b"".join(parts(data)[1:])
    text = header[18:].replace(b"m@1", b"m@2")
    forged = header[:14] + zlib.crc32(text).to_bytes(4, "little") + text
    segments(tmp_path)[0].write_bytes(forged + body)
    with pytest.raises(DamagedCiphertextError):
        list(read_segment(segments(tmp_path)[0], KEYS))
    assert find_prediction(tmp_path, "a", KEYS) is None


def test_a_segment_in_the_clear_is_not_believed_where_all_are_sealed(tmp_path: Path) -> None:
    from falaj.dataplane.prediction_log import LogSealedError

    writer = LogWriter(tmp_path, SegmentHeader("m@1", "dev/m", ("x",), 0), lambda: 1)
    writer.write([("forged", 1, [(1.0,)], {"y": [2.0]})])
    writer.close()
    with pytest.raises(LogSealedError) as raised:
        find_prediction(tmp_path, "forged", replace(KEYS, only_sealed=True))
    assert raised.value.code == "serving.log-sealed"


def test_the_key_of_one_replica_reads_no_other(tmp_path: Path) -> None:
    log(tmp_path, "a")
    other = new_log_key(KEY, LogOwner("dev/m", "m@1"))
    stolen = DataKey(KEY.id, "default", other.secret)
    with pytest.raises(DamagedCiphertextError):
        list(read_segment(segments(tmp_path)[0], LogKeys(lambda _: stolen)))
