"""The S3 back end, through obstore: whole-object writes are atomic, large ones go up in parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterable, Iterator
from typing import Any, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError

from falaj.supply_chain.artifacts.backend import CHUNK, Stored, write_all
from falaj.supply_chain.artifacts.errors import disk_errors
from falaj.supply_chain.artifacts.s3_address import open_bucket, parse_address, s3_errors
from falaj.supply_chain.artifacts.s3_shards import (
    CLOSED_S,
    changed_at,
    closed,
    list_all,
    renew,
    renewal,
    shard_of,
    wait_until_open,
)

WHOLE = 4 << 20
"""Bytes up to which an object is sent in one request, from memory."""

_PART = 5 << 20  # the least that S3 takes
_MAX_PARTS = 9_000  # S3 takes 10,000
_BULK = 1_000  # keys in one delete request


def connect(url: str) -> S3Backend:
    """Back end for `s3://bucket/prefix?endpoint=...&region=...`; see `parse_address`."""
    address = parse_address(url)
    return S3Backend(open_bucket(address), address.url)


class S3Backend:
    """Objects in a bucket.

    Args:
        bucket: The obstore client.
        url: Names the place, for messages.
        closed_s: See `s3_shards.CLOSED_S`.
    """

    workers = 8  # requests wait for the network, not for the processor

    def __init__(self, bucket: Any, url: str, closed_s: float = CLOSED_S) -> None:
        self.url = url
        self._bucket = bucket
        self._closed_s = closed_s
        self._large = threading.BoundedSemaphore(2)  # each upload in parts holds some 20 MB

    def size(self, key: str) -> int | None:
        """See `Backend.size`."""
        try:
            with s3_errors(self.url):
                return int(obstore.head(self._bucket, key)["size"])
        except FileNotFoundError:
            return None

    def read(self, key: str) -> Iterator[bytes]:
        """See `Backend.read`."""
        with s3_errors(self.url):
            for chunk in obstore.get(self._bucket, key).stream(CHUNK):
                yield bytes(chunk)

    def copy_to(self, key: str, file: BinaryIO) -> None:
        """See `Backend.copy_to`."""
        for chunk in self.read(key):
            with disk_errors(file.name):
                write_all(file, chunk)

    def write(self, key: str, chunks: Iterable[bytes], size: int) -> None:
        """See `Backend.write`; an error from `chunks` aborts the upload, and S3 never shows a part of an object."""
        with s3_errors(self.url):
            if size <= WHOLE:
                obstore.put(self._bucket, key, b"".join(chunks), use_multipart=False)
                return
            part = max(_PART, -(-size // _MAX_PARTS))
            with self._large:
                obstore.put(self._bucket, key, iter(chunks), chunk_size=part, max_concurrency=2)

    def create(self, key: str, data: bytes) -> bool:
        """See `Backend.create`: the bucket decides (`If-None-Match`)."""
        with s3_errors(self.url):
            try:
                obstore.put(self._bucket, key, data, use_multipart=False, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def renew(self, key: str) -> int | None:
        """See `Backend.renew`."""
        size = self.size(key)
        with s3_errors(self.url):
            if size is None:
                wait_until_open(self._bucket, shard_of(key), self._closed_s)
                return None
            renew(self._bucket, key, self._closed_s)
        return self.size(key)

    def entries(self, prefix: str) -> Iterator[Stored]:
        """See `Backend.entries`."""
        with s3_errors(self.url):
            for item in list_all(self._bucket, prefix):
                yield Stored(item["path"], item["size"])

    def delete(self, key: str) -> None:
        """See `Backend.delete`."""
        with s3_errors(self.url):
            obstore.delete(self._bucket, [key])

    def remove_stale(self, folder: str, keep: Container[str], cutoff: float) -> Iterator[Stored]:
        """See `Backend.remove_stale`; `cutoff` is compared with the server's clock."""
        with s3_errors(self.url):
            for shard in self._shards_with_stale(folder, keep, cutoff):
                with closed(self._bucket, shard, self._closed_s) as deadline:
                    removed = list(self._remove_from_shard(shard, keep, cutoff, deadline))
                yield from removed

    def remove_leftovers(self, cutoff: float) -> None:
        """Nothing to do: an upload in parts that was cut off is the bucket's lifecycle rule to remove."""

    def _shards_with_stale(self, folder: str, keep: Container[str], cutoff: float) -> list[str]:
        objects = (i["path"] for i in list_all(self._bucket, folder) if changed_at(i) <= cutoff)
        markers = (i["path"] for i in list_all(self._bucket, renewal(folder)) if changed_at(i) <= cutoff)
        shards = {shard_of(key) for key in objects if key not in keep}
        return sorted(shards | {shard_of(key.removeprefix(renewal(""))) for key in markers})

    def _remove_from_shard(self, shard: str, keep: Container[str], cutoff: float, deadline: float) -> Iterator[Stored]:
        markers = {i["path"]: changed_at(i) for i in list_all(self._bucket, renewal(shard))}
        stale = [
            Stored(item["path"], item["size"])
            for item in list_all(self._bucket, shard)
            if item["path"] not in keep and max(changed_at(item), markers.get(renewal(item["path"]), 0.0)) <= cutoff
        ]
        for start in range(0, len(stale), _BULK):
            if time.monotonic() > deadline:
                return  # the next collection goes on from here
            batch = stale[start : start + _BULK]
            obstore.delete(self._bucket, [stored.key for stored in batch])
            yield from batch
        old = [path for path, at in markers.items() if at <= cutoff]
        if old and time.monotonic() <= deadline:
            obstore.delete(self._bucket, old)
