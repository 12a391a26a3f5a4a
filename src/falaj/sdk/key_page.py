"""Security keys in a browser of this machine: the server's page asks for the key, and brings its answer back here."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Literal

from falaj.sdk.loopback import WAIT_S, BrowserLoginError, RedirectListener


class KeyCeremony:
    """One use of a security key: the address for the browser, and the listener that it comes back to.

    Use it in a `with` block. The options are behind the `#` of the address, which browsers send to nobody.

    Args:
        page: Address of the server's page.
        action: `create` to register a key, `get` to touch one.
        options: What the server wants of the key.
        statement: SHA-256 in hex of what the key is touched for; people compare it.
    """

    def __init__(
        self, page: str, action: Literal["create", "get"], options: Mapping[str, Any], statement: str = ""
    ) -> None:
        self._comeback = RedirectListener()
        payload = {
            "action": action, "options": dict(options), "statement": statement, "return_to": self._comeback.address,
        }  # fmt: skip
        self.address = f"{page}#{base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b'=').decode()}"

    def __enter__(self) -> KeyCeremony:
        return self

    def __exit__(self, *_: object) -> None:
        self._comeback.close()

    def answer(self, wait_s: float = WAIT_S) -> dict[str, Any]:
        """Wait for the browser; return what the key answered.

        Raises:
            BrowserLoginError: It did not come, or brought something else.
        """
        text = self._comeback.wait(wait_s).get("answer", "")
        try:
            document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise BrowserLoginError("the browser brought no answer of a security key", hint="begin again")
        return document
