"""A registry, over HTTP.

Every request may be repeated: blobs are named by their digests, manifests too, and an upload that broke off begins
again. What a registry answers is bounded and held against the digest it was asked for.

Source: OCI distribution specification 1.1 (https://github.com/opencontainers/distribution-spec), token authentication
(https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

import base64
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, TypeVar, cast
from urllib.parse import urljoin, urlsplit

import httpx

from falaj.build.images.credentials import RegistryUser, read_user
from falaj.build.images.documents import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Descriptor
from falaj.build.images.errors import ImageError, RegistryError
from falaj.build.images.layers import Hashed
from falaj.build.images.reference import Reference, parse_reference
from falaj.core.errors import FalajError, NotFoundError, UsageError
from falaj.supply_chain.artifacts.digest import digest_from_hash, digest_of

ATTEMPTS = 4
_MOST_MANIFEST = 4 << 20
_MOST_TOKEN = 64 << 10
_ACCEPT = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_CHUNK = 1 << 20
Content = Callable[[], BinaryIO]
_Answer = TypeVar("_Answer")


class _AgainError(Exception):
    """A request that may be repeated."""


class Registry:
    """One repository of a registry.

    Args:
        reference: Which one.
        user: Who asks; None for anybody.
        transport: How it is reached.
        sleep: Waits between attempts.
    """

    def __init__(
        self,
        reference: Reference,
        user: RegistryUser | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.reference = reference
        self._user, self._sleep = user, sleep
        self._client = httpx.Client(transport=transport, timeout=60.0, follow_redirects=True)
        self._authorization = ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def manifest(self, name: str) -> tuple[bytes, str]:
        """A manifest and its media type.

        Args:
            name: A tag or a digest.

        Raises:
            NotFoundError: There is none of this name.
            ImageError: It does not have the digest that was asked for.
        """
        answer = self._ask("GET", f"manifests/{name}", headers={"Accept": _ACCEPT})
        if answer.status_code == 404:
            raise NotFoundError("the registry has no such image", where=self._named(name), code="image.not-found")
        _require(answer, 200, self._named(name))
        if name.startswith("sha256:") and digest_of(answer.content) != name:
            raise ImageError("the registry answered with other bytes than those of the digest", where=self._named(name))
        return answer.content, answer.headers.get("content-type", "").partition(";")[0]

    def digest_of_tag(self, tag: str) -> str | None:
        """What a tag names now; None where there is no such tag."""
        try:
            return digest_of(self.manifest(tag)[0])
        except NotFoundError:
            return None

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there."""
        return self._ask("HEAD", f"blobs/{digest}").status_code == 200

    def blob(self, descriptor: Descriptor) -> bytes:
        """Bytes of a small blob, checked."""
        with self.open(descriptor) as stream:
            return stream.read()

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob, in a file that goes when it is closed.

        Raises:
            NotFoundError: It is not there.
            ImageError: Its bytes are not those of its digest.
        """

        def get() -> BinaryIO:
            file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
            with self._client.stream("GET", self._url(f"blobs/{descriptor.digest}"), headers=self._headers()) as answer:
                self._require_permitted(answer, self._named(descriptor.digest))
                hashed = Hashed(file)
                for chunk in answer.iter_bytes(_CHUNK):
                    hashed.write(chunk)
                    if hashed.size > descriptor.size:
                        break
            if hashed.size != descriptor.size or digest_from_hash(hashed.hasher) != descriptor.digest:
                file.close()
                raise ImageError("the registry answered with other bytes than those of the digest",
                                 where=self._named(descriptor.digest))  # fmt: skip
            file.seek(0)
            return file

        return self._repeated(get)

    def push_blob(self, descriptor: Descriptor, content: Content) -> bool:
        """Upload a blob, unless it is there.

        Args:
            descriptor: What it is.
            content: Opens its bytes; opened again for each attempt.

        Returns:
            Whether it was uploaded.
        """
        if self.has_blob(descriptor.digest):
            return False
        self._repeated(lambda: self._upload(descriptor, content))
        return True

    def push_manifest(self, data: bytes, media_type: str, name: str) -> Mapping[str, str]:
        """Put a manifest under a tag or under its digest; returns the answer's headers."""
        answer = self._ask("PUT", f"manifests/{name}", content=data, headers={"Content-Type": media_type})
        _require(answer, 201, self._named(name))
        return answer.headers

    def referrers(self, digest: str) -> bytes | None:
        """The index of what refers to an image; None where the registry keeps no such list."""
        answer = self._ask("GET", f"referrers/{digest}", headers={"Accept": INDEX})
        is_index = answer.headers.get("content-type", "").partition(";")[0] == INDEX
        return answer.content if answer.status_code == 200 and is_index else None

    def _upload(self, descriptor: Descriptor, content: Content) -> None:
        begun = self._once("POST", "blobs/uploads/", headers={"Content-Length": "0"})
        _require(begun, 202, self._named(descriptor.digest))
        place = self._joined(urljoin(self._url("blobs/uploads/"), begun.headers.get("location", "")))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(descriptor.size)}
        with content() as stream:
            ended = self._send(
                "PUT", place, params={"digest": descriptor.digest}, content=_chunks(stream), headers=headers
            )
        if ended.status_code == 401 and self._log_in(ended):
            raise _AgainError("the login was renewed")
        _require(ended, 201, self._named(descriptor.digest))

    def _joined(self, place: str) -> str:
        """The address of an upload; never another scheme, so that nobody listens in."""
        if urlsplit(place).scheme != urlsplit(self.reference.url).scheme:
            raise RegistryError("the registry sends an upload to another scheme", where=place[:200])
        return place

    def _ask(self, method: str, path: str, **options: object) -> httpx.Response:
        return self._repeated(lambda: self._once(method, path, **options))

    def _once(self, method: str, path: str, **options: object) -> httpx.Response:
        answer = self._send(method, self._url(path), **options)
        if answer.status_code == 401 and self._log_in(answer):
            answer = self._send(method, self._url(path), **options)
        if answer.status_code in (401, 403):
            raise _refused(answer, self._named(""), self._user)
        return answer

    def _send(self, method: str, url: str, **options: object) -> httpx.Response:
        headers = self._headers(cast("Mapping[str, str]", options.pop("headers", {})), url)
        params = cast("Mapping[str, str] | None", options.pop("params", None))
        content = cast("bytes | None", options.pop("content", None))
        target = httpx.URL(url).copy_merge_params(params) if params else httpx.URL(url)
        answer = self._client.request(method, target, headers=headers, content=content)
        if answer.status_code >= 500 or answer.status_code in (408, 429):
            raise _AgainError(f"HTTP {answer.status_code}")
        return answer

    def _headers(self, headers: Mapping[str, str] | None = None, url: str = "") -> dict[str, str]:
        """With the login, for the registry itself alone."""
        own = not url or httpx.URL(url).netloc == httpx.URL(self.reference.url).netloc
        login = {"Authorization": self._authorization} if self._authorization and own else {}
        return {**login, **(headers or {})}

    def _require_permitted(self, answer: httpx.Response, where: str) -> None:
        if answer.status_code == 401 and self._log_in(answer):
            raise _AgainError("the login was renewed")
        if answer.status_code in (401, 403):
            raise _refused(answer, where, self._user)
        if answer.status_code == 404:
            raise NotFoundError("the registry has no such blob", where=where, code="image.not-found")
        if answer.status_code != 200:
            raise _AgainError(f"HTTP {answer.status_code}")

    def _log_in(self, answer: httpx.Response) -> bool:
        """Do what a registry asks for; returns whether the request is worth another attempt."""
        scheme, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
        parameters = dict(_PARAMETER.findall(rest))
        if scheme.lower() == "basic" and self._user and not self._authorization:
            login = base64.b64encode(f"{self._user.name}:{self._user.password}".encode()).decode()
            self._authorization = f"Basic {login}"
            return True
        if scheme.lower() == "bearer" and "realm" in parameters:
            before, self._authorization = self._authorization, f"Bearer {self._token(parameters)}"
            return before != self._authorization
        return False

    def _token(self, parameters: Mapping[str, str]) -> str:
        realm = parameters["realm"]
        if urlsplit(realm).scheme != "https" and urlsplit(self.reference.url).scheme == "https":
            raise RegistryError("the registry sends its login over plain HTTP", where=realm[:200])
        # For pushes and pulls alike, so that one token serves for all that follows.
        params = {"service": parameters.get("service", ""), "scope": f"repository:{self.reference.path}:pull,push"}
        if self._user is None:
            params["scope"] = parameters.get("scope", f"repository:{self.reference.path}:pull")
        login = (self._user.name, self._user.password) if self._user else None
        answer = self._client.get(realm, params=params, auth=login)
        if answer.status_code in (401, 403):
            raise _refused(answer, realm, self._user)
        if answer.status_code != 200 or len(answer.content) > _MOST_TOKEN:
            raise _AgainError(f"HTTP {answer.status_code} from the token service")
        try:
            document = answer.json()
            token = document.get("token") or document.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise RegistryError("the token service answered without a token", where=realm[:200])
        return token

    def _repeated(self, deed: Callable[[], _Answer]) -> _Answer:
        """Do it again, with growing pauses, while the registry does not answer or fails."""
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(0.5 * 2**attempt)
            try:
                return deed()
            except (_AgainError, httpx.TransportError) as error:
                why = str(error) or type(error).__name__
        raise RegistryError(
            f"the registry failed {ATTEMPTS} times: {why}", where=self.reference.url,
            hint="run it again later: what was uploaded is not uploaded again",
        )  # fmt: skip

    def _url(self, path: str) -> str:
        return f"{self.reference.url}/v2/{self.reference.path}/{path}"

    def _named(self, name: str) -> str:
        separator = "@" if name.startswith("sha256:") else ":"
        return f"{self.reference.repository}{separator if name else ''}{name}"


def open_registry(text: str, environ: Mapping[str, str] = os.environ) -> Registry:
    """The repository that a reference names, as whoever is logged in there."""
    reference = parse_reference(text)
    return Registry(reference, read_user(reference.host, environ))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _require(answer: httpx.Response, status: int, where: str) -> None:
    if answer.status_code != status:
        details = answer.text[:300].strip()
        raise RegistryError(f"the registry answered HTTP {answer.status_code}: {details}", where=where)


def _refused(answer: httpx.Response, where: str, user: RegistryUser | None) -> FalajError:
    who = f"the user {user.name!r}" if user else "nobody, and this needs a login"
    return UsageError(
        f"the registry refuses {who} (HTTP {answer.status_code})", where=where,
        hint="log in with `docker login`, `skopeo login`, or FALAJ_REGISTRY_USER and FALAJ_REGISTRY_PASSWORD",
        code="registry.refused",
    )  # fmt: skip
