"""An image in a registry, verified: its bytes, the evidence inside, its signature.

The model and the evidence may each be in one layer alone, so that no other layer can lie over what was checked.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from falaj.build.images.content import EVIDENCE_FOLDER, MODEL_FOLDER
from falaj.build.images.documents import Descriptor, Manifest, decode
from falaj.build.images.errors import ImageError
from falaj.build.images.referrers import ENVELOPE, attached
from falaj.build.images.registry import Registry
from falaj.build.images.signature import is_signed
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts.digest import digest_of
from falaj.supply_chain.attestations.rules import EvidenceProblem

_CHECKED = (MODEL_FOLDER, EVIDENCE_FOLDER)


@dataclass(frozen=True)
class ImageVerification:
    """What came out.

    Attributes:
        digest: Of the image.
        release: What the evidence was checked for.
        signed: Whether the key signed the image; None where no key was given.
        attached: Envelopes that refer to the image.
    """

    digest: str
    release: attestations.Verification
    signed: bool | None
    attached: int

    @property
    def problems(self) -> tuple[EvidenceProblem, ...]:
        """Everything that is wrong."""
        unsigned = EvidenceProblem("image.unsigned", self.digest, "the key did not sign this image")
        return (*self.release.problems, *((unsigned,) if self.signed is False else ()))


def verify_image(
    registry: Registry, keys: Mapping[str, attestations.TrustedKey], key: EllipticCurvePublicKey | None
) -> ImageVerification:
    """Verify the image that a registry's reference names.

    Args:
        registry: With a tag or a digest in its reference.
        keys: Whom to believe of releases.
        key: Signs images; None for no look at the signature.

    Raises:
        ImageError: It is not an image of a release.
        NotFoundError: There is no such image.
    """
    name = registry.reference.digest or registry.reference.tag or "latest"
    data, _ = registry.manifest(name)
    digest = digest_of(data)
    manifest = decode(data, Manifest, where=digest)
    with TemporaryDirectory() as folder:
        for layer in manifest.layers:
            with registry.open(layer) as stream, _uncompressed(stream, layer) as content:
                _Rootfs(Path(folder)).add(content, layer)
        _require_release(Path(folder), digest)
        checked = attestations.verify_release(Path(folder) / EVIDENCE_FOLDER, keys, Path(folder) / MODEL_FOLDER)
    signed = is_signed(registry, digest, key) if key else None
    envelopes = [each for each in attached(registry, digest) if each.artifact_type == ENVELOPE]
    return ImageVerification(digest, checked, signed, len(envelopes))


def _require_release(folder: Path, digest: str) -> None:
    if not (folder / EVIDENCE_FOLDER).is_dir():
        raise ImageError(f"the image has no /{EVIDENCE_FOLDER}: it is not an image of a release", where=digest)


@contextmanager
def _uncompressed(stream: BinaryIO, layer: Descriptor) -> Iterator[BinaryIO]:
    if layer.media_type.endswith(("+gzip", ".gzip")):
        with gzip.GzipFile(fileobj=stream) as content:
            yield cast("BinaryIO", content)
    elif layer.media_type.endswith("tar"):
        yield stream
    else:
        raise ImageError(f"a layer of the type {layer.media_type!r} cannot be read", where=layer.digest)


@dataclass(frozen=True)
class _Rootfs:
    """What is checked of an image, as it would lie in a container.

    Args:
        folder: Where it is taken to.
    """

    folder: Path

    def add(self, content: BinaryIO, layer: Descriptor) -> None:
        """Take out what is checked; the other files are looked at by their names alone."""
        below = {name for name in _CHECKED if (self.folder / name).exists()}
        try:
            with tarfile.open(fileobj=content, mode="r|") as archive:
                for member in archive:
                    path = _path(member, layer)
                    if path.parts and path.parts[0] in below:
                        raise ImageError(f"two layers hold /{path.parts[0]}", where=layer.digest)
                    if path.parts and path.parts[0] in _CHECKED:
                        self._take(archive, member, path, layer)
        except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
            raise ImageError(f"a layer is not a tar file: {error}", where=layer.digest) from error

    def _take(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: PurePosixPath, layer: Descriptor) -> None:
        target = self.folder / path
        source = archive.extractfile(member) if member.isreg() else None
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        elif source is None or target.exists() or path.name.startswith(".wh."):
            raise ImageError(f"a layer holds what is not a file: {str(path)[:200]!r}", where=layer.digest)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(source, file)
            target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _path(member: tarfile.TarInfo, layer: Descriptor) -> PurePosixPath:
    """The path in the image, as a container sees it; a whiteout of what is checked is refused by its name."""
    path = PurePosixPath("/", member.name).relative_to("/")
    if ".." in path.parts:
        raise ImageError(f"a layer has a path that leads out: {member.name[:200]!r}", where=layer.digest)
    if str(path) in (".wh..wh..opq", *(f".wh.{name}" for name in _CHECKED)):
        raise ImageError("a layer hides what is checked", where=layer.digest)
    return path
