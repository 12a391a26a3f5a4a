"""The whole way in a few minutes: a commit of `examples/flights` becomes a live model, on this machine alone.

Everything happens in `.demo/` of the checkout, with the commands that a user types; each is shown before it runs.
Run it by `make demo`, or `make demo KEEP=1` to leave the platform running afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from falaj.client import Client, Endpoint
from falaj.home import Home

CHECKOUT = Path(__file__).resolve().parents[1]
SCRATCH = CHECKOUT / ".demo"
PROJECT = SCRATCH / "flights"
FALAJ = Path(sys.executable).with_name("falaj")
UNSEEN_FROM = "2013-03-08"  # the day after the week that the gates judge on
FLIGHTS = 5000

console = Console(highlight=False)
took: dict[str, float] = {}


def main() -> None:
    """Show the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the platform running")
    keep = parser.parse_args().keep
    prepare_scratch()
    try:
        show()
    except BaseException:
        falaj("down", quiet=True)
        raise
    if not keep:
        falaj("down", quiet=True)
    say_what_next(keep)


def show() -> None:
    """Go the whole way, once."""
    with chapter("Start the platform", "a server, a worker and an agent; SQLite and plain files, no container"):
        server, envoy = free_ports(2)
        falaj("up", "--port", server, "--envoy-port", envoy)

    with chapter("Push a project", "an ordinary git repository: Python functions, tests, a lockfile, falaj.yaml"):
        commit_project()
        push_commit()

    with chapter("Watch the run", "a clean worktree in the locked environment: steps, checks, gates"):
        first = follow_run()

    with chapter("Look at release 1", "the model, where it comes from, and the signed evidence for it"):
        falaj("release", "flight-delay@1")
        falaj("verify", "flight-delay@1")

    with chapter("See it live", "two replicas behind Envoy, admitted by digest and signature"):
        wait_until_live(1)
        falaj("endpoints")

    with chapter(f"Predict {FLIGHTS:,} flights", f"real departures from {UNSEEN_FROM} on, one request each"):
        prediction = predict_flights(questions())

    with chapter("Trace one prediction", "from the answer back to the commit and the bytes of the data"):
        falaj("trace", prediction)

    with chapter("Change one parameter", "the steps that it does not touch are not run again"):
        change_learning_rate()
        second = follow_run()
        wait_until_live(2)
        falaj("releases")

    summarise(first, second)


def prepare_scratch() -> None:
    """Point this process and its children at a fresh home; stop what an earlier demo left running."""
    os.environ |= {"FALAJ_HOME": str(SCRATCH / "home"), "UV_PYTHON_DOWNLOADS": "never"}
    os.environ.setdefault("UV_CACHE_DIR", str(CHECKOUT / ".cache" / "uv"))
    if SCRATCH.exists():
        falaj("down", quiet=True)
        shutil.rmtree(SCRATCH)
    SCRATCH.mkdir()


def commit_project() -> None:
    """Copy the example into a repository of its own and commit it."""
    leave_out = shutil.ignore_patterns(".*_cache", "__pycache__", ".venv", "mlflow.db")
    shutil.copytree(CHECKOUT / "examples" / "flights", PROJECT, ignore=leave_out)
    git("init", "--quiet", "--initial-branch=main")
    git("config", "user.name", "Demo")
    git("config", "user.email", "demo@example.org")
    commit("Predict late arrivals")


def push_commit() -> None:
    """Make the platform a remote of the repository, and push."""
    falaj("remote", "add", "flights")
    git("remote", "add", "falaj", Home.from_environment().repos / "flights.git")
    git("push", "--quiet", "falaj", "main")


def change_learning_rate() -> None:
    """Commit and push a change of one number in falaj.yaml."""
    file = PROJECT / "falaj.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.1", "learning_rate: 0.05"))
    git("diff", "--unified=0", "--word-diff=plain", "falaj.yaml")
    commit("Learn more slowly")
    git("push", "--quiet", "falaj", "main")


