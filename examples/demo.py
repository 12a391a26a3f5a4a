"""The whole way in a few minutes: a commit of `examples/flights` becomes a live model, on this machine alone.

Everything happens in `.demo/` of the checkout, with the commands that a user types; each is shown before it runs.
Run it by `make demo`, or `make demo KEEP=1` to leave the platform running afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from demo_people import appoint, climb, look_as_auditor, take_back
from demo_rollouts import compare_in_the_shadow, let_candidates_prove_themselves, turn_a_failure_into_a_gate
from demo_stage import (
    CHECKOUT,
    FALAJ,
    PROJECT,
    SCRATCH,
    chapter,
    commit,
    console,
    falaj,
    free_ports,
    git,
    read_json,
    run_of,
    show_command,
    wait_for,
)
from demo_year import live_through_the_year
from rich.markup import escape
from rich.table import Table

from falaj.client import Client, Endpoint
from falaj.home import Home

UNSEEN_FROM = "2013-03-08"  # the day after the week that the gates judge on
FLIGHTS = 5000


@dataclass(frozen=True)
class Answers:
    """What the endpoint answered.

    Args:
        last: Id of the last prediction.
        seconds: How long each took, in order.
        late: Whether each flight was called late.
    """

    last: str
    seconds: list[float]
    late: list[bool]

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the requests stayed under."""
        return 1000 * sorted(self.seconds)[int(len(self.seconds) * share)]


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
        falaj("runs", "show", first["id"])

    with chapter("Look at release 1", "the model, where it comes from, and the signed evidence for it"):
        falaj("release", "flight-delay@1")
        falaj("verify", "flight-delay@1")

    with chapter("See it live", "two replicas behind Envoy, admitted by digest and signature"):
        wait_until_live(1)
        falaj("endpoints")

    with chapter(f"Predict {FLIGHTS:,} flights", f"real departures from {UNSEEN_FROM} on, one request each"):
        flights = questions()
        answers = predict_flights(flights)
        report_answers(answers, [flight["arrived_late"] for flight in flights])

    with chapter("Trace one prediction", "from the answer back to the commit and the bytes of the data"):
        falaj("trace", answers.last)

    with chapter("Appoint people", "no password is built in: the first administrator comes by a one-time link"):
        appoint()

    with chapter("Climb the ladder", "dev -> test -> pre-prod -> prod, with the approvals that policy asks for"):
        climb()

    with chapter("Look as an auditor", "evidence, approvals and the audit log, checked offline; changed copies fail"):
        look_as_auditor()

    with chapter("Change one parameter", "the steps that it does not touch are not run again"):
        change_learning_rate()
        second = follow_run()
        wait_until_live(2)
        falaj("releases")

    with chapter("Take a release back", "release 2 goes one rung up, and back again"):
        take_back()

    with chapter("Let candidates prove themselves", "a canary under real departures: errors, latency, and labels"):
        let_candidates_prove_themselves(follow_run, flights)

    with chapter("Turn a failure into a gate", "wrong about one carrier: found by labels, held against the next ones"):
        turn_a_failure_into_a_gate(follow_run, flights)

    with chapter("Compare in the shadow", "two releases get copies of the requests and are compared pair by pair"):
        compare_in_the_shadow(flights)

    live_through_the_year(follow_run)
    summarise(first, second, answers)


