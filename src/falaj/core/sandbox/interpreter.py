"""Which folders a Python needs to be started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def python_folders(python: Path) -> tuple[Path, ...]:
    """Where an interpreter, its standard library and its packages are.

    Args:
        python: The interpreter, in a virtual environment or not.
    """
    return tuple(dict.fromkeys(_folders(python)))


def _folders(python: Path) -> Iterator[Path]:
    prefix, real = python.parent.parent, python.resolve().parent.parent
    settings = prefix / "pyvenv.cfg"
    if settings.is_file():
        yield prefix
        yield from _base(settings)
    yield real


def _base(settings: Path) -> Iterator[Path]:
    """The installation that a virtual environment stands on."""
    for line in settings.read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and Path(value.strip()).name == "bin":
            yield Path(value.strip()).parent


def added_folders(site_packages: Iterator[Path] | tuple[Path, ...]) -> tuple[Path, ...]:
    """Folders that `.pth` files add to the path: packages that are installed to be worked on."""
    lines = (line.strip() for folder in site_packages for file in folder.glob("*.pth") for line in _lines(file))
    return tuple(dict.fromkeys(Path(line) for line in lines if line.startswith("/") and Path(line).is_dir()))


def _lines(file: Path) -> list[str]:
    return file.read_text(errors="replace").splitlines()
