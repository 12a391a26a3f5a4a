"""What can be wrong with images and registries."""

from __future__ import annotations

from falaj.core.errors import ConflictError, IntegrityError, UnavailableError


class ImageError(IntegrityError):
    """An image is not what its digest, its documents or its evidence say."""

    code = "image.malformed"


class RegistryError(UnavailableError):
    """A registry did not answer, or not as the distribution specification says."""

    code = "registry.unavailable"


class TagExistsError(ConflictError):
    """A tag names another image already."""

    code = "registry.tag-exists"
