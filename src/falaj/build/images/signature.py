"""The signature of an image as cosign reads it: a small document about a digest, under the tag `sha256-HEX.sig`.

It is given for other tools. What Falaj itself believes of a release is the evidence inside.

Source: https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from falaj.build.images.documents import (
    CONFIG,
    MANIFEST,
    Config,
    Descriptor,
    Manifest,
    RootFs,
    decode,
    encode,
)
from falaj.build.images.errors import ImageError
from falaj.build.images.layers import member_of
from falaj.build.images.registry import Registry
from falaj.core.errors import NotFoundError, UsageError
from falaj.supply_chain.artifacts.digest import digest_of
from falaj.supply_chain.attestations.canonical import canonical

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
_TYPE = "cosign container image signature"


@dataclass(frozen=True)
class ImageKey:
    """A key that signs for other tools.

    Attributes:
        public: Its public half.
        sign: Gives an ECDSA signature over P-256 with SHA-256, in DER.
    """

    public: ec.EllipticCurvePublicKey
    sign: Callable[[bytes], bytes]


class _Digest(msgspec.Struct, frozen=True):
    digest: str = msgspec.field(name="docker-manifest-digest")


class _Critical(msgspec.Struct, frozen=True):
    image: _Digest
    type: str


class _Payload(msgspec.Struct, frozen=True):
    critical: _Critical


def signature_tag(digest: str) -> str:
    """Where the signature of an image is."""
    return f"{digest.replace(':', '-')}.sig"


def payload(repository: str, digest: str) -> bytes:
    """What is signed."""
    image = {"docker-manifest-digest": digest}
    return canonical(
        {
            "critical": {"identity": {"docker-reference": repository}, "image": image, "type": _TYPE},
            "optional": None,
        }
    )  # fmt: skip


def push_signature(registry: Registry, image: Descriptor, key: ImageKey) -> None:
    """Sign an image, beside signatures that are there.

    Args:
        registry: Where it is.
        image: Its manifest.
        key: Signs it, unless it has done so.
    """
    if is_signed(registry, image.digest, key.public):
        return
    data = payload(registry.reference.repository, image.digest)
    layer = Descriptor(
        SIMPLE, digest_of(data), len(data), {ANNOTATION: base64.b64encode(key.sign(data)).decode()}
    )  # fmt: skip
    registry.push_blob(layer, member_of("", data).content)
    layers = [*_signatures(registry, image.digest), layer]
    config = encode(Config("", "", RootFs("layers", [each.digest for each in layers])))
    described = Descriptor(CONFIG, digest_of(config), len(config))
    registry.push_blob(described, member_of("", config).content)
    manifest = encode(Manifest(2, MANIFEST, described, layers))
    registry.push_manifest(manifest, MANIFEST, signature_tag(image.digest))


def is_signed(registry: Registry, digest: str, key: ec.EllipticCurvePublicKey) -> bool:
    """Whether a key signed an image."""
    return any(_is_valid(registry, layer, digest, key) for layer in _signatures(registry, digest))


def read_key(path: Path) -> ImageKey:
    """Read a private key that signs for other tools.

    Raises:
        UsageError: `image.bad-key`.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"this is not a private key in PEM: {error}", where=str(path), code="image.bad-key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError("this private key is not P-256", where=str(path), code="image.bad-key")
    return ImageKey(key.public_key(), lambda data: key.sign(data, ec.ECDSA(hashes.SHA256())))


def read_public_key(path: Path) -> ec.EllipticCurvePublicKey:
    """Read the public half of the key that signs for other tools.

    Raises:
        UsageError: `image.bad-key`.
    """
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"this is not a public key in PEM: {error}", where=str(path), code="image.bad-key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UsageError("this public key is not of an elliptic curve", where=str(path), code="image.bad-key")
    return key


def _signatures(registry: Registry, digest: str) -> list[Descriptor]:
    try:
        data, _ = registry.manifest(signature_tag(digest))
    except NotFoundError:
        return []
    layers = decode(data, Manifest, where=signature_tag(digest)).layers
    return [each for each in layers if each.media_type == SIMPLE and ANNOTATION in each.annotations]


def _is_valid(registry: Registry, layer: Descriptor, digest: str, key: ec.EllipticCurvePublicKey) -> bool:
    data = registry.blob(layer)
    try:
        key.verify(base64.b64decode(layer.annotations[ANNOTATION]), data, ec.ECDSA(hashes.SHA256()))
        critical = decode(data, _Payload, where=layer.digest).critical
    except (InvalidSignature, ValueError, ImageError):
        return False
    return critical.image.digest == digest and critical.type == _TYPE
