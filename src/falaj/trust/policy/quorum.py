"""How many different people approved.

A person with two keys is one, and two names with one key are one: names and keys that occur together, directly or
through others, count as one holder. That is never more than the number of names or of keys.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class VerifiedApproval:
    """An approval whose signature was verified.

    Args:
        person: Principal id of who gave it.
        key: Id of the public key that it is signed with.
    """

    person: str
    key: str


def count_holders(signatures: Iterable[VerifiedApproval], excluded: Collection[str] = ()) -> int:
    """The number of different holders among verified approvals.

    Args:
        signatures: The approvals, in any order; repeated ones count once.
        excluded: Principal ids that do not count: requester and authors. Whoever shares a key with one of them does not
            count either.
    """
    holders: list[set[str]] = []
    for signature in signatures:
        joined = {f"person {signature.person}", f"key {signature.key}"}
        apart = [holder for holder in holders if holder.isdisjoint(joined)]
        together = [holder for holder in holders if not holder.isdisjoint(joined)]
        holders = [*apart, joined.union(*together)]
    barred = {f"person {person}" for person in excluded}
    return sum(holder.isdisjoint(barred) for holder in holders)
