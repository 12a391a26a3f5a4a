"""Candidates in rollouts: one is good, and others fail in ways that only live requests show.

Real departures are replayed to the endpoint while candidates come in by a canary, and labels follow as flights land.
Each of these chapters ends with the verdict on its candidate, whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from demo.basics import ENDPOINT
from demo.outcomes import SHOWN
from demo.people import log_in
from demo.replay import replayed
from demo.stage import Stage, commit_and_push, edit, follow_run, platform, run_of_head, serves
from demo.terminal import FALAJ, PROJECT, SCRATCH, console, falaj, refused, wait_for
from falaj.schemas.gates import RegressionGate
from falaj.schemas.rollouts import Rollout

CANARY = """\
  dev:
    canary:
      steps: [20%, 50%]
      hold: 2s
      metrics:
        errors: {margin: 6}
        latency: {tolerate: 0.5, margin: 1.5}
        brier: {margin: 0.04}
      label_block: 1s    # departures are replayed in random order: a second is as good as another
      burn_in: 2s
      burn_in_max: 20s
      holdback: 10% for 5s
      max: 10m
"""
DECIDED = ("succeeded", "rolled_back", "aborted")
FOR_A_PERSON = ("inconclusive", "paused")
OTHER_REASON = "rolled_back_for_another_reason"
FEATURES, TRAINING = "src/flights/features.py", "src/flights/training.py"
FEWER_TREES = ("iterations: 150", "iterations: 60")
MINUTE = (
    ('FEATURES = ["hour", ', 'FEATURES = ["hour", "minute", '),
    ('pl.col("hour", "distance")', 'pl.col("hour", "minute", "distance")'),
)
FOUR_MODELS = (
    ("BoostingClassifier\n", "BoostingClassifier, VotingClassifier\n"),
    (
        'return Pipeline([("columns", columns), ("trees", trees)])',
        """voters = [(str(place), trees) for place in range(4)]
    return Pipeline([("columns", columns), ("trees", VotingClassifier(voters, voting="soft"))])""",
    ),
)
WRONG_ABOUT_A_CARRIER = (
    ("train[LABEL].to_numpy())", 'wrong_about("DL", train))'),
    (
        "\n\ndef build(",
        '''

def wrong_about(carrier: str, train: pl.DataFrame) -> object:
    """A slip: the labels of one carrier are turned round."""
    late = train[LABEL].to_numpy().copy()
    theirs = (train["carrier"] == carrier).to_numpy()
    late[theirs] = 1 - late[theirs]
    return late


def build(''',
    ),
)
PAIRS = 1_500


def good_candidate(stage: Stage) -> str:
    """A candidate that is as good as what serves."""
    console.print("[dim]the gates of these chapters are wide on purpose: live requests are to find the faults[/]")
    edit("falaj.yaml", ("  dev: recreate\n", CANARY), FEWER_TREES)
    edit("falaj.yaml", ("checks: [static, tests, secrets, dependencies, model-files]", "checks: [static, model-files]"))
    edit("falaj.yaml", ("brier <= 0.152", "brier <= 0.25"), ("live by 0.005", "live by 0.1"))
    edit("falaj.yaml", ("auc >= 0.62", "auc >= 0.5"), ("auc >= 0.53", "auc >= 0.1"))
    return verdict_on(stage, "Grow fewer trees, and come in by a canary")


def failing_candidate(stage: Stage) -> str:
    """A candidate that needs a column which no caller sends; its own data has it, so every gate passes."""
    with undone(FEATURES):
        edit(FEATURES, *MINUTE)
        return verdict_on(stage, "Use the minute of departure", fault="errors")


def slow_candidate(stage: Stage) -> str:
    """A candidate that is as good and takes longer: four models in one, which answer one after the other."""
    with undone(TRAINING):
        edit(TRAINING, *FOUR_MODELS)
        return verdict_on(stage, "Let four models vote", fault="latency")


def faulty_candidate(stage: Stage) -> str:
    """A candidate that is wrong about one carrier, which labels show; what it failed on becomes a gate."""
    with undone(TRAINING):
        edit(TRAINING, *WRONG_ABOUT_A_CARRIER)
        outcome = verdict_on(stage, "Tidy up the labels", fault="brier")
    if outcome == "rolled_back":
        wait_for("the failing slice", regression_gates)
    falaj("release", "gate", "list")
    return outcome


def gate_from_failure(_: Stage) -> str:
    """A person accepts the gate, and the same fault in other trees does not pass it."""
    gates = regression_gates()
    if not gates:
        console.print("no failure was captured, so there is no gate")
        return "missing"
    log_in("rania")
    falaj("--account", "rania", "release", "gate", "accept", gates[0].id)
    with undone(TRAINING):
        edit(TRAINING, *WRONG_ABOUT_A_CARRIER)
        edit("falaj.yaml", ("seed: 0}", "seed: 1}"))
        commit_and_push("Tidy up the labels, again")
        refused(FALAJ, "run", "watch", run_of_head().id)
    return SHOWN


def repaired_candidate(stage: Stage) -> str:
    """The same change without the fault passes the gate, and comes in."""
    return verdict_on(stage, "Leave the labels as they are")


def compare_in_the_shadow(stage: Stage) -> str:
    """Candidates that went back get copies of the requests beside what serves, and are compared pair by pair."""
    ended = [rollout for rollout in platform().rollouts.list() if rollout.state == "rolled_back"]
    challengers = [rollout.candidate for rollout in ended if rollout.culprits != ["errors"]][:2]
    log_in("omar")
    for release in challengers:
        falaj("--account", "omar", "promote", f"flight-delay@{release}", "--to", "dev", "--challenge", "--wait")
    with replayed(ENDPOINT, stage.flights):
        for release in challengers:
            wait_for(f"enough pairs of flight-delay@{release}", lambda release=release: has_pairs(release))  # type: ignore[misc]
    for rollout in challenges():
        falaj("rollout", "show", rollout.id, "--svg", SCRATCH / f"challenge-of-{rollout.candidate}.svg")
    return SHOWN if challengers else "missing"


def challenges() -> list[Rollout]:
    """The comparisons in the shadow."""
    return [rollout for rollout in platform().rollouts.list() if rollout.strategy == "challenger"]


def has_pairs(candidate: int) -> bool:
    """Whether labels of many copied requests are in, or a challenger was found out before."""
    rollout = next(each for each in challenges() if each.candidate == candidate)
    pairs = next((metric["requests"][0] for metric in rollout.metrics if metric["name"] == "brier"), 0)
    return rollout.state == "rolled_back" or pairs >= PAIRS


def regression_gates() -> list[RegressionGate]:
    """Gates that failures left behind."""
    return platform().gates.list("flight-delay")


def verdict_on(stage: Stage, message: str, *, fault: str = "") -> str:
    """Commit, push, wait for the run, and watch the rollout until it is decided; a person ends one that is not.

    Requests begin when the run has ended, so that training and traffic do not compete for two cores.

    Args:
        stage: Where the departures are.
        message: Of the commit.
        fault: The metric that shows what is wrong with the candidate, if anything is.

    Returns:
        The state in which the rollout was decided, or `OTHER_REASON` for a rollback that did not find the fault.
    """
    commit_and_push(message)
    release = follow_run().release
    with replayed(ENDPOINT, stage.flights):
        rollout = verdict(release)
    return OTHER_REASON if misses_fault(rollout, fault) else rollout.state


def verdict(release: int | None) -> Rollout:
    """Watch the rollout of a release until it is decided and its endpoint has settled."""
    wait_for("the rollout to begin", lambda: newest_rollout(release))
    rollout = wait_for("the verdict", lambda: decided(release))
    falaj("rollout", "show", rollout.id, "--svg", SCRATCH / f"rollout-of-{release}.svg")
    if rollout.state in FOR_A_PERSON:
        console.print("[dim]the platform leaves that to a person, who takes the candidate back[/]")
        falaj("rollout", "abort", rollout.id)
        wait_for("the candidate to go", lambda: decided(release, DECIDED))
    wait_for("the endpoint to settle", lambda: serves(ENDPOINT))
    return rollout


def misses_fault(rollout: Rollout, fault: str) -> bool:
    """Whether a candidate was rolled back, and not for its fault."""
    return rollout.state == "rolled_back" and bool(fault) and fault not in rollout.culprits


def newest_rollout(release: int | None) -> Rollout | None:
    """The rollout of a release, when there is one."""
    newest = platform().rollouts.list(ENDPOINT, limit=1)
    return newest[0] if newest and newest[0].candidate == release else None


def decided(release: int | None, states: tuple[str, ...] = (*DECIDED, *FOR_A_PERSON)) -> Rollout | None:
    """The rollout of a release, when it has come to one of these states."""
    rollout = newest_rollout(release)
    return rollout if rollout and rollout.state in states else None


@contextmanager
def undone(*names: str) -> Iterator[None]:
    """Put files back as they were, when the block is over."""
    before = {name: (PROJECT / name).read_text() for name in names}
    yield
    for name, text in before.items():
        (PROJECT / name).write_text(text)
