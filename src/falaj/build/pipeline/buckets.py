"""Data sources in S3: the objects below a prefix become one snapshot."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.errors import SourceError
from falaj.build.pipeline.sources import SourceChangedError, SourceSnapshot, pinned, unchanged
from falaj.config.connections import BucketAddress
from falaj.config.spec import SourceSpec
from falaj.core.errors import MissingExtraError

if TYPE_CHECKING:
    from falaj.supply_chain.artifacts import ArtifactStore


def snapshot(
    source: SourceSpec, connection: OpenConnection | None, worktree: Path, store: ArtifactStore
) -> SourceSnapshot:
    """Pin the objects of `s3://bucket/prefix?region=...`, or of `s3://CONNECTION/prefix`.

    Without a connection, endpoint and credentials come from `AWS_*` variables. Objects whose ETag and size are those of
    an earlier reading are not read again.

    Args:
        source: The prefix may name one object or a folder of them.
        connection: Says which bucket is meant, and how it is asked; None where the source names a bucket.
        worktree: Not needed.
        store: Where the snapshot goes.

    Raises:
        SourceError: The bucket cannot be reached, or there is nothing below the prefix.
        MissingExtraError: The extra `s3` is not installed.
    """
    del worktree
    address = urlsplit(source.source)
    try:
        bucket = _bucket(source, connection)
        return unchanged(source, lambda: _pinned(source, bucket, address.path, store))
    except (SourceError, MissingExtraError):
        raise
    except OSError:
        raise
    except Exception as error:  # obstore's errors have no base of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        place = f"connection `{connection.spec.name}`" if connection else "address and the AWS_* variables"
        raise SourceError(
            f"data source `{source.name}`: {reason}", where=source.source, hint=f"check the {place}"
        ) from error


def _pinned(source: SourceSpec, bucket: Any, path: str, store: ArtifactStore) -> SourceSnapshot:
    prefix, objects = _listed(bucket, path)
    if not objects:
        raise SourceError(f"data source `{source.name}`: there is nothing below `{prefix}`", where=source.source)
    return pinned(store, source.source, _state(objects), lambda: _read(source, bucket, prefix, objects, store))


def state_of(source: SourceSpec, connection: OpenConnection | None) -> str:
    """A text that changes whenever objects below a prefix do; only their list is asked for.

    Raises:
        MissingExtraError: The extra `s3` is not installed.
        Exception: What the bucket's client raises when it cannot be reached.
    """
    return _state(_listed(_bucket(source, connection), urlsplit(source.source).path)[1])


def _listed(bucket: Any, path: str) -> tuple[str, list[Mapping[str, Any]]]:
    """The prefix that a URL names, as it is written or percent-encoded, and the objects below it."""
    prefix, decoded = path.strip("/"), unquote(path).strip("/")
    objects = _objects(bucket, prefix)
    return (decoded, _objects(bucket, decoded)) if not objects and decoded != prefix else (prefix, objects)


def _state(objects: list[Mapping[str, Any]]) -> str:
    return "\n".join(f"{each['path']} {each['e_tag']} {each['size']}" for each in objects)


def _bucket(source: SourceSpec, connection: OpenConnection | None) -> Any:
    try:
        from obstore.store import S3Store
    except ImportError:
        raise MissingExtraError("s3", "reading s3:// data sources") from None
    address = _address(source, connection)
    plain = {"endpoint": address.endpoint, "virtual_hosted_style_request": False} if address.endpoint else {}
    client = {"allow_http": True} if address.endpoint.startswith("http://") else {}
    retry = {"max_retries": 2}
    return S3Store(
        address.bucket, region=address.region, client_options=client, retry_config=retry, **plain, **_keys(connection)
    )


def _address(source: SourceSpec, connection: OpenConnection | None) -> BucketAddress:
    """Where the bucket is asked for; a source that names it itself says its region at most: credentials go there."""
    if connection is not None and connection.spec.bucket is not None:
        return connection.spec.bucket
    address = urlsplit(source.source)
    region = dict(parse_qsl(address.query)).get("region") or os.environ.get("AWS_REGION", "us-east-1")
    return BucketAddress(address.netloc, region, os.environ.get("AWS_ENDPOINT_URL", ""))


def _keys(connection: OpenConnection | None) -> dict[str, str]:
    if connection is None or not connection.secrets:
        return {}
    return {"access_key_id": connection.secrets["key"], "secret_access_key": connection.secrets["secret"]}


def _objects(bucket: Any, prefix: str) -> list[Mapping[str, Any]]:
    import obstore

    bucket_objects = [each for page in obstore.list(bucket, prefix=prefix or None) for each in page]
    below = [
        each for each in bucket_objects if not prefix or each["path"] == prefix or each["path"].startswith(f"{prefix}/")
    ]
    if not below and prefix:  # listing works by folders: one object is asked for by its name
        try:
            below = [obstore.head(bucket, prefix)]
        except FileNotFoundError:
            return []
    return sorted(below, key=lambda each: str(each["path"]))


def _read(
    source: SourceSpec, bucket: Any, prefix: str, objects: list[Mapping[str, Any]], store: ArtifactStore
) -> SourceSnapshot:
    """Download into a scratch folder and put; the store keeps only what it does not hold."""
    name = PurePosixPath(prefix or "data").name
    with tempfile.TemporaryDirectory(prefix="falaj-source-") as scratch:
        for each in objects:
            below = PurePosixPath(each["path"]).relative_to(prefix or ".")
            _download(bucket, str(each["path"]), Path(scratch, name, below), each["e_tag"])
        single = Path(scratch, name).is_file()
        digest = store.put(Path(scratch, name)).digest
    return SourceSnapshot(digest, source.source, name, "file" if single else "folder")


def _download(bucket: Any, key: str, target: Path, e_tag: str | None) -> None:
    """Write an object as it was listed, or none: its tag goes with the request.

    Raises:
        SourceChangedError: Another one is there now, or none.
    """
    import obstore
    from obstore.exceptions import PreconditionError

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        listed = obstore.get(bucket, key, options={"if_match": e_tag} if e_tag else None)
    except (PreconditionError, FileNotFoundError) as error:
        raise SourceChangedError(key) from error
    with target.open("wb") as file:
        for chunk in listed:
            file.write(chunk)
