"""The data keys of one machine, wrapped, in a file; any number of processes use it at once."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from falaj.supply_chain.encryption.derivation import KEY_BYTES
from falaj.supply_chain.encryption.errors import KeyGoneError, RootKeyError
from falaj.supply_chain.encryption.key_encryption_key import KeyEncryptionKey
from falaj.supply_chain.encryption.stream import DataKey
from falaj.supply_chain.encryption.wrapped import KeyScope, KeyState, WrappedKey, merged, newest

_READS = 5
Change = Callable[[tuple[WrappedKey, ...]], Iterable[WrappedKey]]


class Keystore:
    """Finds data keys, and makes the first one of a scope.

    A key that another process destroyed is gone here too: the file is looked at before every use.

    Args:
        path: The file; made with the first key.
        root: Unwraps the keys.
        clock: Unix time in seconds.
        more: Gives keys that this machine has not heard of yet; asked when an unknown one is wanted.
    """

    def __init__(
        self,
        path: Path,
        root: KeyEncryptionKey,
        clock: Callable[[], float] = time.time,
        more: Callable[[], Iterable[WrappedKey]] = tuple,
    ) -> None:
        self._path, self._root, self._clock, self.more = path, root, clock, more
        self._lock = threading.RLock()
        self._look: object = None
        self._keys: dict[str, WrappedKey] = {}
        self._opened: dict[str, DataKey] = {}

    @property
    def root(self) -> KeyEncryptionKey:
        """The root key."""
        return self._root

    def entries(self) -> tuple[WrappedKey, ...]:
        """All keys, the destroyed ones too, oldest first."""
        with self._lock:
            self._reload()
            return merged(self._keys.values())

    def current(self, scope: KeyScope) -> DataKey:
        """The key that encrypts what is new in a scope; made when there is none.

        Raises:
            RootKeyError: The root key is unavailable.
        """
        wrapped_key = newest(self.entries(), scope)
        if wrapped_key is None:
            self.change(lambda keys: keys if newest(keys, scope) else [*keys, self.make(scope)])
            wrapped_key = newest(self.entries(), scope)
        assert wrapped_key is not None
        return self._unwrapped(wrapped_key)

    def find(self, key_id: str) -> DataKey:
        """The key of an id, for reading.

        Raises:
            KeyGoneError: It was destroyed, or is not known here.
            RootKeyError: The root key is unavailable.
        """
        with self._lock:
            self._reload()
            if key_id not in self._keys:
                self.learn(self.more())
            wrapped_key = self._keys.get(key_id)
        if wrapped_key is None:
            raise KeyGoneError("this installation does not have the key", where=key_id, code="encryption.key-unknown")
        if wrapped_key.state is KeyState.DESTROYED:
            raise KeyGoneError("the key was destroyed, and with it what it encrypted", where=key_id)
        return self._unwrapped(wrapped_key)

    def make(self, scope: KeyScope) -> WrappedKey:
        """A new key, wrapped; it is not kept yet."""
        now = self._clock()
        key = WrappedKey(uuid4().hex, scope, KeyState.CURRENT, self._root.name, "", now, now)
        return self._wrapped(key, secrets.token_bytes(KEY_BYTES), self._root)

    def rewrapped(self, keys: Iterable[WrappedKey], root: KeyEncryptionKey) -> tuple[WrappedKey, ...]:
        """The same keys, wrapped by another root key."""
        now = self._clock()
        return tuple(
            key if key.state is KeyState.DESTROYED
            else self._wrapped(replace(key, root=root.name, changed_at=now), self._unwrapped(key).secret, root)
            for key in keys
        )  # fmt: skip

    def learn(self, keys: Iterable[WrappedKey]) -> None:
        """Take in what is known elsewhere of keys: new ones, and that old ones were retired or destroyed."""
        incoming_keys = tuple(keys)
        if incoming_keys and merged(self.entries(), incoming_keys) != self.entries():
            self.change(lambda own: merged(own, incoming_keys))

    def change(self, change: Change) -> None:
        """Replace the keys by what a function makes of them; no other process changes them meanwhile."""
        with self._lock, self._alone():
            self._reload()
            keys = tuple(change(merged(self._keys.values())))
            self._write({"keys": [key.to_json() for key in keys]})
            self._reload()

    def _unwrapped(self, key: WrappedKey) -> DataKey:
        with self._lock:
            if key.id not in self._opened:
                if key.root != self._root.name:
                    raise RootKeyError(
                        f"this data key was wrapped by the root key {key.root}, not by {self._root.name}",
                        where=key.id,
                        hint="FALAJ_ROOT_KEY names the root key; `falaj platform key rotate --root` changes it",
                    )
                secret = self._root.unwrap(base64.b64decode(key.wrapped), key.context)
                self._opened[key.id] = DataKey(key.id, key.scope.tenant, secret)
            return self._opened[key.id]

    @staticmethod
    def _wrapped(key: WrappedKey, secret: bytes, root: KeyEncryptionKey) -> WrappedKey:
        return replace(key, wrapped=base64.b64encode(root.wrap(secret, key.context)).decode())

    def _reload(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._look, self._keys, self._opened = None, {}, {}
            return
        look = (status.st_ino, status.st_size, status.st_mtime_ns)
        if look == self._look:
            return
        wrapped_keys = [WrappedKey.from_json(value) for value in self._read()["keys"]]
        self._look, self._keys = look, {key.id: key for key in wrapped_keys}
        usable = {key.id for key in wrapped_keys if key.state is not KeyState.DESTROYED}
        self._opened = {key_id: key for key_id, key in self._opened.items() if key_id in usable}

    def _read(self) -> dict[str, Any]:
        """The file; another process may overwrite the old one just after it has put a new one in its place."""
        for _ in range(_READS):
            with suppress(ValueError):
                document: dict[str, Any] = json.loads(self._path.read_bytes())
                return document
        raise RootKeyError("the list of data keys cannot be read", where=str(self._path))

    def _write(self, document: object) -> None:
        """Put a new file in the old one's place, and overwrite the old one: it may hold a key that is destroyed now."""
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            with ExitStack() as stack:
                before = stack.enter_context(self._path.open("r+b")) if self._path.exists() else None
                fresh.replace(self._path)
                if before:
                    _overwrite(before)
        finally:
            fresh.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _overwrite(file: IO[bytes]) -> None:
    file.write(bytes(os.fstat(file.fileno()).st_size))
    file.flush()
    os.fsync(file.fileno())
