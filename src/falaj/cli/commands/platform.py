"""The platform's processes: up, down, status, doctor, and each part by itself.

A part is imported when its process starts: none carries the libraries of another.
"""

from __future__ import annotations

import logging
import os
import sys
import webbrowser
from importlib.util import find_spec
from typing import Annotated

import typer

from falaj.cli import supervisor
from falaj.cli.connection import open_client
from falaj.cli.doctor import examine
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table, state_styled
from falaj.cli.supervisor import run_worker_with_notary
from falaj.cli.ui_address import page_of
from falaj.control import step_worker
from falaj.core.errors import MissingExtraError, UsageError
from falaj.core.home import Home
from falaj.sdk import ServerUnreachableError


def up(
    port: Annotated[int, typer.Option(help="Port of the server's API; 0 keeps the last one.")] = 0,
    gateway_port: Annotated[int, typer.Option(help="Port of the endpoints; 0 keeps the last one.")] = 0,
    agents_port: Annotated[
        int, typer.Option(help="TLS port for agents of other locations; 0 keeps the last one, -1 closes it.")
    ] = 0,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay until Ctrl-C.")] = False,
) -> None:
    """Start server, worker and agent on this machine."""
    home = Home.from_environment().prepare()
    ports = home.ports()
    port_options = (("server", port), ("gateway", gateway_port), ("agents", agents_port))
    ports |= {name: chosen for name, chosen in port_options if chosen}
    if agents_port < 0:
        del ports["agents"]
    if foreground:
        supervisor.Supervisor(home, ports).run()
        return
    supervisor.start_in_background(home, ports)
    emit(f"falaj is up: web UI {home.ui_url}")
    emit(f"API http://127.0.0.1:{ports['server']}, endpoints http://127.0.0.1:{ports['gateway']}")
    if "agents" in ports:
        emit(f"agents of other locations: port {ports['agents']} (TLS); falaj location enroll NAME")
    emit(f"home {home.root}; falaj status, falaj down")
    link = home.root / "setup-link"
    if link.exists():
        setup_address = f"{home.ui_url}/setup#{link.read_text().rpartition('#')[2]}"
        emit(f"no administrator yet: open {setup_address}")
        emit(f"  or falaj access bootstrap '{setup_address}'")


def open_ui(
    thing: Annotated[str, typer.Argument(help="What to open: see below; empty for what waits for you.")] = "",
    browser: Annotated[bool, typer.Option(help="Open a browser; without, only print the address.")] = True,
) -> None:
    """Open the web UI at a thing: RUN, MODEL, MODEL@NUMBER, ENVIRONMENT/MODEL, or a page such as changes/ID."""
    address = f"{Home.from_environment().ui_url}{page_of(thing)}"
    emit(address)
    if browser:
        webbrowser.open(address)


def down(
    keep_serving: Annotated[bool, typer.Option("--keep-serving", help="Leave Envoy and the models running.")] = False,
) -> None:
    """Stop the platform."""
    from falaj.dataplane.agent import stop_location

    home = Home.from_environment()
    was_up = supervisor.stop_in_background(home)
    if not keep_serving:
        stop_location(home.root, "local")
    emit("falaj is down" if was_up else "falaj was not running")


def status(json: JsonOption = False) -> None:
    """Show processes and endpoints."""
    home = Home.from_environment()
    state = supervisor.state_of(home)
    parts = dict(state["parts"]) if state else {}
    try:
        client = open_client(home)
        health, endpoints = client.health(), list(client.endpoints())
    except ServerUnreachableError:
        health, endpoints = None, []
    if json:
        emit_json(
            {"server": health.status if health else "down", "parts": parts, "endpoints": [vars(e) for e in endpoints]}
        )
        return
    emit(f"server {home.server_url}: {state_styled(health.status if health else 'down')}")
    rows = [(name, part["pid"] or "-", part["restarts"]) for name, part in parts.items()]
    emit_table(("process", "pid", "restarts"), rows, empty="no supervisor; falaj up starts one")
    served = [
        (e.endpoint, e.location, e.release, e.state, e.replicas_ready, e.url or "-", e.message) for e in endpoints
    ]
    emit()
    emit_table(
        ("endpoint", "location", "release", "state", "replicas", "url", "message"), served, empty="no endpoints yet"
    )


def doctor(json: JsonOption = False) -> None:
    """Check that this machine can run the platform; exit 6 when a check fails."""
    findings = examine(Home.from_environment())
    if json:
        emit_json(findings)
    else:
        emit_table(
            ("check", "state", "detail"), [(f.name, f.state, f.detail) for f in findings], empty="nothing examined"
        )
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(6)


def server(
    port: Annotated[int, typer.Option(help="Port; 0 is the home's.")] = 0,
    agents_port: Annotated[int, typer.Option(help="TLS port for agents elsewhere; 0 keeps the last one.", min=0)] = 0,
) -> None:
    """Run the server alone."""
    from falaj.api import serve

    home = Home.from_environment()
    if agents_port:
        home.prepare().save_ports(home.ports() | {"agents": agents_port})
    serve(home, port or home.ports()["server"])


def worker(
    join: Annotated[
        str, typer.Option(help="Carry out steps for a control plane elsewhere: its port for agents, https://HOST:PORT.")
    ] = "",
    token: Annotated[
        str, typer.Option(help="What `falaj platform executor enroll` printed; once.", envvar="FALAJ_JOIN_TOKEN")
    ] = "",
    cpus: Annotated[float, typer.Option(help="Cores that steps may reserve together; 0 is all of them.", min=0)] = 0,
) -> None:
    """Run a worker: of this installation with its notary, or with `--join` a machine of an executor."""
    if join or token or cpus:
        run_joined(Home.from_environment(), join, token, cpus)
        return
    from falaj.control.notary import inherited
    from falaj.control.runs.worker_start import run_worker

    home, notary = Home.from_environment().prepare(), inherited()
    if notary is None:
        run_worker_with_notary(home)
        return
    run_worker(home, notary)


def run_joined(home: Home, url: str, token: str, cpus: float) -> None:
    """Carry out steps for a control plane elsewhere.

    Raises:
        UsageError: The address is none.
    """
    if not url.startswith("https://"):
        raise UsageError("--join must be https://HOST:PORT", where=url, hint="falaj platform executor enroll NAME")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    step_worker.run_machine(home, url, token, cpus or None)


def agent(
    location: Annotated[str, typer.Option(help="The location that it serves.")] = "local",
    gateway_port: Annotated[int, typer.Option(help="Port of the endpoints; 0 keeps the last one.")] = 0,
) -> None:
    """Run the agent of a location of this machine alone; a machine elsewhere has `falaj-agent`."""
    from falaj.dataplane.agent import run

    home = Home.from_environment().prepare()
    if gateway_port:
        home.save_ports(home.ports() | {"gateway": gateway_port})
    run(
        home=home.root,
        server_url=home.server_url,
        token=home.token,
        location=location,
        gateway_port=home.ports()["gateway"],
        store_url=None,
    )


def mlflow_ui(port: Annotated[int, typer.Option(help="Port of the UI.")] = 8490) -> None:
    """Open the MLflow UI on this installation's tracking database."""
    home = Home.from_environment()
    if find_spec("flask") is None:
        raise MissingExtraError("mlflow-ui", "the MLflow UI")
    command = ["mlflow", "ui", "--backend-store-uri", home.mlflow_uri, "--host", "127.0.0.1", "--port", str(port)]
    os.execve(sys.executable, [sys.executable, "-m", *command], {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})  # noqa: S606
