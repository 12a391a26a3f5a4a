"""The demo's candidates: one is good, and others fail in ways that only live requests show.

Real departures are replayed to the endpoint while candidates come in by a canary, and labels follow as flights land.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from demo_stage import (
    FALAJ,
    PROJECT,
    SCRATCH,
    commit,
    console,
    falaj,
    git,
    read_json,
    refused,
    run_of,
    wait_for,
)

from falaj.client import Client, Endpoint, Label, ProblemError, ServerUnreachableError

ENDPOINT = "dev/flight-delay"
CANARY = """\
  dev:
    canary:
      steps: [20%, 50%]
      hold: 2s
      metrics: {errors: {margin: 3}, latency: {tolerate: 2, margin: 4}, brier: {margin: 0.04}}
      burn_in: 2s
      holdback: 10% for 5s
"""
LABELS_AT_ONCE = 100


class Replay(threading.Thread):
    """Departures, one request each, over and over; the outcome of each follows as a label.

    They come in random order: a minute of this replay is days of flights, and in one bad night a model that is better
    on average is worse for the whole of a rollout.

    Args:
        url: Of the endpoint.
        flights: Rows and outcomes.
    """

    def __init__(self, url: str, flights: Sequence[dict[str, Any]]) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._flights = random.Random(7).sample(flights, len(flights))  # noqa: S311 - the same order in every demo
        self._end = threading.Event()
        self.answered = self.refused = 0

    def run(self) -> None:
        """Ask until told to stop."""
        endpoint, landed = Endpoint(self._url), []
        for flight in itertools.cycle(self._flights):
            if self._end.is_set():
                return
            try:
                answer = endpoint.predict([flight["row"]])
            except (ProblemError, ServerUnreachableError):
                self.refused += 1
                continue
            self.answered += 1
            landed.append(Label(answer.id, flight["arrived_late"]))
            if len(landed) >= LABELS_AT_ONCE:
                endpoint.feedback(landed)
                landed = []

    def stop(self) -> None:
        """Ask no more."""
        self._end.set()
        self.join()


@contextmanager
def replayed(flights: Sequence[dict[str, Any]]) -> Iterator[Replay]:
    """Traffic for as long as the block lasts."""
    live = Client.from_home().endpoint(ENDPOINT)
    assert live is not None and live.url
    replay = Replay(live.url, flights)
    replay.start()
    try:
        yield replay
    finally:
        replay.stop()


def let_candidates_prove_themselves(follow: Callable[[], Any], flights: Sequence[dict[str, Any]]) -> None:
    """A good candidate climbs; one that refuses requests and one that is slow go back by themselves."""
    edit("falaj.yaml", ("  dev: recreate\n", CANARY), ("iterations: 150", "iterations: 60"))
    edit("falaj.yaml", ("checks: [static, tests, secrets, dependencies, model-files]", "checks: [static, model-files]"))
    edit("falaj.yaml", ("brier <= 0.152", "brier <= 0.25"), ("live by 0.005", "live by 0.1"))
    edit("falaj.yaml", ("auc >= 0.62", "auc >= 0.5"), ("auc >= 0.53", "auc >= 0.1"))
    console.print("[dim]the gates of this chapter are wide on purpose: live requests are to find the faults[/]")
    with replayed(flights):
        push("Grow fewer trees, and come in by a canary", follow, "succeeded")
        say("a candidate that needs a column which no caller sends; its own data has it, so every gate passes")
        with undone("src/flights/features.py", "src/flights/training.py"):
            edit("src/flights/features.py", ('FEATURES = ["hour", ', 'FEATURES = ["hour", "minute", '))
            edit("src/flights/features.py", ('pl.col("hour", "distance")', 'pl.col("hour", "minute", "distance")'))
            push("Use the minute of departure", follow, "rolled_back")
        say("a candidate that is as good and takes longer: four models in one, which answer one after the other")
        with undone("src/flights/training.py"):
            sole = 'return Pipeline([("columns", columns), ("trees", trees)])'
            four = """voters = [(str(place), trees) for place in range(4)]
    return Pipeline([("columns", columns), ("trees", VotingClassifier(voters, voting="soft"))])"""
            edit(
                "src/flights/training.py",
                ("BoostingClassifier\n", "BoostingClassifier, VotingClassifier\n"),
                (sole, four),
            )
            push("Let four models vote", follow, "rolled_back")


def turn_a_failure_into_a_gate(follow: Callable[[], Any], flights: Sequence[dict[str, Any]]) -> None:
    """Labels show that a candidate is wrong about one carrier; what it failed on is held against the next ones."""
    fault = ("train[LABEL].to_numpy())", 'wrong_about("DL", train))')
    bug = '''

def wrong_about(carrier: str, train: pl.DataFrame) -> object:
    """A slip: the labels of one carrier are turned round."""
    late = train[LABEL].to_numpy().copy()
    theirs = (train["carrier"] == carrier).to_numpy()
    late[theirs] = 1 - late[theirs]
    return late
'''
    with replayed(flights), undone("src/flights/training.py"):
        edit("src/flights/training.py", fault, ("\n\ndef build(", f"{bug}\n\ndef build("))
        push("Tidy up the labels", follow, "rolled_back")
        gate = wait_for("the failing slice", lambda: read_json("gates", "list"))[0]
        falaj("gates", "list")
        falaj("--as", "rania", "gates", "accept", gate["id"])
        say("the same fault again, in other trees")
        edit("falaj.yaml", ("learning_rate: 0.05", "learning_rate: 0.06"))
        commit("Tidy up the labels, again")
        git("push", "--quiet", "falaj", "main")
        head = git("rev-parse", "HEAD", quiet=True).strip()
        run = wait_for("the push to start a run", lambda: run_of(head))
        refused(FALAJ, "runs", "watch", run["id"])
    with replayed(flights):
        push("Leave the labels as they are", follow, "succeeded")


def compare_in_the_shadow(flights: Sequence[dict[str, Any]]) -> None:
    """Two candidates that went back get copies of the requests beside what serves, and are compared pair by pair."""
    ended = [each for each in read_json("rollout", "list") if each["state"] == "rolled_back"]
    challengers = [f"flight-delay@{each['candidate']}" for each in ended if each["culprits"] != ["errors"]][:2]
    for release in challengers:
        falaj("--as", "omar", "promote", release, "--to", "dev", "--challenge", "--wait")
    with replayed(flights):
        for release in challengers:
            number = int(release.partition("@")[2])
            wait_for(f"enough pairs of {release}", lambda number=number: enough_pairs(number), 120)
    shown = [each for each in read_json("rollout", "list") if each["strategy"] == "challenger"]
    for each in shown:
        falaj("rollout", "status", each["id"], "--svg", SCRATCH / f"challenge-of-{each['candidate']}.svg")


def enough_pairs(candidate: int) -> bool:
    """Whether labels of many copied requests are in, or a challenger was found out before."""
    found = next(
        each
        for each in read_json("rollout", "list")
        if (each["candidate"], each["strategy"]) == (candidate, "challenger")
    )
    brier = next((metric for metric in found["metrics"] if metric["name"] == "brier"), {"requests": [0]})
    return found["state"] == "rolled_back" or brier["requests"][0] >= 1_500


def push(message: str, follow: Callable[[], Any], wanted: str) -> None:
    """Commit, push, wait for the run, and watch the rollout to the end that it must have."""
    commit(message)
    git("push", "--quiet", "falaj", "main")
    release = follow()["release"]
    wait_for("the rollout to begin", lambda: newest().get("candidate") == release, 60)
    wait_for("the verdict", lambda: newest()["state"] in ("succeeded", "rolled_back", "aborted", "inconclusive"), 240)
    found = newest()
    falaj("rollout", "status", found["id"], "--svg", SCRATCH / f"rollout-of-{release}.svg")
    assert found["state"] == wanted, f"{found['state']}: {found['reason']}"
    wait_for("the endpoint to settle", lambda: state_of(ENDPOINT) == "ready")


def newest() -> dict[str, Any]:
    """The newest rollout of the endpoint."""
    return next(iter(read_json("rollout", "list", "--endpoint", ENDPOINT)), {})


def state_of(endpoint: str) -> str:
    """What the agent reports of an endpoint."""
    return next((each["state"] for each in read_json("endpoints") if each["endpoint"] == endpoint), "")


def edit(name: str, *changes: tuple[str, str]) -> None:
    """Replace text in a file of the project; each text must be there."""
    file = PROJECT / name
    text = file.read_text()
    for old, new in changes:
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    file.write_text(text)


@contextmanager
def undone(*names: str) -> Iterator[None]:
    """Put files back as they were, when the block is over."""
    before = {name: (PROJECT / name).read_text() for name in names}
    yield
    for name, text in before.items():
        (PROJECT / name).write_text(text)


def say(text: str) -> None:
    """A sentence between commands."""
    console.print(f"\n[dim]{text}[/]")
