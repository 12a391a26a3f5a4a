"""Runs uv in the sandbox: wheels first, where no code of a project runs; source distributions only if it must be.

Wheels are fetched against the lock's hashes into the installation's cache by a uv that sees the lockfile and nothing
else of the project. What wheels alone cannot give is built by code of the project and of its dependencies: that gets
the worktree, a cache of its own which goes with it, and none of the installation's credentials. Everything is compiled
at once: what uses the environment later cannot write to it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from falaj.core.home import Home
from falaj.core.os_processes.ports import own_ports
from falaj.core.os_processes.process import Limits, never_stopped, run_process
from falaj.core.sandbox import Launch, certificate_paths, offered, python_folders, scratch_environ
from falaj.core.venv.errors import EnvironmentBuildError

TIMEOUT_S = 3600.0
_NAMES = ("pyproject.toml", "uv.toml")
_VERSION = re.compile(r"\s*[\w.+-]+\s*")
"""What may stand in `.python-version`: a name, and not a path to a program of the project."""


_NEEDS_CODE = re.compile("no-build|file://")
"""How uv says that something has no wheel, or lies in the project."""


def locked_sources(lock: Path) -> dict[str, str]:
    """Packages of a `uv.lock` to how they are built: `archive`, a folder of the project, or empty for a wheel."""
    try:
        packages = tomllib.loads(lock.read_text()).get("package", [])
    except tomllib.TOMLDecodeError:
        return {}  # uv will say what is wrong with it
    return {each["name"]: _how(each) for each in packages if each.get("source", {}).get("virtual") != "."}


def _how(package: Mapping[str, Any]) -> str:
    source = package.get("source", {})
    for kind in ("directory", "editable", "path", "virtual"):
        if kind in source:
            return "" if source[kind] == "." else str(source[kind])
    return "" if package.get("wheels") else "archive"


@dataclass(frozen=True)
class Installer:
    """uv for one environment.

    Args:
        worktree: The project's folder.
        lockfile: Its lockfile.
        target: The environment's folder.
        scratch: A folder that goes away afterwards.
        home: The installation.
    """

    worktree: Path
    lockfile: str
    target: Path
    scratch: Path
    home: Home

    def run(self, arguments: list[str]) -> None:
        """Run uv from its cache alone, with the network if that was not enough, and with builds where it must be.

        Raises:
            EnvironmentBuildError: It could not install what the lock names.
        """
        wheels, built = [] if arguments[0] == "venv" else ["--no-build"], self._built()
        left_out = [option for name in built for option in ("--no-install-package", name)]
        for options in (["--offline", *wheels], wheels):
            code, printed = self._fetch([*arguments, *options, *left_out])
            if code == 0:
                break
        if built or (code != 0 and wheels and _NEEDS_CODE.search(printed)):
            code, printed = self._build(arguments)
        if code != 0:
            last = printed.strip().splitlines()[-6:]
            raise EnvironmentBuildError(
                "the environment could not be built: " + " / ".join(line.strip() for line in last),
                where=str(self.worktree),
                hint="`uv sync` in the project shows the same; commit the lockfile that works",
            )

    def _built(self) -> list[str]:
        """Packages of the lock that have to be built."""
        if self.lockfile != "uv.lock":
            return []
        return sorted(name for name, built in locked_sources(self.worktree / self.lockfile).items() if built)

    def _fetch(self, arguments: list[str]) -> tuple[int, str]:
        """Only uv runs, so it may write to the installation's cache; no namespaces, or it could not link from it."""
        scratch = self.scratch / "fetch"
        folder = self._bare_project(scratch / "project")
        cache, pythons = _cache(), _pythons()
        for path in (cache, pythons, self.target):
            path.mkdir(parents=True, exist_ok=True)
        settings = {**_settings(), "UV_CACHE_DIR": str(cache), "UV_PYTHON_INSTALL_DIR": str(pythons)}
        environ = {**_uv_variables(), **settings}
        readable = (folder, *_settings_places())
        launch = self._launch(arguments, folder, scratch, environ, readable, (cache, pythons))
        return _finish(launch, namespaces=False)

    def _build(self, arguments: list[str]) -> tuple[int, str]:
        """Code of the project and its dependencies runs, so it shares nothing with other projects."""
        scratch = self.scratch / "build"
        self.target.mkdir(parents=True, exist_ok=True)
        environ = {"UV_CACHE_DIR": str(scratch / "cache"), "UV_PYTHON_INSTALL_DIR": str(_pythons())}
        readable = (self.worktree, *([_pythons()] if _pythons().exists() else []))
        return _finish(self._launch(arguments, self.worktree, scratch, environ, readable, ()), namespaces=True)

    def _launch(
        self,
        arguments: list[str],
        folder: Path,
        scratch: Path,
        environ: Mapping[str, str],
        readable: tuple[Path, ...],
        writable: tuple[Path, ...],
    ) -> Launch:
        import uv

        program = Path(uv.find_uv_bin())
        own = scratch_environ(scratch, os.environ, network=True)
        pythons = f"{Path(sys.executable).resolve().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        paths = {"PATH": pythons, "UV_PROJECT_ENVIRONMENT": str(self.target), "UV_COMPILE_BYTECODE": "1"}
        return Launch(
            (str(program), "--no-progress", *arguments),
            folder,
            {**own, **paths, **environ},
            (program, *python_folders(Path(sys.executable)), *certificate_paths(own), *readable, *_upward(folder)),
            scratch,
            (self.target, *writable),
            network=True,
            hidden=(self.home.root,),
            closed_ports=own_ports(self.home),
        )

    def _bare_project(self, folder: Path) -> Path:
        """The lockfile and what is said about it, without code."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in (self.lockfile, *_NAMES):
            if (self.worktree / name).is_file() and not (self.worktree / name).is_symlink():
                shutil.copyfile(self.worktree / name, folder / name)
        version = self.worktree / ".python-version"
        if version.is_file() and not version.is_symlink() and _VERSION.fullmatch(version.read_text()):
            shutil.copyfile(version, folder / version.name)
        return folder


def _upward(folder: Path) -> Iterator[Path]:
    """Where uv looks for a workspace and for settings, as it does in the project itself; a denied look ends it."""
    places = (parent / name for parent in folder.parents for name in ("pyproject.toml", "uv.toml"))
    return (place for place in places if place.is_file())


def _finish(launch: Launch, *, namespaces: bool) -> tuple[int, str]:
    printed: list[bytes] = []
    sandbox = offered() if namespaces else replace(offered(), namespaces=False)
    try:
        with never_stopped() as stop:
            ending = run_process(launch, limits=Limits(TIMEOUT_S), stop=stop, output=printed.append, sandbox=sandbox)
    except OSError as error:
        return 1, str(error)
    return ending.code, b"".join(printed).decode(errors="replace")


def _cache() -> Path:
    """The installation's cache of uv."""
    if named := os.environ.get("UV_CACHE_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "uv")


def _pythons() -> Path:
    """Where uv keeps the Pythons that it has fetched."""
    if named := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share", "uv", "python")


def _uv_variables() -> dict[str, str]:
    """Settings of the installation for uv, such as its index."""
    return {name: value for name, value in os.environ.items() if name.startswith("UV_")}


def _settings() -> dict[str, str]:
    """Where the installation's settings and credentials for uv are."""
    return {"NETRC": str(_netrc()), "XDG_CONFIG_HOME": str(_configuration())}


def _settings_places() -> list[Path]:
    return [path for path in (_netrc(), _configuration() / "uv", Path("/etc/uv")) if path.exists()]


def _netrc() -> Path:
    return Path(os.environ.get("NETRC") or Path.home() / ".netrc")


def _configuration() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
