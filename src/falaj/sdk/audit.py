"""The audit log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from falaj.schemas import api
from falaj.schemas.audit import AuditEntry, AuditEntryProof, Erased, LogCheckpoint, LogConsistency
from falaj.sdk.http import Transport

_PREFIX = "/api/v1/audit"
FILES = ("leaves", "details", "checkpoints")


class AuditCalls:
    """The calls about the audit log.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def entries(
        self, kind: str = "", subject: str = "", actor: str = "", since: float = 0.0, limit: int | None = 50
    ) -> list[AuditEntry]:
        """The newest entries first; all of them for a limit of None.

        Args:
            kind: What they begin with, such as `change.`.
            subject: What they are about, such as `release/flight-delay@3`.
            actor: Principal id of who did it.
            since: Not before, unix seconds.
            limit: How many at most.
        """
        names = {"kind": kind or None, "subject": subject or None, "actor": actor or None, "since": since or None}
        return self._transport.list(AuditEntry, f"{_PREFIX}/entries", names, limit)

    def checkpoint(self) -> LogCheckpoint:
        """A signed checkpoint of the log as it is now."""
        return api.decode(LogCheckpoint, self._transport.json("POST", f"{_PREFIX}/checkpoint"))

    def consistency(self, first: int, second: int) -> list[str]:
        """The proof, in hex, that the log of `second` entries continues the one of `first`."""
        sizes = {"first": first, "second": second}
        response = self._transport.json("GET", f"{_PREFIX}/consistency", query=sizes)
        return api.decode(LogConsistency, response).proof

    def proof(self, index: int, size: int) -> AuditEntryProof:
        """An entry, and the proof that it stands in the log of `size` entries."""
        return api.decode(
            AuditEntryProof, self._transport.json("GET", f"{_PREFIX}/entries/{index}", query={"size": size})
        )

    def erase(self, reason: str, entries: Sequence[int] = (), person: str = "") -> Erased:
        """Erase the details of entries, and who a person is; what the log proves stays."""
        payload = {"reason": reason, "entries": list(entries), "person": person}
        return api.decode(Erased, self._transport.json("POST", f"{_PREFIX}/erase", body=payload))

    def export(self, folder: Path) -> int:
        """Write the whole log into a folder that is made for it; return the number of entries."""
        folder.mkdir(parents=True)
        count = 0
        with ExitStack() as stack:
            files = {name: stack.enter_context((folder / f"{name}.jsonl").open("w")) for name in FILES}
            for line in self._transport.lines(f"{_PREFIX}/export"):
                entry = json.loads(line)
                value = entry["line"]
                files[entry["file"]].write((value if entry["file"] == "leaves" else json.dumps(value)) + "\n")
                count += entry["file"] == "leaves"
        return count
