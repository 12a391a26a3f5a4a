"""Names of images in registries: `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from falaj.core.errors import UsageError

_REFERENCE = re.compile(
    r"(?:oci://)?"
    r"(?P<host>(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|\[[0-9a-fA-F:]+\]|[a-zA-Z0-9-]+(?=:\d))(?::\d{1,5})?)/"
    r"(?P<path>[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?")


@dataclass(frozen=True)
class Reference:
    """Where an image is.

    Attributes:
        host: The registry, with its port.
        path: The repository there.
        tag: A name that may move; empty without one.
        digest: What is meant; empty where a tag says it.
    """

    host: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def repository(self) -> str:
        """Host and path."""
        return f"{self.host}/{self.path}"

    @property
    def url(self) -> str:
        """Address of the registry; plain HTTP on this machine alone."""
        return f"{'http' if _LOOPBACK.fullmatch(self.host) else 'https'}://{self.host}"

    def at(self, digest: str) -> str:
        """The name of an image of this repository that cannot move."""
        return f"{self.repository}@{digest}"


def parse_reference(text: str) -> Reference:
    """Read the name of an image.

    Raises:
        UsageError: `image.bad-reference`; a registry is always named.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text[:200]!r} does not name an image in a registry",
            hint="write HOST/REPOSITORY:TAG or HOST/REPOSITORY@sha256:..., in lower case",
            code="image.bad-reference",
        )
    return Reference(match["host"], match["path"], match["tag"] or "", match["digest"] or "")
