"""The project's own python with what its lockfile names, built once per lock by uv."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from falaj.core.home import Home
from falaj.core.sandbox import added_folders, python_folders
from falaj.core.venv.installer import Installer, locked_sources

_READY = "falaj-ready.json"


@dataclass(frozen=True)
class Environment:
    """A python to run steps with.

    Attributes:
        python: The interpreter.
        digest: Hex SHA-256 of everything about it that results can depend on.
        reproducible: Whether a lockfile says exactly what is in it.
        lockfile: Name of the lockfile in the project; None without one.
        interpreter: Version of the Python of one with a lockfile.
    """

    python: Path
    digest: str
    reproducible: bool
    lockfile: str | None = None
    interpreter: str = ""

    @property
    def folders(self) -> tuple[Path, ...]:
        """What steps read of it; of one without a lockfile also the packages that are worked on beside it."""
        added = () if self.reproducible else added_folders(self.site_packages)
        return (*python_folders(self.python), *added)

    @property
    def site_packages(self) -> tuple[Path, ...]:
        """Folders that installed packages lie in."""
        return tuple(sorted(self.python.parent.parent.glob("lib/python3*/site-packages")))


def build(worktree: Path, home: Home, *, before_install: Callable[[str], None] | None = None) -> Environment:
    """The environment of a project, made if this lock was not seen before.

    `uv.lock` is honoured, or a `requirements.txt` with hashes. Without either the activated environment is used,
    or else the python that runs Falaj, and the result is not reproducible. Packages are taken from uv's cache
    when it has them all, so that a second build needs no network.

    Args:
        worktree: The project's folder.
        home: Environments are kept in its `envs` folder; one process builds while others wait.
        before_install: Called with the lockfile's name before packages are installed, which may take minutes.

    Raises:
        EnvironmentBuildError: uv could not install what the lock names.
    """
    lockfile = lockfile_of(worktree)
    if lockfile is None:
        return _unlocked()
    key = lock_digest(worktree, lockfile)
    folder = home.root / "envs" / key[:32]
    ready = folder / _READY
    if not ready.exists():
        with _alone(folder.with_suffix(".lock")):
            if not ready.exists():
                if before_install is not None:
                    before_install(lockfile)
                _install(worktree, lockfile, folder, home)
    interpreter: str = json.loads(ready.read_text())["python"]
    digest = environment_digest(key, interpreter)
    return Environment(folder / "bin" / "python", digest, True, lockfile, interpreter)


def environment_digest(key: str, interpreter: str) -> str:
    """Digest of all that results can depend on.

    Args:
        key: What `lock_digest` gave.
        interpreter: Version of the environment's Python.
    """
    return hashlib.sha256(f"{key}\n{json.dumps({'python': interpreter})}".encode()).hexdigest()


def has_own_packages(worktree: Path, lockfile: str) -> bool:
    """Whether packages of the environment lie in the project's folder."""
    return lockfile == "uv.lock" and bool({*locked_sources(worktree / lockfile).values()} - {"", "archive"})


def lockfile_of(worktree: Path) -> str | None:
    """Name of the file that says exactly what the environment holds; None when there is none."""
    if (worktree / "uv.lock").exists():
        return "uv.lock"
    requirements = worktree / "requirements.txt"
    hashed = requirements.exists() and "--hash=" in requirements.read_text(errors="replace")
    return "requirements.txt" if hashed else None


def lock_digest(worktree: Path, lockfile: str) -> str:
    """Digest of what decides about the environment; `tool.uv` of the project says which groups are installed."""
    hasher = hashlib.sha256((worktree / lockfile).read_bytes())
    hasher.update(os.uname().machine.encode())
    for name in (".python-version", "pyproject.toml"):
        text = (worktree / name).read_bytes() if (worktree / name).exists() else b""
        if name == ".python-version" or b"[tool.uv" in text:
            hasher.update(text)
    for file in _own_packages(worktree, lockfile):
        hasher.update(file.relative_to(worktree).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return hasher.hexdigest()


def environment_files(worktree: Path) -> list[Path]:
    """The files of a project that decide what its environment is."""
    lockfile = lockfile_of(worktree)
    named = [worktree / name for name in (lockfile, ".python-version", "pyproject.toml") if name]
    own = _own_packages(worktree, lockfile) if lockfile else ()
    return [*(path for path in named if path.is_file()), *own]


def _own_packages(worktree: Path, lockfile: str) -> Iterator[Path]:
    """Files of packages that lie in the project's folder: the lock does not say what is in them."""
    if lockfile == "uv.lock":
        for place in sorted({*locked_sources(worktree / lockfile).values()} - {"", "archive"}):
            folder = (worktree / place).resolve()
            if folder.is_relative_to(worktree.resolve()):
                yield from sorted(path for path in (worktree / place).rglob("*") if path.is_file())


def _unlocked() -> Environment:
    """The python at hand; its digest changes with the names and versions of what is installed."""
    active = os.environ.get("VIRTUAL_ENV")
    python = Path(active, "bin", "python") if active else Path(sys.executable)
    bare = Environment(python, "", reproducible=False)
    packages = sorted(each.name for folder in bare.site_packages for each in folder.glob("*.dist-info"))
    text = "\n".join([str(python), sys.version, *packages])
    return Environment(python, hashlib.sha256(text.encode()).hexdigest(), reproducible=False)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it goes with the process that holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(worktree: Path, lockfile: str, folder: Path, home: Home) -> None:
    """Build in place, because an environment cannot be moved; the mark at the end says that it is whole."""
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name[:8]}-", dir=folder.parent) as scratch:
        installer = Installer(worktree, lockfile, folder, Path(scratch), home)
        if lockfile == "uv.lock":
            installer.run(["sync", "--frozen", "--no-install-project"])
        else:
            installer.run(["venv", str(folder)])
            arguments = ["pip", "install", "--require-hashes", "--no-deps", "-r", lockfile]
            installer.run([*arguments, "--python", str(folder / "bin" / "python")])
    _mark_ready(folder)


def _mark_ready(folder: Path) -> None:
    lines = (folder / "pyvenv.cfg").read_text().splitlines()
    settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    text = json.dumps({"python": settings.get("version_info", settings.get("version", ""))})
    temporary = folder / f"{_READY}.new"
    temporary.write_text(text)
    temporary.replace(folder / _READY)
