"""Data keys without a root key: the worker's list of them is the notary's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn

from falaj.control.notary import requests
from falaj.supply_chain.encryption.errors import KeyGoneError
from falaj.supply_chain.encryption.keystore import Keystore
from falaj.supply_chain.encryption.stream import DataKey
from falaj.supply_chain.encryption.wrapped import KeyScope, WrappedKey, merged

if TYPE_CHECKING:
    from falaj.control.notary.client import NotaryClient


class NotaryChest(Keystore):
    """Finds data keys by asking the notary before every use, so that a destroyed one is gone here as well.

    Args:
        notary: Has the root key.
    """

    def __init__(self, notary: NotaryClient) -> None:
        self._notary = notary
        self.more: Callable[[], Iterable[WrappedKey]] = tuple

    def entries(self) -> tuple[WrappedKey, ...]:
        """See `Keystore.entries`."""
        return self._notary.ask(requests.ListKeys(), tuple[WrappedKey, ...])

    def current(self, scope: KeyScope) -> DataKey:
        """See `Keystore.current`."""
        return self._notary.ask(requests.CurrentKey(scope), DataKey)

    def find(self, key_id: str) -> DataKey:
        """See `Keystore.find`."""
        try:
            return self._notary.ask(requests.FindKey(key_id), DataKey)
        except KeyGoneError as error:
            if error.code != "encryption.key-unknown" or not (elsewhere := tuple(self.more())):
                raise
            self.learn(elsewhere)
            return self._notary.ask(requests.FindKey(key_id), DataKey)

    def learn(self, keys: Iterable[WrappedKey]) -> None:
        """See `Keystore.learn`."""
        incoming, own = tuple(keys), self.entries()
        if incoming and merged(own, incoming) != own:
            self._notary.ask(requests.LearnKeys(incoming), type(None))

    def change(self, change: object) -> NoReturn:
        """Keys are made, rotated and destroyed by the server."""
        raise NotImplementedError("the worker changes no keys")
