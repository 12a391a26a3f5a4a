"""What chapters share: the project, its runs, and flights that no training has seen."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from demo.terminal import PROJECT, SCRATCH, DemoError, falaj, git, git_quietly, show_command, wait_for
from falaj.schemas.api import Run
from falaj.sdk import Client

if TYPE_CHECKING:
    from demo.year import Replay

UNSEEN_FROM = "2013-03-08"  # the day after the week that the gates judge on
FLIGHTS = 5000


@dataclass(frozen=True)
class Flight:
    """A departure.

    Args:
        row: What is known when it leaves.
        arrived_late: What came of it.
    """

    row: dict[str, object]
    arrived_late: int


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


@dataclass
class Stage:
    """What earlier chapters left for later ones.

    Args:
        runs: Runs that made the releases which the demo ends with a comparison of, in order.
        answers: What the endpoint answered to all flights.
        replay: What happened in the year.
    """

    runs: list[Run] = field(default_factory=list)
    answers: Answers | None = None
    replay: Replay | None = None

    @cached_property
    def flights(self) -> list[Flight]:
        """Flights that no training and no gate has seen, read by the project's own code in its own environment."""
        command = [str(environment_folder() / "bin/python"), "-m", "flights.replay", UNSEEN_FROM, str(FLIGHTS)]
        show_command("python", *command[1:], ">", "flights.jsonl")
        process = subprocess.run(command, cwd=PROJECT / "src", check=True, capture_output=True, text=True)
        return [Flight(**json.loads(line)) for line in process.stdout.splitlines()]


def environment_folder() -> Path:
    """The Python environment that the platform built from the project's lockfile."""
    return next((SCRATCH / "home" / "envs").glob("*/bin/python")).parents[1]


def platform() -> Client:
    """The platform's API, as whoever is logged in."""
    return Client.from_home()


def endpoint_url(endpoint: str) -> str:
    """Where an endpoint answers.

    Raises:
        DemoError: It does not exist.
    """
    endpoint_status = platform().endpoint(endpoint)
    if endpoint_status is None or not endpoint_status.url:
        raise DemoError(f"{endpoint} has no address")
    return endpoint_status.url


def serves(endpoint: str, release: int | None = None) -> bool:
    """Whether an endpoint is ready, and answers from a release if one is given."""
    endpoint_status = platform().endpoint(endpoint)
    return (
        endpoint_status is not None and endpoint_status.state == "ready" and release in (None, endpoint_status.release)
    )


def commit_and_push(message: str) -> None:
    """Commit everything in the project and push it."""
    git("add", "--all")
    git("commit", "--quiet", "--message", message)
    git("push", "--quiet", "falaj", "main")


def run_of_head() -> Run:
    """The run that the push of the newest commit started."""
    head = git_quietly("rev-parse", "HEAD")
    head_runs = wait_for("the push to start a run", lambda: [run for run in platform().runs() if run.commit == head])
    return head_runs[0]


def follow_run() -> Run:
    """Show the run of the newest commit until it ends; return what it came to.

    Raises:
        DemoError: It did not succeed.
    """
    run = run_of_head()
    falaj("run", "watch", run.id)
    ended = platform().run(run.id)
    if ended.state != "succeeded":
        raise DemoError(f"run {run.id} {ended.state}: {ended.reason}")
    return ended


def edit(name: str, *changes: tuple[str, str]) -> None:
    """Replace text in a file of the project.

    Raises:
        DemoError: The file does not have one of the texts.
    """
    file = PROJECT / name
    text = file.read_text()
    for old, new in changes:
        if old not in text:
            raise DemoError(f"{name} has no {old!r}")
        text = text.replace(old, new)
    file.write_text(text)
