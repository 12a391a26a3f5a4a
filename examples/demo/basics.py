"""From a push to an answer, and from the answer back to the commit."""

from __future__ import annotations

import shutil
import socket
import time
from statistics import mean

from rich.table import Table

from demo.outcomes import SHOWN
from demo.stage import Answers, Flight, Stage, commit_and_push, edit, endpoint_url, follow_run, serves
from demo.terminal import CHECKOUT, PROJECT, console, falaj, git, show_command, wait_for
from falaj.core.home import Home
from falaj.sdk import Endpoint

ENDPOINT = "dev/flight-delay"


def start_platform(_: Stage) -> str:
    """Start a server, a worker and an agent."""
    server, envoy = free_ports(2)
    falaj("up", "--port", server, "--gateway-port", envoy)
    return SHOWN


def push_project(_: Stage) -> str:
    """Copy the example into a repository of its own, commit it, and push it to the platform."""
    leave_out = shutil.ignore_patterns(".*_cache", "__pycache__", ".venv", "mlflow.db")
    shutil.copytree(CHECKOUT / "examples" / "flights", PROJECT, ignore=leave_out)
    git("init", "--quiet", "--initial-branch=main")
    git("config", "user.name", "Sara")
    git("config", "user.email", "sara@example.org")
    falaj("project", "add", "flights")
    git("remote", "add", "falaj", Home.from_environment().repos / "flights.git")
    commit_and_push("Predict late arrivals")
    return SHOWN


def watch_run(stage: Stage) -> str:
    """Follow the first run to its end."""
    stage.runs.append(follow_run())
    falaj("run", "show", stage.runs[-1].id)
    return SHOWN


def look_at_release(_: Stage) -> str:
    """Show the release and verify its evidence."""
    falaj("release", "show", "flight-delay@1")
    falaj("release", "verify", "flight-delay@1")
    return SHOWN


def see_it_live(_: Stage) -> str:
    """Wait until the endpoint in dev answers from release 1."""
    wait_for("release 1 to be live in dev", lambda: serves(ENDPOINT, 1))
    falaj("endpoint", "list")
    return SHOWN


def predict(stage: Stage) -> str:
    """Ask the endpoint about every flight, one after the other."""
    flights, url = stage.flights, endpoint_url(ENDPOINT)
    show_command(f"endpoint = falaj.sdk.Endpoint({url!r})", prompt=">>>")
    show_command("for flight in flights: endpoint.predict([flight])", prompt=">>>")
    stage.answers = ask_about(flights, url)
    report_answers(stage.answers, [flight.arrived_late for flight in flights])
    return SHOWN


def ask_about(flights: list[Flight], url: str) -> Answers:
    """Ask one question a flight, and take the time."""
    answers = []
    with console.status("asking"), Endpoint(url) as endpoint:
        for flight in flights:
            began = time.perf_counter()
            answer = endpoint.predict([flight.row])
            answers.append((answer.id, time.perf_counter() - began, says_late(answer.predictions[0])))
    ids, seconds, late = zip(*answers, strict=True)
    return Answers(ids[-1], list(seconds), list(late))


def says_late(value: float | list[float]) -> bool:
    """Whether an answer is `late`: the class itself, or a probability for each class."""
    return (value[-1] if isinstance(value, list) else value) >= 0.5


def report_answers(answers: Answers, late: list[int]) -> None:
    """Print latencies, and how good the answers were now that it is known which flights were late."""
    called = [outcome for outcome, said_late in zip(late, answers.late, strict=True) if said_late]
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("answered", f"{len(answers.late):,} of {len(late):,} in {sum(answers.seconds):.1f} s")
    table.add_row("latency", f"p50 {answers.latency_ms(0.50):.2f} ms, p99 {answers.latency_ms(0.99):.2f} ms")
    table.add_row(
        "called late", f"{len(called):,}, and {mean(called or [0]):.0%} of them were; of all, {mean(late):.0%}"
    )
    console.print(table)


def trace_prediction(stage: Stage) -> str:
    """Trace the last prediction."""
    assert stage.answers is not None
    falaj("trace", stage.answers.last)
    return SHOWN


def change_parameter(stage: Stage) -> str:
    """Commit and push a change of one number in falaj.yaml."""
    edit("falaj.yaml", ("learning_rate: 0.1", "learning_rate: 0.05"))
    git("diff", "--unified=0", "--word-diff=plain", "falaj.yaml")
    commit_and_push("Learn more slowly")
    stage.runs.append(follow_run())
    release = stage.runs[-1].release
    wait_for(f"release {release} to be live in dev", lambda: serves(ENDPOINT, release))
    falaj("release", "list")
    return SHOWN


def free_ports(count: int) -> list[int]:
    """Ports on the loopback interface that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
