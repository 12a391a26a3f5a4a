"""What the demo shows, in order, and how each part may end.

A good candidate is rolled back with a probability of at most 1%: that is the promise of a rollout. The other
probabilities are bounds on what was seen when the demo was repeated; a chapter that misses them is a defect.
"""

from __future__ import annotations

from demo import basics, candidates, people
from demo.outcomes import Chapter
from demo.stage import FLIGHTS, UNSEEN_FROM, Stage

FALSE_ALARM = 1 / 100
MISSED = 1 / 50
UNDECIDED = 1 / 50
NO_GAIN = 1 / 10
"""Two trainings, of twice and four times the rows, gained .0016 beside a model of two months; their days are chance."""
NOT_PROMOTED = {"rolled_back": FALSE_ALARM, "inconclusive": UNDECIDED, "paused": UNDECIDED}
NOT_FOUND = {
    candidates.OTHER_REASON: FALSE_ALARM, "succeeded": MISSED, "inconclusive": UNDECIDED, "paused": UNDECIDED,
}  # fmt: skip


def begin_year(stage: Stage) -> str:
    """Play `demo.year.begin_year`; that module waits for scikit-learn and MLflow, so its chapters import it."""
    from demo import year

    return year.begin_year(stage)


def live_through(stage: Stage) -> str:
    """Play `demo.year.live_through`."""
    from demo import year

    return year.live_through(stage)


def look_at_alerts(stage: Stage) -> str:
    """Play `demo.year.look_at_alerts`."""
    from demo import year

    return year.look_at_alerts(stage)


def compare(stage: Stage) -> str:
    """Play `demo.year.compare`."""
    from demo import year

    return year.compare(stage)


CHAPTERS: tuple[Chapter[Stage], ...] = (
    Chapter(
        "platform", "Start the platform", "a server, a worker and an agent; SQLite and plain files, no container",
        basics.start_platform,
    ),
    Chapter(
        "push", "Push a project", "an ordinary git repository: Python functions, tests, a lockfile, falaj.yaml",
        basics.push_project, needs=("platform",),
    ),
    Chapter(
        "run", "Watch the run", "a clean worktree in the locked environment: steps, checks, gates",
        basics.watch_run, needs=("push",),
    ),
    Chapter(
        "release", "Look at release 1", "the model, where it comes from, and the signed evidence for it",
        basics.look_at_release, needs=("run",),
    ),
    Chapter(
        "endpoint", "See it live", "two replicas behind Envoy, admitted by digest and signature",
        basics.see_it_live, needs=("run",),
    ),
    Chapter(
        "predict", f"Predict {FLIGHTS:,} flights", f"real departures from {UNSEEN_FROM} on, one request each",
        basics.predict, needs=("endpoint",),
    ),
    Chapter(
        "trace", "Trace one prediction", "from the answer back to the commit and the bytes of the data",
        basics.trace_prediction, needs=("predict",),
    ),
    Chapter(
        "people", "Appoint people", "no password is built in: the first administrator comes by a one-time link",
        people.appoint, needs=("platform",),
    ),
    Chapter(
        "promote", "From dev to prod", "dev, test, pre-prod, prod, with the approvals that policy asks for",
        people.promote, needs=("endpoint", "people"),
    ),
    Chapter(
        "audit", "Look as an auditor", "evidence, approvals and the audit log, checked offline; changed copies fail",
        people.look_as_auditor, needs=("promote",),
    ),
    Chapter(
        "change", "Change one parameter", "the steps that it does not touch are not run again",
        basics.change_parameter, needs=("endpoint",),
    ),
    Chapter(
        "rollback", "Roll a release back", "release 2 goes one environment up, and back again",
        people.roll_back, needs=("promote", "change"),
    ),
    Chapter(
        "canary", "A good candidate", "a canary under real departures, judged by errors, latency and labels",
        candidates.good_candidate, needs=("endpoint",),
        expected="succeeded", unlikely=NOT_PROMOTED,
    ),
    Chapter(
        "failing", "A candidate that fails", "it needs a column that no caller sends; all gates pass",
        candidates.failing_candidate, needs=("canary",),
        expected="rolled_back", unlikely={candidates.OTHER_REASON: FALSE_ALARM},
    ),
    Chapter(
        "slow", "A candidate that is slow", "as good, but four models in one, which answer one after the other",
        candidates.slow_candidate, needs=("canary",),
        expected="rolled_back", unlikely=NOT_FOUND,
    ),
    Chapter(
        "wrong", "A candidate that is wrong", "about one carrier: found by labels, and captured",
        candidates.faulty_candidate, needs=("canary",),
        expected="rolled_back", unlikely=NOT_FOUND,
    ),
    Chapter(
        "gate", "Turn the failure into a gate", "the next candidate with the same fault does not pass",
        candidates.gate_from_failure, needs=("wrong", "people"), unlikely={"missing": MISSED},
    ),
    Chapter(
        "repaired", "The change without the fault", "it passes the gate, and comes in",
        candidates.repaired_candidate, needs=("gate",),
        expected="succeeded", unlikely=NOT_PROMOTED,
    ),
    Chapter(
        "shadow", "Compare in the shadow", "two releases get copies of the requests and are compared pair by pair",
        candidates.compare_in_the_shadow, needs=("slow", "wrong", "people"), unlikely={"missing": MISSED},
    ),
    Chapter(
        "year", "Begin a year", "a model of January and February, and a warehouse that grows as flights land",
        begin_year, needs=("run",),
    ),
    Chapter(
        "replay", "Live through it", "departures of March to December, a request an hour",
        live_through, needs=("year",),
    ),
    Chapter(
        "alerts", "Look at what was seen", "alerts with their causes, and what came of the trainings",
        look_at_alerts, needs=("replay",),
    ),
    Chapter(
        "compare", "Compare", "the same year without retraining, and with one every month",
        compare, needs=("replay", "people"), expected="better_than_never", unlikely={"no_better": NO_GAIN},
    ),
)  # fmt: skip
