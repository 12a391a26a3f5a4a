"""A secret as a store gives it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StoredSecret:
    """A secret of a store.

    Attributes:
        value: The secret; in no message and no `repr`.
        version: Which of its versions, for the evidence.
    """

    value: str = field(repr=False)
    version: str
