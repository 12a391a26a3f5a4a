"""How writers and garbage collection keep out of each other's way in S3, which has neither locks nor `touch`.

Small marker objects do both. A writer that relies on an object that exists already writes `renewed/<key>`, whose age
then counts in place of the object's own. A collection that removes from a shard first writes `closed/<shard>/<name>`,
and only then reads ages. A writer looks for that marker after it wrote its own: if it sees none, the collection
started later and will see the renewal; if it sees one, it waits and renews again. One of the two always sees the
other, because S3 is consistent after every write (Dekker's argument for mutual exclusion).

A collection gives a shard up after half of `CLOSED_S`, and a writer takes a marker that stays longer than `CLOSED_S`
as left behind by a crash, so neither waits for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import obstore

CLOSED_S = 60.0
"""Seconds after which the marker of a closed shard counts as abandoned; more than any request is retried for."""

POLL_S = 0.1


def renewal(key: str) -> str:
    """Key of the marker that renews an object."""
    return f"renewed/{key}"


def shard_of(key: str) -> str:
    """Shard of an object: `blobs/ab` for `blobs/ab/cdef...`."""
    return key.rpartition("/")[0]


def changed_at(item: Any) -> float:
    """Unix seconds of an object's last change, never too early: S3 cuts off fractions of a second."""
    moment: datetime = item["last_modified"]
    return moment.timestamp() + 1.0


def renew(bucket: Any, key: str, closed_s: float = CLOSED_S) -> None:
    """Make an object count as modified now, for every collection that has not closed its shard yet."""
    while True:
        obstore.put(bucket, renewal(key), b"")
        if not wait_until_open(bucket, shard_of(key), closed_s):
            return


def wait_until_open(bucket: Any, shard: str, closed_s: float = CLOSED_S) -> bool:
    """Wait while a collection removes objects from a shard.

    Args:
        bucket: The obstore client.
        shard: Such as `blobs/ab`.
        closed_s: Seconds after which a marker is taken as abandoned, and removed.

    Returns:
        Whether there was anything to wait for.
    """
    first_seen: dict[str, float] = {}
    while markers := [item["path"] for item in list_all(bucket, f"closed/{shard}")]:
        now = time.monotonic()
        for path in markers:
            if now - first_seen.setdefault(path, now) > closed_s:
                obstore.delete(bucket, [path])
        time.sleep(POLL_S)
    return bool(first_seen)


@contextmanager
def closed(bucket: Any, shard: str, closed_s: float = CLOSED_S) -> Iterator[float]:
    """Keep writers from relying on a shard's objects.

    Yields:
        The time by `time.monotonic` after which nothing may be removed any more.
    """
    marker = f"closed/{shard}/{os.urandom(8).hex()}"
    deadline = time.monotonic() + closed_s / 2
    obstore.put(bucket, marker, b"")
    try:
        yield deadline
    finally:
        obstore.delete(bucket, [marker])


def list_all(bucket: Any, prefix: str) -> Iterator[Any]:
    """Metadata of every object below a folder, in pages of a thousand."""
    for page in obstore.list(bucket, prefix, chunk_size=1000):
        yield from page
