"""A base image for tests: the Python that runs them with the libraries of the system that it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from falaj.build.images import ImageLayout
from falaj.build.images.documents import CONFIG, MANIFEST, Config, Execution, Manifest, RootFs
from falaj.build.images.layers import Member

_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_LEFT_OUT = ("site-packages", "test", "idlelib", "lib2to3", "ensurepip", "__pycache__", "tkinter", "config-")


def make_base(folder: Path) -> str:
    """Write a base image; returns its name with the digest."""
    layout = ImageLayout(folder)
    folder.mkdir()
    layer = layout.add_layer(_members())
    env = [f"PATH=/{_inside('bin')}", f"LD_LIBRARY_PATH=/{_inside('lib')}:/usr/lib"]
    config = Config("amd64", "linux", RootFs("layers", [layer.digest]), Execution(env=env))
    image = layout.add_document(Manifest(2, MANIFEST, layout.add_document(config, CONFIG), [layer]), MANIFEST)
    layout.name(image, "base")
    return f"{folder}@{image.digest}"


def _inside(name: str) -> str:
    return f"{sys.base_prefix.removeprefix('/')}/{name}"


def _members() -> Iterator[Member]:
    python = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    yield _member(_inside("bin/python3"), python, executable=True)
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(stdlib.rglob("*")):
        name = path.relative_to(stdlib).as_posix()
        if path.is_file() and not name.startswith(_LEFT_OUT) and "__pycache__" not in name:
            yield _member(_inside(f"lib/{stdlib.name}/{name}"), path, executable=path.suffix == ".so")
    for library in sorted(_libraries(python)):
        name = f"usr/lib/{library.name}" if "ld-linux" not in library.name else str(library).removeprefix("/")
        yield _member(name, library, executable=True)


def _member(name: str, path: Path, *, executable: bool) -> Member:
    return Member(name, path.stat().st_size, lambda: path.open("rb"), executable)


def _libraries(python: Path) -> set[Path]:
    """What the interpreter, its modules and the packages are linked with."""
    packages = Path(sysconfig.get_paths()["purelib"])
    modules = [*Path(sys.base_prefix).glob("lib/python3.*/lib-dynload/*.so")]
    for name in ("numpy", "onnxruntime", "granian", "cryptography", "msgspec"):
        modules += packages.glob(f"{name}/**/*.so")
    command = ["ldd", str(python), *map(str, modules)]
    text = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}).stdout
    libraries = {Path(match) for match in _LIBRARY.findall(text)}
    return {path for path in libraries if not path.is_relative_to(packages)}