def follow_run() -> Any:
    """Show the run of the newest commit until it ends; return it as JSON."""
    head = git("rev-parse", "HEAD", quiet=True).strip()
    run = wait_for("the push to start a run", lambda: run_of(head))
    falaj("runs", "watch", run["id"])
    falaj("runs", "show", run["id"])
    return read_json("runs", "show", run["id"])


def run_of(commit_id: str) -> Any:
    """The run of a commit, or None when there is none yet."""
    return next((run for run in read_json("runs") if run["commit"] == commit_id), None)


def wait_until_live(release: int) -> None:
    """Wait until the endpoint in dev answers from a release."""

    def live() -> bool:
        return any(
            (each["endpoint"], each["release"], each["state"]) == ("dev/flight-delay", release, "ready")
            for each in read_json("endpoints")
        )

    wait_for(f"release {release} to be live in dev", live)


def questions() -> list[dict[str, Any]]:
    """Flights that no training and no gate has seen, read by the project's own code in its own environment."""
    python = environment_python()
    command = [python, "-m", "flights.replay", UNSEEN_FROM, str(FLIGHTS)]
    show_command("python", *command[1:], "> flights.jsonl")
    lines = subprocess.run(command, cwd=PROJECT / "src", check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def environment_python() -> Path:
    """The Python of the environment that the platform built from the project's lockfile."""
    return next((SCRATCH / "home" / "envs").glob("*/bin/python"))


def predict_flights(flights: list[dict[str, Any]]) -> str:
    """Ask the endpoint about every flight; return the id of the last prediction."""
    live = Client.from_home().endpoint("dev/flight-delay")
    assert live is not None and live.url
    endpoint = Endpoint(live.url)
    seconds, chances, answer = [], [], None
    with console.status("asking"):
        for flight in flights:
            began = time.perf_counter()
            answer = endpoint.predict([flight["row"]])
            seconds.append(time.perf_counter() - began)
            chances.append(chance(answer.predictions[0]))
    assert answer is not None
    report_predictions(live.url, seconds, chances, [flight["arrived_late"] for flight in flights])
    return answer.id


def chance(value: Any) -> float:
    """The probability of late, from one probability or one for each class."""
    return float(value[-1] if isinstance(value, list) else value)


def report_predictions(url: str, seconds: Sequence[float], chances: Sequence[float], late: Sequence[int]) -> None:
    """Print latencies, and how good the live answers were now that the outcome is known."""
    ordered = sorted(seconds)
    p50, p99 = (1000 * ordered[int(len(ordered) * share)] for share in (0.50, 0.99))
    squares = [(chance - outcome) ** 2 for chance, outcome in zip(chances, late, strict=True)]
    rate = sum(late) / len(late)
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("endpoint", url)
    table.add_row("answered", f"{len(seconds):,} of {len(late):,} in {sum(seconds):.1f} s, one after the other")
    table.add_row("latency", f"p50 {p50:.2f} ms   p99 {p99:.2f} ms")
    table.add_row("Brier score", f"{sum(squares) / len(squares):.3f} (always {rate:.2f}: {rate * (1 - rate):.3f})")
    console.print(table)
    took["p50 ms"], took["p99 ms"] = p50, p99


def summarise(first: Any, second: Any) -> None:
    """Print what happened and how long it took."""
    table = Table(title="What happened", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "first push", "second push"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row("release", *(f"{run['model']}@{run['release']}" for run in (first, second)))
    table.add_row("commit", *(run["commit"][:10] for run in (first, second)))
    table.add_row("run", *(f"{run['ended_at'] - run['started_at']:.1f} s" for run in (first, second)))
    table.add_row("steps run, from cache", *(", ".join(map(str, step_counts(run))) for run in (first, second)))
    table.add_row("checks and gates passed", *(passed(run) for run in (first, second)))
    console.print()
    console.print(table)
    total = sum(value for name, value in took.items() if not name.endswith(" ms"))
    console.print(
        f"\nFrom nothing to two releases in {total:.0f} s; "
        f"{FLIGHTS:,} predictions at p50 {took['p50 ms']:.2f} ms, p99 {took['p99 ms']:.2f} ms."
    )


def step_counts(run: Any) -> tuple[int, int]:
    """How many steps of a run were executed, and how many came from the cache."""
    states = [step["state"] for step in run["steps"] if step["kind"] == "step"]
    return len(states) - states.count("cached"), states.count("cached")


def passed(run: Any) -> str:
    """How many checks and gates passed, of how many."""
    states = [step["state"] for step in run["steps"] if step["kind"] in ("check", "gate")]
    return f"{sum(state in ('passed', 'succeeded') for state in states)} of {len(states)}"


def say_what_next(keep: bool) -> None:
    """Print what to try in the demo's home."""
    home, project = (path.relative_to(CHECKOUT) for path in (SCRATCH / "home", PROJECT))
    start = (
        ""
        if keep
        else f"{FALAJ.relative_to(CHECKOUT)} up                       the platform is down; its state is kept\n"
    )
    lines = (
        f"export FALAJ_HOME=$PWD/{home} PATH=$PWD/{FALAJ.parent.relative_to(CHECKOUT)}:$PATH\n{start}"
        "falaj status                   processes and endpoints\n"
        "falaj release flight-delay     the newest release; --export FOLDER for offline verification\n"
        "falaj logs last fit            what a step wrote\n"
        f"cd {project} && falaj run      the same pipeline without a server, as in a CI job\n"
        "falaj down                     stop everything\n\n"
        "Then build your own: docs/tutorial/first-project.md"
    )
    console.print(Panel(escape(lines), title="What to try next", title_align="left", expand=False))


@contextmanager
def chapter(title: str, what: str) -> Iterator[None]:
    """Print a heading, and remember how long what follows took."""
    console.print()
    console.rule(f"[bold]{title}[/]", align="left", style="dim")
    console.print(f"[dim]{what}[/]")
    began = time.monotonic()
    yield
    took[title] = time.monotonic() - began


def falaj(*arguments: object, quiet: bool = False) -> None:
    """Run a `falaj` command as a user would; end the demo when it fails."""
    command = [str(FALAJ), *map(str, arguments)]
    if quiet:
        subprocess.run(command, check=False, capture_output=True)
        return
    show_command("falaj", *arguments)
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"falaj {' '.join(command[1:])} failed; {SCRATCH}/home/logs says more")


def read_json(*arguments: str) -> Any:
    """The answer of a `falaj` command as JSON."""
    command = [str(FALAJ), *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def commit(message: str) -> None:
    """Commit everything in the project."""
    git("add", "--all")
    git("commit", "--quiet", "--message", message)


def git(*arguments: object, quiet: bool = False) -> str:
    """Run a git command in the project; return what it printed."""
    if not quiet:
        show_command("git", *arguments)
    done = subprocess.run(["git", *map(str, arguments)], cwd=PROJECT, check=True, text=True, stdout=subprocess.PIPE)
    if done.stdout and not quiet:
        console.print(escape(done.stdout.rstrip()))
    return done.stdout


def show_command(*words: object) -> None:
    """Print a command as it would be typed."""
    text = " ".join(str(word) if " " not in str(word) else f"'{word}'" for word in words)
    console.print(f"[bold cyan]$[/] [bold]{escape(text.replace(str(CHECKOUT) + '/', ''))}[/]", soft_wrap=True)


def wait_for(what: str, ready: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Ask again and again until the answer is not empty; end the demo after the time."""
    deadline = time.monotonic() + timeout_s
    with console.status(f"waiting for {what}"):
        while time.monotonic() < deadline:
            if answer := ready():
                return answer
            time.sleep(0.2)
    sys.exit(f"waited {timeout_s:.0f} s for {what}; {SCRATCH}/home/logs says more")


def free_ports(count: int) -> list[int]:
    """Ports on the loopback interface that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    main()
