"""An image on disk: the image layout of OCI, as a folder or as one tar file.

Source: OCI image layout 1.0 (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import msgspec

from falaj.build.images.documents import INDEX, LAYER, Descriptor, Document, Index, decode, encode
from falaj.build.images.errors import ImageError
from falaj.build.images.layers import Member, members_below, write_layer
from falaj.supply_chain.artifacts import parse_digest
from falaj.supply_chain.artifacts.digest import digest_of

REF_NAME = "org.opencontainers.image.ref.name"
_VERSION = b'{"imageLayoutVersion":"1.0.0"}'


class ImageLayout:
    """Blobs by their digests, and an index that names images among them.

    Args:
        folder: Where they lie; made when the first blob is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, data: bytes, media_type: str) -> Descriptor:
        """Keep some bytes."""
        path = self._prepared(digest := digest_of(data))
        path.write_bytes(data)
        return Descriptor(media_type, digest, len(data))

    def add_document(self, document: msgspec.Struct, media_type: str) -> Descriptor:
        """Keep a document in its one spelling."""
        return self.add(encode(document), media_type)

    def add_layer(self, members: Iterable[Member]) -> Descriptor:
        """Keep a layer; its digest is also that of its uncompressed bytes, for it is not compressed."""
        blobs = self._prepared(digest_of(b"")).parent
        with TemporaryDirectory(dir=blobs.parent, prefix=".layer-") as folder:
            with (new := Path(folder) / "layer").open("wb") as file:
                digest, size = write_layer(members, file)
            new.replace(self.path(digest))
        return Descriptor(LAYER, digest, size)

    def name(self, image: Descriptor, name: str) -> None:
        """Make an image the one that the index names."""
        (self.folder / "oci-layout").write_bytes(_VERSION)
        entry = msgspec.structs.replace(image, annotations={REF_NAME: name})
        (self.folder / "index.json").write_bytes(encode(Index(2, INDEX, [entry])))

    @property
    def images(self) -> list[Descriptor]:
        """What the index names.

        Raises:
            ImageError: The folder is not an image layout.
        """
        try:
            data = (self.folder / "index.json").read_bytes()
        except OSError as error:
            raise ImageError(f"this is not an image layout: {error.strerror}", where=str(self.folder)) from error
        return decode(data, Index, where=str(self.folder / "index.json")).manifests

    def read(self, descriptor: Descriptor, kind: type[Document]) -> Document:
        """Read a document.

        Raises:
            ImageError: Its bytes are not those of its digest.
        """
        return decode(self.bytes_of(descriptor), kind, where=descriptor.digest)

    def bytes_of(self, descriptor: Descriptor) -> bytes:
        """Bytes of a small blob, checked."""
        with self.open(descriptor) as file:
            data = file.read()
        if digest_of(data) != descriptor.digest:
            raise ImageError("the bytes of a blob do not have its digest", where=descriptor.digest)
        return data

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Open a blob.

        Raises:
            ImageError: It is not there.
        """
        try:
            return self.path(descriptor.digest).open("rb")
        except OSError as error:
            raise ImageError(
                f"a blob of the image cannot be read: {error.strerror}", where=descriptor.digest
            ) from error

    def path(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.folder / "blobs" / "sha256" / parse_digest(digest).removeprefix("sha256:")

    def _prepared(self, digest: str) -> Path:
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def write_archive(layout: ImageLayout, target: Path) -> None:
    """Write a layout as one tar file, which is complete or not there."""
    temporary = target.with_name(f".{target.name}.new")
    try:
        with temporary.open("wb") as file:
            members = (replace(each, path=each.path.removeprefix("./")) for each in members_below(layout.folder, "."))
            write_layer(members, file)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
