"""`falaj-agent`: the command of a machine that serves models and has nothing of the control plane."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from falaj import __version__
from falaj.core.errors import FalajError, NotFoundError, UsageError
from falaj.core.home import Home

TOKEN = "FALAJ_ENROLMENT_TOKEN"  # noqa: S105 - the name of the variable


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; a `FalajError` becomes three lines and its exit code.

    Args:
        arguments: Without the name of the program; those of the process when None.
    """
    os.umask(0o077)  # nothing of a location is for others on the machine
    options = parser().parse_args(arguments)
    environ = {**os.environ, "FALAJ_HOME": options.home} if options.home else os.environ
    try:
        options.command(Home.from_environment(environ), options)
    except FalajError as error:
        _end(error)
    except KeyboardInterrupt:
        sys.exit(130)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser("falaj-agent", description="Serves the releases of a location.")
    root.add_argument("--version", action="version", version=f"falaj-agent {__version__}")
    root.add_argument("--home", default="", help="Folder of the agent; by default FALAJ_HOME, or ~/.falaj.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    enroll = _command(
        commands, "enroll", "Enroll a location by a one-time token; the control plane prints the command."
    )
    enroll.add_argument("--server", required=True, help="The control plane's port for agents, https://HOST:PORT.")
    enroll.add_argument("--token", default=os.environ.get(TOKEN, ""), help=f"The one-time token; by default {TOKEN}.")
    enroll.add_argument("--ca-fingerprint", required=True, help="SHA-256 of the certificate of the server's authority.")
    enroll.set_defaults(command=_enroll)
    run = _command(commands, "run", "Serve what the control plane wants served here, until SIGTERM.")
    run.add_argument("--gateway-port", type=int, default=0, help="Port of the endpoints; 0 keeps the last one.")
    run.set_defaults(command=_run)
    status = _command(commands, "status", "Show what is enrolled and serves here; asks nobody.")
    status.add_argument("--json", action="store_true", help="Print JSON.")
    status.set_defaults(command=_status)
    return root


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary)
    command.add_argument("--location", default="local", help="Name of the location.")
    return command


def _enroll(home: Home, options: argparse.Namespace) -> None:
    from falaj.dataplane.agent.bootstrap import enrol_location

    if not options.server.startswith("https://") or not options.token:
        raise UsageError(
            "--server must be https://HOST:PORT, and a token is required",
            hint="an administrator creates the token where the control plane runs",
        )
    home.prepare()
    enrol_location(home, options.location, options.server, options.token, options.ca_fingerprint)
    _print(f"location '{options.location}' is enrolled")


def _run(home: Home, options: argparse.Namespace) -> None:
    from falaj.dataplane.agent.bootstrap import run

    home.prepare()
    if options.gateway_port:
        home.save_ports(home.ports() | {"gateway": options.gateway_port})
    run(home.root, home.server_url, home.token, options.location, home.ports()["gateway"])


def _status(home: Home, options: argparse.Namespace) -> None:
    folder = home.location_dir(options.location)
    if not folder.is_dir():
        raise NotFoundError(f"this machine has no location '{options.location}'", where=str(folder), code="agent.none")
    report = _report(folder, options.location, time.time())
    _print(
        json.dumps(report, indent=2) if options.json else "\n".join(f"{name}: {fact}" for name, fact in report.items())
    )


def _report(folder: Path, location: str, now: float) -> Mapping[str, str | list[str]]:
    """What the files of a location say."""
    from falaj.dataplane.agent.bootstrap import is_running
    from falaj.dataplane.agent.state_store import Memory

    return {
        "location": location,
        "agent": "running" if is_running(folder) else "stopped",
        "certificate": _certificate(folder, location, now),
        "endpoints": [
            f"{one.endpoint.name} {one.endpoint.model}@{one.endpoint.release}" for one in Memory(folder).admitted()
        ],
    }


def _certificate(folder: Path, location: str, now: float) -> str:
    from falaj.dataplane.agent.agent_identity import membership_of

    member = membership_of(folder, location)
    if member is None:
        return "not enrolled"
    left_s = member.certified_until() - now
    return f"valid for {left_s:.0f} s" if left_s > 0 else "expired"


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is the terminal


def _end(error: FalajError) -> NoReturn:
    if os.environ.get("FALAJ_DEBUG"):
        raise error
    print("\n".join(error.lines()), file=sys.stderr, flush=True)  # noqa: T201
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
