"""Releases as OCI images: written without a daemon from verified bytes, pushed, signed for other tools, and verified.

The same release gives the same digest everywhere: layers are uncompressed tar with sorted names, time 0 and one owner,
and hold only what never changes after a release was made. What is decided later (approvals, admissions) is attached to
the image in a registry, each envelope of its own.
"""

from falaj.build.images.base import BaseImage, read_base
from falaj.build.images.cluster_manifests import ClusterSettings, knative, kserve, require_image_of
from falaj.build.images.content import ReleaseContent
from falaj.build.images.documents import Descriptor
from falaj.build.images.errors import ImageError, RegistryError, TagExistsError
from falaj.build.images.image import Serving, build_image
from falaj.build.images.layout import ImageLayout, write_archive
from falaj.build.images.push import PushedImage, push_image
from falaj.build.images.reference import Reference, parse_reference
from falaj.build.images.registry import Registry, open_registry
from falaj.build.images.serving import ServingEnvironment
from falaj.build.images.signature import ImageKey, read_key, read_public_key
from falaj.build.images.verification import ImageVerification, verify_image

__all__ = [
    "BaseImage",
    "ClusterSettings",
    "Descriptor",
    "ImageError",
    "ImageKey",
    "ImageLayout",
    "ImageVerification",
    "PushedImage",
    "Reference",
    "Registry",
    "RegistryError",
    "ReleaseContent",
    "Serving",
    "ServingEnvironment",
    "TagExistsError",
    "build_image",
    "knative",
    "kserve",
    "open_registry",
    "parse_reference",
    "push_image",
    "read_base",
    "read_key",
    "read_public_key",
    "require_image_of",
    "verify_image",
    "write_archive",
]
