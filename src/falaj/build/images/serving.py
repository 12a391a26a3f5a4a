"""What makes an image answer by itself: Falaj's model server with its libraries, each file as it was installed.

Nothing is fetched: the packages are those that this installation runs with, and every file of them is held against the
hash that its installer wrote down, so that the layer is the same wherever the same versions are installed.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path
from typing import Any

import falaj
from falaj.build.images.base import BaseImage
from falaj.build.images.documents import Execution
from falaj.build.images.errors import ImageError
from falaj.build.images.layers import OWNER, Member
from falaj.supply_chain.attestations import BundledRelease

PORT = 8080
LIBRARIES = ("cryptography", "granian", "msgspec", "numpy", "onnxruntime", "pyyaml", "rfc8785")
"""What the model server imports; the gateway and the installer of environments stay outside."""
SITE = f"opt/falaj/lib/python3.{sys.version_info.minor}/site-packages"
_NAME = re.compile(r"^[A-Za-z0-9._-]+")
_LEFT_OUT = re.compile(r"(^|/)__pycache__/|\.pyc$|^\.\./|(^|/)(direct_url\.json|uv_cache\.json|REQUESTED|INSTALLER)$")
"""What differs from one installation of the same version to the next, and what lies outside the packages."""


@dataclass(frozen=True)
class ServingEnvironment:
    """Packages of a serving image.

    Attributes:
        distributions: What is in it, in the order of names.
    """

    distributions: tuple[Distribution, ...]

    @classmethod
    def of_this_installation(cls) -> ServingEnvironment:
        """The model server's libraries with all that they need."""
        return cls(tuple(_closure(LIBRARIES)))

    def members(self) -> Iterator[Member]:
        """The files, each one checked.

        Raises:
            ImageError: A file is not as it was installed.
        """
        for each in self.distributions:
            yield from (_member(each, file) for file in each.files or () if not _LEFT_OUT.search(str(file)))
        yield from _own_files()

    @property
    def packages(self) -> list[tuple[str, str]]:
        """Names and versions."""
        return [(each.name, each.version) for each in self.distributions]


def _closure(names: tuple[str, ...]) -> Iterator[Distribution]:
    """The distributions, and those that they require without an extra."""
    waiting, closure = [*names], dict[str, Distribution]()
    while waiting:
        name = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in closure:
            continue
        try:
            closure[key] = distribution(name)
        except PackageNotFoundError:
            continue  # required on another platform or Python
        waiting += [_NAME.findall(text)[0] for text in closure[key].requires or () if "extra ==" not in text]
    yield from (closure[key] for key in sorted(closure))


def _member(package: Distribution, file: PackagePath) -> Member:
    path = Path(str(file.locate()))
    if file.hash is not None and file.hash.value != _urlsafe(path, file.hash.mode):
        raise ImageError(
            f"a file of {package.name} {package.version} is not as it was installed", where=str(path),
            hint=f"install {package.name} again",
        )  # fmt: skip
    executable = ".so" in path.suffixes
    return Member(f"{SITE}/{file}", path.stat().st_size, lambda: path.open("rb"), executable)


def _urlsafe(path: Path, mode: str) -> str:
    """A hash as the list of installed files spells it."""
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, mode).digest()
    except OSError as error:
        raise ImageError(f"an installed file cannot be read: {error.strerror}", where=str(path)) from error
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _own_files() -> Iterator[Member]:
    """The modules of Falaj, which may lie in a checkout."""
    root = Path(falaj.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".txt"):
            name = f"{SITE}/falaj/{path.relative_to(root).as_posix()}"
            yield Member(name, path.stat().st_size, lambda path=path: path.open("rb"))  # type: ignore[misc]


def execution(release: BundledRelease, base: BaseImage) -> Execution:
    """How a container answers: on port 8080, as nobody, with a read-only root.

    Args:
        release: What is served.
        base: Its variables stay.
    """
    command = [
        "python3", "-I", f"/{SITE}/falaj/dataplane/model_server/launch.py", "--site", f"/{SITE}",
        "--model", "/models", "--listen", f"0.0.0.0:{PORT}", "--name", release.model,
        "--version", str(release.number), "--endpoint", f"image/{release.model}",
    ]  # fmt: skip
    env = [*(base.config.config.env or ["PATH=/usr/local/bin:/usr/bin:/bin"]), "PYTHONDONTWRITEBYTECODE=1"]
    return Execution(
        user=f"{OWNER}:{OWNER}", exposed_ports={f"{PORT}/tcp": {}}, env=env, entrypoint=command, working_dir="/"
    )


def image_bill(bill: Mapping[str, Any], base: BaseImage, environment: ServingEnvironment) -> dict[str, Any]:
    """The bill of materials of a release, with what a serving image adds to it.

    Args:
        bill: As it was signed.
        base: The image below.
        environment: The packages of the model server.
    """
    image: dict[str, Any] = {
        "type": "container", "bom-ref": f"base@{base.digest}", "name": base.name, "version": base.digest,
        "hashes": [{"alg": "SHA-256", "content": base.digest.removeprefix("sha256:")}],
    }  # fmt: skip
    versions = [("falaj", falaj.__version__), *environment.packages]
    libraries: list[dict[str, Any]] = [
        {"type": "library", "bom-ref": f"server:{url}", "name": name, "version": version, "purl": url}
        for name, version in versions
        for url in [f"pkg:pypi/{name}@{version}"]
    ]
    added = [image, *libraries]
    below = [ref for each in bill.get("dependencies", ()) for ref in each["dependsOn"]]
    dependencies = [{"ref": "model", "dependsOn": [*below, *(each["bom-ref"] for each in added)]}]
    return {**bill, "components": [*bill.get("components", ()), *added], "dependencies": dependencies}
