"""Changes: asking for them, approving them with a key of one's own, and taking releases back."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.changes import Change, ToSign
from falaj.sdk.http import Transport

_PREFIX = "/api/v1"


class ChangeCalls:
    """The calls about changes.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, open_only: bool = False, environment: str = "", limit: int | None = 50) -> list[Change]:
        """The newest changes first; all of them for a limit of None."""
        query = {"open": open_only, "environment": environment or None}
        return self._transport.list(Change, f"{_PREFIX}/changes", query, limit)

    def show(self, change_id: str) -> Change:
        """One change."""
        return self._change("GET", _path(change_id))

    def request(
        self,
        release: str,
        environment: str,
        kind: str = "normal",
        reason: str = "",
        opens_at: float | None = None,
        *,
        challenge: bool = False,
    ) -> Change:
        """Ask for a release in an environment; not before `opens_at` (unix seconds).

        With `challenge` it gets copies of the requests there, for comparison, and answers nobody.
        """
        payload = {"release": release, "environment": environment, "kind": kind, "reason": reason, "opens_at": opens_at}
        return self._change("POST", "/changes", {**payload, **({"challenge": True} if challenge else {})})

    def to_sign(self, change_id: str) -> ToSign:
        """What one would sign to approve a change."""
        return api.decode(ToSign, self._transport.json("GET", f"{_PREFIX}{_path(change_id)}/approval"))

    def approve(self, change_id: str, to_sign: ToSign, key: Path, prove: Callable[[str], None] | None = None) -> Change:
        """Sign an approval and send it; the key never leaves this machine.

        Args:
            change_id: The change.
            to_sign: As `to_sign` gave it and the person saw it.
            key: PEM file of the person's approval key.
            prove: Called with the SHA-256 in hex of the signed statement, for a security key to be touched for it.
        """
        from falaj.supply_chain.attestations.approval import sign_approval
        from falaj.supply_chain.attestations.keys import load_or_create_key

        envelope = sign_approval(to_sign.approval, load_or_create_key(key))
        if prove is not None:
            prove(hashlib.sha256(base64.b64decode(envelope["payload"])).hexdigest())
        return self._change("POST", f"{_path(change_id)}/approve", {"envelope": envelope})

    def reject(self, change_id: str, reason: str) -> Change:
        """Refuse a change for good."""
        return self._change("POST", f"{_path(change_id)}/reject", {"reason": reason})

    def cancel(self, change_id: str, reason: str) -> Change:
        """Withdraw a change."""
        return self._change("POST", f"{_path(change_id)}/cancel", {"reason": reason})

    def review(self, change_id: str, findings: str) -> Change:
        """Review an emergency change that was carried out."""
        return self._change("POST", f"{_path(change_id)}/review", {"reason": findings})

    def roll_back(self, environment: str, model: str, reason: str) -> Change:
        """Bring back what an endpoint served before."""
        payload = {"environment": environment, "model": model, "reason": reason}
        return self._change("POST", "/rollbacks", payload)

    def end(self, event: str, release: str, reason: str) -> api.Release:
        """`archive`, `restore`, `retire` or `revoke` a release."""
        path = f"{_PREFIX}/releases/{quote(release, safe='@')}/{event}"
        return api.decode(api.Release, self._transport.json("POST", path, {"reason": reason}))

    def _change(self, method: str, path: str, body: dict[str, Any] | None = None) -> Change:
        return api.decode(Change, self._transport.json(method, f"{_PREFIX}{path}", body))


def _path(change_id: str) -> str:
    return f"/changes/{quote(change_id, safe='')}"
