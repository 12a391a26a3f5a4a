"""The project's own python with what its lockfile names, built once per lock by uv."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from falaj.home import Home
from falaj.pipeline.errors import EnvironmentBuildError

_READY = "falaj-ready.json"


@dataclass(frozen=True)
class Environment:
    """A python to run steps with.

    Attributes:
        python: The interpreter.
        digest: Hex SHA-256 of everything about it that results can depend on.
        reproducible: Whether a lockfile says exactly what is in it.
        lockfile: Name of the lockfile in the project; None without one.
    """

    python: Path
    digest: str
    reproducible: bool
    lockfile: str | None = None

    @property
    def site_packages(self) -> tuple[Path, ...]:
        """Folders that installed packages lie in."""
        return tuple(sorted(self.python.parent.parent.glob("lib/python3*/site-packages")))


def build(worktree: Path, home: Home) -> Environment:
    """The environment of a project, made if this lock was not seen before.

    `uv.lock` is honoured, or a `requirements.txt` with hashes. Without either the activated environment is used,
    or else the python that runs Falaj, and the result is not reproducible. Packages are taken from uv's cache
    when it has them all, so that a second build needs no network.

    Args:
        worktree: The project's folder.
        home: Environments are kept in its `envs` folder; one process builds while others wait.

    Raises:
        EnvironmentBuildError: uv could not install what the lock names.
    """
    lockfile = _lockfile(worktree)
    if lockfile is None:
        return _unlocked()
    key = _lock_digest(worktree, lockfile)
    folder = home.root / "envs" / key[:32]
    ready = folder / _READY
    if not ready.exists():
        with _alone(folder.with_suffix(".lock")):
            if not ready.exists():
                _install(worktree, lockfile, folder)
    digest = hashlib.sha256(f"{key}\n{ready.read_text()}".encode()).hexdigest()
    return Environment(folder / "bin" / "python", digest, reproducible=True, lockfile=lockfile)


def _lockfile(worktree: Path) -> str | None:
    if (worktree / "uv.lock").exists():
        return "uv.lock"
    requirements = worktree / "requirements.txt"
    hashed = requirements.exists() and "--hash=" in requirements.read_text(errors="replace")
    return "requirements.txt" if hashed else None


def _lock_digest(worktree: Path, lockfile: str) -> str:
    """Digest of what decides about the environment; `tool.uv` of the project says which groups are installed."""
    found = hashlib.sha256((worktree / lockfile).read_bytes())
    found.update(os.uname().machine.encode())
    for name in (".python-version", "pyproject.toml"):
        text = (worktree / name).read_bytes() if (worktree / name).exists() else b""
        if name == ".python-version" or b"[tool.uv" in text:
            found.update(text)
    return found.hexdigest()


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


def _install(worktree: Path, lockfile: str, folder: Path) -> None:
    """Build in place, because an environment cannot be moved; the mark at the end says that it is whole."""
    shutil.rmtree(folder, ignore_errors=True)
    if lockfile == "uv.lock":
        _uv(["sync", "--frozen", "--no-install-project"], worktree, folder)
    else:
        _uv(["venv", str(folder)], worktree, folder)
        arguments = ["pip", "install", "--require-hashes", "--no-deps", "-r", lockfile]
        _uv([*arguments, "--python", str(folder / "bin" / "python")], worktree, folder)
    _mark_ready(folder)


def _mark_ready(folder: Path) -> None:
    lines = (folder / "pyvenv.cfg").read_text().splitlines()
    settings = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    text = json.dumps({"python": settings.get("version_info", settings.get("version", ""))})
    temporary = folder / f"{_READY}.new"
    temporary.write_text(text)
    temporary.replace(folder / _READY)


def _uv(arguments: list[str], worktree: Path, folder: Path) -> None:
    """Run uv from its cache alone, and with the network only if that was not enough."""
    import subprocess

    import uv

    environ = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)}
    environ.pop("VIRTUAL_ENV", None)
    for offline in (["--offline"], []):
        command = [uv.find_uv_bin(), "--no-progress", *offline, *arguments]
        done = subprocess.run(command, cwd=worktree, env=environ, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    last = done.stderr.strip().splitlines()[-6:]
    raise EnvironmentBuildError(
        "the environment could not be built: " + " / ".join(line.strip() for line in last),
        where=str(worktree),
        hint="`uv sync` in the project shows the same; commit the lockfile that works",
    )
