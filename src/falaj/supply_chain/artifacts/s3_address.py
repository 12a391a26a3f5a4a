"""Addresses of S3 stores, and S3's errors in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts.errors import StoreUnavailableError

RETRY_S = 20
"""Seconds for which a failed request is tried again."""

_CLIENT = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "1day"}  # large objects take their time


@dataclass(frozen=True)
class S3Address:
    """Where an S3 store lies.

    Attributes:
        bucket: Its bucket.
        prefix: Folder in the bucket; empty for the whole bucket.
        endpoint: `http(s)://host:port` of an S3 server; empty for AWS.
        region: Region name.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str

    @property
    def url(self) -> str:
        """Short form for messages."""
        place = f"s3://{self.bucket}/{self.prefix}".rstrip("/")
        return f"{place} at {self.endpoint}" if self.endpoint else place


def parse_address(url: str) -> S3Address:
    """Read `s3://bucket/prefix?endpoint=...&region=...`.

    Raises:
        UsageError: `artifact.bad-url`.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    address = S3Address(
        parts.netloc,
        unquote(parts.path).strip("/"),
        query.pop("endpoint", ""),
        query.pop("region", "us-east-1"),
    )
    if len(address.bucket) < 3 or query or not _is_endpoint(address.endpoint):
        raise UsageError(
            f"{url!r} is not the address of an S3 store",
            hint="use s3://bucket/prefix?endpoint=http://host:port&region=name; a bucket's name has 3 characters "
            "or more, endpoint and region may be left out",
            code="artifact.bad-url",
        )
    return address


def open_bucket(address: S3Address) -> Any:
    """An obstore client for the bucket; nothing is sent yet."""
    options: dict[str, Any] = {"endpoint": address.endpoint} if address.endpoint else {}
    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        region=address.region,
        client_options={**_CLIENT, "allow_http": address.endpoint.startswith("http://")},
        retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_S)},
        **options,
    )


@contextmanager
def s3_errors(url: str) -> Iterator[None]:
    """Turn the client's errors into ours; `FileNotFoundError` passes when an object, not the bucket, is missing.

    Args:
        url: The store, for the message.
    """
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        text = str(error).partition("\n\nDebug source")[0]
        if "NoSuchBucket" in text:
            raise StoreUnavailableError(
                "the bucket does not exist", where=url, hint="create the bucket, or correct the store's address"
            ) from error
        if isinstance(error, FileNotFoundError):
            raise
        raise _unavailable(text, url) from error


def _unavailable(text: str, url: str) -> StoreUnavailableError:
    if any(word in text for word in ("403 Forbidden", "401 Unauthorized", "credential")):
        return StoreUnavailableError(
            "the store refuses the credentials",
            where=url,
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of a user who may read, write and list it",
        )
    if any(word in text for word in ("507 Insufficient", "XMinioStorageFull")):
        return StoreUnavailableError("the store is full", where=url, hint="free some space, or run `falaj platform gc`")
    return StoreUnavailableError(
        f"the store does not answer: {text[:300]}", where=url, hint="check that it runs and that its address is right"
    )


def _is_endpoint(endpoint: str) -> bool:
    return not endpoint or (endpoint.startswith(("http://", "https://")) and bool(urlsplit(endpoint).netloc))
