"""What was found out about a change when it was requested and carried out, read once."""

from __future__ import annotations

import msgspec

from falaj.storage.change_tables import ChangeRow


class ChangeRecord(msgspec.Struct, frozen=True):
    """The document of a change.

    Attributes:
        quorum: How many people must approve it.
        risk: How the risk was judged; empty where nobody did.
        deployments: Ids of its deployments, in the order of its locations.
        ended_because: Why it ended; empty before.
        waits_for: Id of the change that brings the release to the environment below; empty when none was waited for.
    """

    quorum: int
    risk: str = ""
    deployments: tuple[str, ...] = ()
    ended_because: str = ""
    waits_for: str = ""


def record_of(row: ChangeRow) -> ChangeRecord:
    """The record of a change."""
    return msgspec.convert(row.data, ChangeRecord)
