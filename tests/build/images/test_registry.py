"""Images in a real registry, checked by other tools; logins, faults, and two who push at once."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from falaj.build.images import (
    Descriptor,
    ImageError,
    ImageKey,
    ImageLayout,
    PushedImage,
    Registry,
    RegistryError,
    TagExistsError,
    build_image,
    parse_reference,
    push_image,
    read_key,
    read_public_key,
    verify_image,
)
from falaj.build.images.credentials import RegistryUser
from falaj.build.images.documents import INDEX, MANIFEST, Index, Manifest, decode, encode
from falaj.build.images.referrers import attach, attached, fallback_tag
from falaj.core.errors import FalajError, NotFoundError, UsageError
from falaj.supply_chain.artifacts.digest import digest_of
from falaj.supply_chain.attestations import tree_digest
from tests.build.images.conftest import StoredRelease, store_release
from tests.build.images.registries import RegistryServer, run_registry, run_tool
from tests.build.images.token_service import PASSWORD, USER, run_token_service

pytestmark = pytest.mark.integration


@dataclass
class Faulty(httpx.BaseTransport):
    """A way to a registry on which requests fail: those that a rule names, as often as it says."""

    fails: Callable[[httpx.Request], int | None]
    below: httpx.BaseTransport = field(default_factory=httpx.HTTPTransport)
    requests: list[str] = field(default_factory=list)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        status = self.fails(request)
        if status is None:
            return self.below.handle_request(request)
        for number, _ in enumerate(request.stream):  # type: ignore[arg-type]
            if number > 1:
                raise httpx.WriteError("the connection is gone")
        return httpx.Response(status)

    def close(self) -> None:
        self.below.close()


@contextmanager
def at(
    reference: str, user: RegistryUser | None = None, transport: httpx.BaseTransport | None = None
) -> Iterator[Registry]:
    registry = Registry(parse_reference(reference), user, transport, sleep=lambda _: None)
    try:
        yield registry
    finally:
        registry.close()


def image_of(release: StoredRelease, folder: Path) -> tuple[ImageLayout, Descriptor]:
    folder.mkdir()
    layout = ImageLayout(folder)
    return layout, build_image(release.content, layout)


def push(
    release: StoredRelease, folder: Path, reference: str, key: ImageKey | None = None, *, move_tag: bool = False
) -> PushedImage:
    layout, image = image_of(release, folder)
    with at(reference) as registry:
        return push_image(layout, image, registry, release.content, key=key, move_tag=move_tag)


@pytest.fixture
def key(tmp_path: Path) -> ImageKey:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (tmp_path / "image.pem").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (tmp_path / "image.pem.pub").write_bytes(
        private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return read_key(tmp_path / "image.pem")


def test_a_pushed_release_is_read_by_other_tools(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path, key: ImageKey
) -> None:
    reference = registry_server.reference("flights/delay:1")
    pushed = push(release, tmp_path / "image", reference, key)
    assert pushed.reference.startswith(f"{registry_server.host}/flights/delay@sha256:") and pushed.referrers == 9
    inspected = run_tool("skopeo", "inspect", "--tls-verify=false", f"docker://{reference}")
    assert inspected.returncode == 0, inspected.stderr
    shown = json.loads(inspected.stdout)
    assert pushed.reference.endswith(shown["Digest"])
    assert shown["Labels"]["dev.falaj.release.digest"] == release.signed.digest
    copied = run_tool(
        "skopeo", "copy", "--insecure-policy", "--src-tls-verify=false", f"docker://{pushed.reference}",
        f"oci:{tmp_path}/copy:one",
    )  # fmt: skip
    assert copied.returncode == 0, copied.stderr
    unpacked = run_tool("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/copy:one", str(tmp_path / "bundle"))
    assert unpacked.returncode == 0, unpacked.stderr
    assert tree_digest(tmp_path / "bundle" / "rootfs" / "models") == release.signed.digest
    with at(reference) as registry:
        checked = verify_image(registry, release.keys, read_public_key(tmp_path / "image.pem.pub"))
    assert (checked.problems, checked.signed, checked.attached) == ((), True, 8)


def test_cosign_verifies_the_signature_and_no_other(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path, key: ImageKey
) -> None:
    pushed = push(release, tmp_path / "image", registry_server.reference("signed/delay:1"), key)
    unsigned = push(
        store_release(tmp_path / "other", b"other"), tmp_path / "two", registry_server.reference("signed/delay:2")
    )
    command = (
        "verify", "--key", str(tmp_path / "image.pem.pub"), "--insecure-ignore-tlog=true", "--allow-insecure-registry",
        "--allow-http-registry",
    )  # fmt: skip
    verified = run_tool("cosign", *command, pushed.reference, HOME=str(tmp_path))
    assert verified.returncode == 0, verified.stderr
    refused = run_tool("cosign", *command, unsigned.reference, HOME=str(tmp_path))
    assert refused.returncode != 0
    again = push(release, tmp_path / "again", registry_server.reference("signed/delay:1"), key)
    assert again.uploaded == 0


def test_a_tag_of_another_image_is_not_taken_unless_asked(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    reference = registry_server.reference("tags/delay:live")
    first = push(release, tmp_path / "one", reference)
    other = store_release(tmp_path / "other", b"other")
    with pytest.raises(TagExistsError) as caught:
        push(other, tmp_path / "two", reference)
    assert "--move-tag" in caught.value.hint
    with at(reference) as registry:
        assert first.reference.endswith(str(registry.digest_of_tag("live")))
    moved = push(other, tmp_path / "three", reference, move_tag=True)
    with at(reference) as registry:
        assert moved.reference.endswith(str(registry.digest_of_tag("live")))


def test_a_token_is_fetched_and_a_wrong_password_says_what_to_do(release: StoredRelease, tmp_path: Path) -> None:
    layout, image = image_of(release, tmp_path / "image")
    with run_token_service(tmp_path) as tokens, run_registry(tmp_path, tokens.settings) as server:
        reference = server.reference("private/delay:1")
        for user in (None, RegistryUser(USER, "wrong")):
            with at(reference, user) as registry, pytest.raises(UsageError) as caught:
                push_image(layout, image, registry, release.content)
            assert caught.value.code == "registry.refused" and PASSWORD not in str(caught.value)
        assert not (tmp_path / "images" / "docker" / "registry" / "v2" / "repositories").exists()
        with at(reference, RegistryUser(USER, PASSWORD)) as registry:
            pushed = push_image(layout, image, registry, release.content)
            assert verify_image(registry, release.keys, None).problems == ()
    assert pushed.uploaded > 0 and set(tokens.scopes) == {"repository:private/delay:pull,push"}


def test_an_upload_that_breaks_off_begins_again(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    layout, image = image_of(release, tmp_path / "image")
    largest = max(layout.read(image, Manifest).layers, key=lambda layer: layer.size).digest.removeprefix("sha256:")
    statuses = [500, 503, 502]

    def fails(request: httpx.Request) -> int | None:
        return statuses.pop() if request.method == "PUT" and largest in str(request.url) and statuses else None

    reference = registry_server.reference("broken/delay:1")
    with at(reference, transport=Faulty(fails)) as registry:
        push_image(layout, image, registry, release.content)
        assert statuses == [] and verify_image(registry, release.keys, None).problems == ()


def test_a_registry_that_stays_down_leaves_no_tag(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    layout, image = image_of(release, tmp_path / "image")
    reference = registry_server.reference("down/delay:1")
    uploads: list[str] = []

    def fails(request: httpx.Request) -> int | None:
        uploads.extend([str(request.url)] if request.method == "PUT" else [])
        return 503 if len(uploads) > 2 else None

    with at(reference, transport=Faulty(fails)) as registry, pytest.raises(RegistryError) as caught:
        push_image(layout, image, registry, release.content)
    assert caught.value.exit_code == 6 and "4 times" in caught.value.message
    with at(reference) as registry:
        assert registry.digest_of_tag("1") is None
        with pytest.raises(NotFoundError):
            registry.manifest(image.digest)
        assert push_image(layout, image, registry, release.content).uploaded > 0


def test_two_that_push_at_once_both_get_what_they_pushed(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    other = store_release(tmp_path / "other", b"other")
    images = [(each, *image_of(each, tmp_path / f"image-{number}")) for number, each in enumerate((release, other))]
    start, outcomes = threading.Barrier(2), dict[int, str]()

    def run(number: int) -> None:
        each, layout, image = images[number]
        start.wait()
        with at(registry_server.reference("race/delay:1")) as registry:
            try:
                push_image(layout, image, registry, each.content)
                outcomes[number] = "pushed"
            except TagExistsError:
                outcomes[number] = "refused"

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with at(registry_server.reference("race/delay:1")) as registry:
        named = registry.digest_of_tag("1")
    for number, (_, _, image) in enumerate(images):
        assert outcomes[number] == "refused" or named == image.digest or "refused" in outcomes.values()
        with at(registry_server.reference(f"race/delay@{image.digest}")) as registry:
            assert verify_image(registry, images[number][0].keys, None).problems == ()
    assert named in {image.digest for _, _, image in images}


def test_two_lists_of_referrers_written_at_once_lose_nothing(registry_server: RegistryServer) -> None:
    """The first to write is written over by the second, which had read the list before: it writes again."""
    subject = Descriptor(MANIFEST, digest_of(b"image"), 5)
    with at(registry_server.reference("referrers/race")) as registry:
        rival = [("text/plain", b"rival", {})]
        turns: list[str] = []

        def pause() -> None:
            if not turns:
                turns.append("rival")
                registry.push_manifest(encode(Index(2, INDEX, [])), INDEX, fallback_tag(subject.digest))
                attach(registry, subject, rival)

        attach(registry, subject, [("text/plain", b"mine", {})], pause)
        data, _ = registry.manifest(fallback_tag(subject.digest))
        listed = decode(data, Index, where="").manifests
        assert len(listed) == 2 and attached(registry, subject.digest) == listed


def test_an_image_that_was_changed_is_found_out(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    from falaj.build.images.layers import member_of

    reference = registry_server.reference("changed/delay:1")
    layout, image = image_of(release, tmp_path / "image")
    manifest = layout.read(image, Manifest)
    over = layout.add_layer([member_of("models/MLmodel", b"other")])
    hiding = layout.add_layer([member_of(".wh.evidence", b"")])
    outside = layout.add_layer([member_of("../models/x", b"")])
    alone = layout.add_layer([member_of("models/MLmodel", b"flavors: {}\n")])
    trials = {
        "two layers hold": [*manifest.layers, over],
        "hides what is checked": [*manifest.layers, hiding],
        "leads out": [*manifest.layers, outside],
        "not an image of a release": [alone],
    }
    with at(reference) as registry:
        for words, layers in trials.items():
            for layer in layers:
                registry.push_blob(layer, lambda layer=layer: layout.open(layer))  # type: ignore[misc]
            registry.push_blob(manifest.config, lambda: layout.open(manifest.config))
            registry.push_manifest(encode(Manifest(2, MANIFEST, manifest.config, layers)), MANIFEST, "1")
            with pytest.raises(ImageError, match=words):
                verify_image(registry, release.keys, None)
        registry.push_manifest(
            encode(Manifest(2, MANIFEST, manifest.config, [alone, manifest.layers[1]])), MANIFEST, "1"
        )
        codes = [problem.code for problem in verify_image(registry, release.keys, None).problems]
        assert codes == ["evidence.model-changed"]


def test_an_unsigned_image_is_a_problem_where_a_signature_is_asked_for(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path, key: ImageKey
) -> None:
    reference = registry_server.reference("unsigned/delay:1")
    pushed = push(release, tmp_path / "image", reference)
    public = read_public_key(tmp_path / "image.pem.pub")
    with at(reference) as registry:
        assert [p.code for p in verify_image(registry, release.keys, public).problems] == ["image.unsigned"]
        forged = ec.generate_private_key(ec.SECP256R1())
        stranger = ImageKey(forged.public_key(), lambda data: forged.sign(data, ec.ECDSA(hashes.SHA256())))
        from falaj.build.images.signature import push_signature

        _, _, digest = pushed.reference.partition("@")
        push_signature(registry, Descriptor(MANIFEST, digest, 0), stranger)
        assert [p.code for p in verify_image(registry, release.keys, public).problems] == ["image.unsigned"]
        push_signature(registry, Descriptor(MANIFEST, digest, 0), key)
        assert verify_image(registry, release.keys, public).problems == ()


def test_the_image_of_a_manifest_is_of_the_release_and_answers(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    from dataclasses import replace

    from falaj.build.images import require_image_of

    reference = registry_server.reference("manifest/delay:1")
    pushed = push(release, tmp_path / "image", reference)
    claim = release.content.release
    trials = {
        "image.without-digest": (reference, claim),
        "image.other-release": (pushed.reference, replace(claim, digest="sha256:" + "9" * 64)),
        "image.not-serving": (pushed.reference, claim),
    }
    for code, (name, named) in trials.items():
        with at(name) as registry, pytest.raises(FalajError) as caught:
            require_image_of(registry, named)
        assert caught.value.code == code


def test_a_registry_that_lies_is_not_believed(
    release: StoredRelease, registry_server: RegistryServer, tmp_path: Path
) -> None:
    reference = registry_server.reference("lies/delay:1")
    pushed = push(release, tmp_path / "image", reference)
    digest = pushed.reference.partition("@")[2]

    class Lying(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=b"{}", headers={"content-type": MANIFEST})

    with (
        at(f"{reference.rpartition(':')[0]}@{digest}", transport=Lying()) as registry,
        pytest.raises(ImageError, match="other bytes"),
    ):
        verify_image(registry, release.keys, None)
    with at(reference, transport=Lying()) as registry, pytest.raises(ImageError, match="not an OCI manifest"):
        verify_image(registry, release.keys, None)


def test_logins_come_from_where_other_tools_keep_them(tmp_path: Path) -> None:
    from falaj.build.images.credentials import read_user

    login = base64.b64encode(b"me:secret:with colon").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example.org": {"auth": login}}}))
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    assert read_user("registry.example.org", environ) == RegistryUser("me", "secret:with colon")
    assert read_user("other.example.org", environ) is None and read_user("registry.example.org", {}) is None
    assert "secret" not in repr(read_user("registry.example.org", environ))
    assert read_user("x.org", {**environ, "FALAJ_REGISTRY_USER": "ci"}) == RegistryUser("ci", "")
    (tmp_path / "config.json").write_text('{"auths": {"registry.example.org": {}}, "credsStore": "pass"}')
    with pytest.raises(UsageError, match="docker-credential-pass"):
        read_user("registry.example.org", environ)
    for text in ("{", "[]", '{"auths": {"registry.example.org": {"auth": "=="}}}', '{"auths": 3}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(UsageError) as caught:
            read_user("registry.example.org", environ)
        assert caught.value.code == "registry.bad-login"