def prepare_scratch() -> None:
    """Point this process and its children at a fresh home; stop what an earlier demo left running."""
    os.environ |= {
        "FALAJ_HOME": str(SCRATCH / "home"),
        "FALAJ_CREDENTIALS": str(SCRATCH / "people"),
        "FALAJ_TRIAGE_COOLDOWN_S": "1",  # the year is over in minutes
        "FALAJ_MONITOR_EVERY_S": "0.3",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    os.environ.setdefault("UV_CACHE_DIR", str(CHECKOUT / ".cache" / "uv"))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # every step would compile its libraries anew
    if SCRATCH.exists():
        falaj("down", quiet=True)
        shutil.rmtree(SCRATCH)
    SCRATCH.mkdir()


def commit_project() -> None:
    """Copy the example into a repository of its own and commit it."""
    leave_out = shutil.ignore_patterns(".*_cache", "__pycache__", ".venv", "mlflow.db")
    shutil.copytree(CHECKOUT / "examples" / "flights", PROJECT, ignore=leave_out)
    git("init", "--quiet", "--initial-branch=main")
    git("config", "user.name", "Sara")
    git("config", "user.email", "sara@example.org")
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
    return read_json("runs", "show", run["id"])


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
    show_command("python", *command[1:], ">", "flights.jsonl")
    lines = subprocess.run(command, cwd=PROJECT / "src", check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def environment_python() -> Path:
    """The Python of the environment that the platform built from the project's lockfile."""
    return next((SCRATCH / "home" / "envs").glob("*/bin/python"))


def predict_flights(flights: list[dict[str, Any]]) -> Answers:
    """Ask the endpoint about every flight, one after the other."""
    live = Client.from_home().endpoint("dev/flight-delay")
    assert live is not None and live.url
    show_command(f"endpoint = falaj.client.Endpoint({live.url!r})", prompt=">>>")
    show_command("for flight in flights: endpoint.predict([flight])", prompt=">>>")
    endpoint, answers = Endpoint(live.url), []
    with console.status("asking"):
        for flight in flights:
            began = time.perf_counter()
            answer = endpoint.predict([flight["row"]])
            answers.append((answer.id, time.perf_counter() - began, says_late(answer.predictions[0])))
    ids, seconds, late = zip(*answers, strict=True)
    return Answers(ids[-1], list(seconds), list(late))


def says_late(value: Any) -> bool:
    """Whether an answer is `late`: the class itself, or a probability for each class."""
    return (value[-1] if isinstance(value, list) else value) >= 0.5


def report_answers(answers: Answers, outcomes: Sequence[int]) -> None:
    """Print latencies, and how good the answers were now that the outcome is known."""
    called = [outcome for outcome, late in zip(outcomes, answers.late, strict=True) if late]
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_row("answered", f"{len(answers.late):,} of {len(outcomes):,} in {sum(answers.seconds):.1f} s")
    table.add_row("latency", f"p50 {answers.latency_ms(0.50):.2f} ms, p99 {answers.latency_ms(0.99):.2f} ms")
    table.add_row(
        "called late", f"{len(called):,}, and {mean(called or [0]):.0%} of them were; of all, {mean(outcomes):.0%}"
    )
    console.print(table)


def summarise(first: Any, second: Any, answers: Answers) -> None:
    """Print what happened and how long it took."""
    table = Table(title="What happened", title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("", "first push", "second push"):
        table.add_column(column)
    rows = {
        "commit": lambda run: run["commit"][:10],
        "release": lambda run: f"{run['model']}@{run['release']}",
        "time": lambda run: f"{run['ended_at'] - run['started_at']:.1f} s",
        "steps": steps_summary,
        "passed": passed_summary,
    }
    for name, value in rows.items():
        table.add_row(name, value(first), value(second))
    console.print()
    console.print(table)
    console.print(
        f"\n{len(answers.seconds):,} predictions, "
        f"p50 {answers.latency_ms(0.50):.2f} ms, p99 {answers.latency_ms(0.99):.2f} ms"
    )


def steps_summary(run: Any) -> str:
    """How many steps of a run were executed, and how many came from the cache."""
    states = [step["state"] for step in run["steps"] if step["kind"] == "step"]
    cached = states.count("cached")
    return f"{len(states) - cached} run, {cached} cached"


def passed_summary(run: Any) -> str:
    """How many checks and gates passed, of how many."""
    states = [step["state"] for step in run["steps"] if step["kind"] in ("check", "gate")]
    return f"{sum(state in ('passed', 'succeeded') for state in states)} of {len(states)} checks and gates"


def say_what_next(keep: bool) -> None:
    """Print what to try in the demo's home."""
    home, project, commands = (path.relative_to(CHECKOUT) for path in (SCRATCH / "home", PROJECT, FALAJ.parent))
    steps = {
        f"export FALAJ_HOME=$PWD/{home} PATH=$PWD/{commands}:$PATH": "",
        "falaj up": "" if keep else "the platform is down, its state is kept",
        "falaj status": "processes and endpoints",
        "falaj logs last fit": "what a step wrote",
        "falaj release flight-delay --export bundle": "a folder that falaj verify checks anywhere",
        f"cd {project} && falaj run": "the same pipeline without a server, as in a CI job",
        "falaj down": "stop everything",
    }
    console.print("\n[bold]What to try next[/]")
    for command, what in steps.items():
        if command != "falaj up" or not keep:
            console.print(f"  {escape(command):44} [dim]{what}[/]", soft_wrap=True)
    console.print("\nThen build your own: docs/tutorial/first-project.md")


if __name__ == "__main__":
    main()
