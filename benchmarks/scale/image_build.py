"""What building an image costs, beside reading the same bytes from the store.

    python benchmarks/scale/image_build.py [--megabytes 256] [--rounds 5]

Both read, verify and hash every byte; a build also writes them. Processor time and seconds are taken in turn; medians
are compared, which says little about other work on the machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.supply_chain.attestations.releases import make

from falaj.build.images import ImageLayout, ReleaseContent, build_image
from falaj.supply_chain.artifacts import ArtifactStore, open_store, parse_digest
from falaj.supply_chain.attestations import load_or_create_key, read_bundle, trust

_CHUNK = 1 << 20


def write_model(folder: Path, megabytes: int) -> None:
    """A model of one large file."""
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    with (folder / "weights.bin").open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(_CHUNK))


def read(store: ArtifactStore, digest: str) -> None:
    """Every byte of the model, verified."""
    for file in store.manifest(parse_digest(digest)).files:
        with store.open(parse_digest(digest), file.path) as stream:
            while stream.read(_CHUNK):
                pass


def build(content: ReleaseContent, folder: Path) -> str:
    """An image, which goes away."""
    layout = ImageLayout(folder)
    folder.mkdir()
    digest = build_image(content, layout).digest
    shutil.rmtree(folder)
    return digest


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Processor time and seconds."""
    cpu, start = time.process_time(), time.perf_counter()
    action()
    return time.process_time() - cpu, time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        signer = load_or_create_key(root / "keys" / "evidence.pem")
        signed = make(root / "release", signer, model_of=partial(write_model, megabytes=options.megabytes))
        store = open_store(str(root / "store"))
        store.put(signed.folder / "model")
        content = ReleaseContent.verified(read_bundle(signed.folder), store, trust(signer.public_pem))
        digests = {build(content, root / "warm")}
        reads, builds = [], []
        for number in range(options.rounds):
            reads.append(timed(lambda: read(store, signed.digest)))
            builds.append(timed(lambda number=number: digests.add(build(content, root / f"image-{number}"))))
    for name, index in (("processor time", 0), ("seconds", 1)):
        reading, building = (statistics.median(each[index] for each in times) for times in (reads, builds))
        print(f"{name}: reading {reading:.2f} s, building {building:.2f} s, ratio {building / reading:.1f}")
    print(f"digests of {options.rounds + 1} builds of {options.megabytes} MiB: {len(digests)}")


if __name__ == "__main__":
    main()
