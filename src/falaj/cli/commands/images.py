"""Releases as OCI images: build and push."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import yaml

from falaj.build import images
from falaj.cli.bundles import trusted
from falaj.cli.connection import open_client
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json
from falaj.core.errors import ConflictError, NotFoundError, UsageError
from falaj.core.home import Home
from falaj.supply_chain import attestations
from falaj.supply_chain.artifacts import open_home_store
from falaj.supply_chain.attestations.model_signature import KEY_FILE

NameArgument = Annotated[str, typer.Argument(help="MODEL@NUMBER, or MODEL for the latest.")]
ServeOption = Annotated[bool, typer.Option("--serve", help="One that answers on port 8080, with the model server.")]
BaseOption = Annotated[
    str, typer.Option(help="With --serve: the image below, as NAME@sha256:... in a registry or an image layout.")
]


def build(
    name: NameArgument,
    target: Annotated[Path, typer.Argument(help="A folder to make, or a file that ends in .tar.")],
    serve: ServeOption = False,
    base: BaseOption = "",
    json: JsonOption = False,
) -> None:
    """Build the OCI image of a release, without a daemon; the same release has the same digest everywhere.

    The image layout that is written is what skopeo, podman and others read; no registry is needed.
    """
    if target.exists():
        raise ConflictError(f"{target} is there", where=str(target), hint="name a path that does not exist yet")
    content = _content(name)
    with _layout(target.absolute().parent) as layout:
        image = images.build_image(content, layout, _serving(serve, base))
        if target.suffix == ".tar":
            images.write_archive(layout, target)
        else:
            layout.folder.rename(target)
    if json:
        emit_json({"digest": image.digest, "path": str(target)})
    else:
        emit(f"wrote {target}: {image.digest}")


def push(
    name: NameArgument,
    reference: Annotated[str, typer.Argument(help="HOST/REPOSITORY[:TAG]")],
    serve: ServeOption = False,
    base: BaseOption = "",
    move_tag: Annotated[bool, typer.Option("--move-tag", help="Take the tag from another image.")] = False,
    key: Annotated[
        Path | None, typer.Option(help="P-256 key in PEM that signs for cosign; by default the home's.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Push the OCI image of a release, its evidence as referrers, and a signature that cosign verifies."""
    registry = images.open_registry(reference)
    if registry.reference.digest:
        raise UsageError("a push names a tag, or none, and not a digest", where=reference, code="image.bad-reference")
    signer = images.read_key(_signing_key(key))
    content = _content(name)
    with TemporaryDirectory() as scratch, _layout(Path(scratch)) as layout:
        image = images.build_image(content, layout, _serving(serve, base))
        pushed = images.push_image(layout, image, registry, content, key=signer, move_tag=move_tag)
    if json:
        emit_json(pushed)
    else:
        emit(f"pushed {pushed.reference}: {pushed.uploaded} blobs were new, {pushed.referrers} referrers, signed")


def manifest(
    name: NameArgument,
    image: Annotated[str, typer.Argument(help="The serving image of the release: HOST/REPOSITORY@sha256:...")],
    kserve: Annotated[bool, typer.Option("--kserve", help="An InferenceService.")] = False,
    knative: Annotated[bool, typer.Option("--knative", help="A Service of Knative.")] = False,
    least: Annotated[int, typer.Option("--min", help="Fewest replicas; 0 lets it sleep.")] = 1,
    most: Annotated[int, typer.Option("--max", help="Most replicas.")] = 1,
    cpu: Annotated[str, typer.Option(help="Processors of a replica.")] = "1",
    memory: Annotated[str, typer.Option(help="Memory of a replica.")] = "512Mi",
    json: JsonOption = False,
) -> None:
    """Print the one object that serves a release with KServe or Knative, for `kubectl apply -f -`.

    The image is looked at in its registry: it must be of this release, and answer by itself.
    """
    if kserve == knative:
        raise UsageError("for which system?", hint="pass --kserve or --knative", code="image.no-system")
    settings = images.ClusterSettings(least, most, cpu, memory).require()
    release = open_client().release(name)
    claim = attestations.BundledRelease(release.model, release.number, release.digest, release.run_id, release.commit)
    registry = images.open_registry(image)
    images.require_image_of(registry, claim)
    reference = registry.reference.at(registry.reference.digest)
    document = (images.kserve if kserve else images.knative)(claim, reference, settings)
    emit_json(document) if json else emit(yaml.safe_dump(document, sort_keys=False).rstrip(), wrap=False)


def _content(name: str) -> images.ReleaseContent:
    home, client = Home.from_environment(), open_client()
    release, signed = client.release(name), client.bundles.of(name)
    claim = attestations.BundledRelease(release.model, release.number, release.digest, release.run_id, release.commit)
    bundle = attestations.bundle_of(claim, signed.evidence, signed.log, signed.model_signature)
    return images.ReleaseContent.verified(bundle, open_home_store(home), trusted(home, None))


@contextmanager
def _layout(parent: Path) -> Iterator[images.ImageLayout]:
    """A layout in a folder of its own, beside where it will be."""
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent, prefix=".image-", ignore_cleanup_errors=True) as folder:
        layout = images.ImageLayout(Path(folder) / "layout")
        layout.folder.mkdir()
        yield layout


def _serving(serve: bool, base: str) -> images.Serving | None:
    if not serve and not base:
        return None
    if not (serve and base):
        raise UsageError(
            "--serve and --base belong together", hint="--serve --base NAME@sha256:...", code="image.no-base"
        )
    environment = images.ServingEnvironment.of_this_installation()
    return images.Serving(images.read_base(base, images.open_registry), environment)


def _signing_key(key: Path | None) -> Path:
    path = key or Home.from_environment().keys / KEY_FILE
    if not path.exists():
        raise NotFoundError(
            "no key signs images here", where=str(path), hint="pass --key FILE, a P-256 key in PEM", code="image.no-key"
        )
    return path
