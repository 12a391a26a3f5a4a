"""Rollouts of the same model, or of one with a known fault, on a real Envoy: who is rolled back, and how soon.

    python benchmarks/rollouts/identical.py [--rounds 25] [--share 0.2] [--clients 4] [--noise 2] [--seconds 30] --json

Two releases of one model, two real model servers each; for every round the candidate and its baseline are started
anew, as a rollout does. The agent's own code judges them beside the traffic. `--noise` burns so many cores beside it,
`--rate` asks so many requests a second instead of as many as can be answered. `--times 2`, `--plus-ms 5`, `--fail .02`,
`--hang` give the candidate a fault that begins with the traffic; `--burst 2` lets both releases fail in bursts. A
round ends when it is decided, or `--seconds` after burn-in. `--endpoints 3` rolls out at three endpoints of one Envoy
at once, whose clients ask them in turn: three rounds in the time of one, with a third of the requests each. `--keep
FOLDER` keeps the access log of each round; `--replay FOLDER` judges such logs again, without servers. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traffic import Location

from falaj.dataplane.access_log import Access, AccessLog
from falaj.dataplane.agent.admission_queue import Offer
from falaj.dataplane.agent.rollouts import RolloutController, RolloutPredictions, RolloutRecord
from falaj.dataplane.agent.rollouts.counting import by_endpoint, counted
from falaj.dataplane.desired_state import DesiredRollout, DesiredState, Servable
from falaj.dataplane.label_join import LabelJoin
from falaj.dataplane.runtimes.process.replica import ReplicaOptions, modelserver_command
from falaj.dataplane.traffic_split import TOTAL_WEIGHT, Traffic
from falaj.statistics.rollout import RolloutPlan, RolloutProgress, RolloutState, plan_of
from falaj.statistics.rollout.analysis import Analysis
from falaj.statistics.rollout.analysis.latency_blocks import LatencyBlocks
from falaj.statistics.rollout.judging import analysis_plan

PASS_S = 0.1  # as often as the agent looks
STARTING_S = 120.0
UNDECIDED = (RolloutState.STEPPING, RolloutState.HOLDING)
"""The candidate is judged; HOLDING has the evidence for a promotion and waits for `--hold`."""


@dataclass(frozen=True)
class Round:
    """How one rollout went; seconds are from the end of burn-in, `settled_s` from the first block to there."""

    state: str
    reason: str
    seconds: float
    settled_s: float | None
    exposed: int


def main() -> int:
    options = _parser().parse_args()
    if options.replay:
        rounds, request_count, failed = [replayed(folder) for folder in sorted(options.replay.iterdir())], 0, 0
    else:
        rounds, request_count, failed = measured(options)
    result = summary(rounds, request_count, failed)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--rounds", type=int, default=25)
    add("--seconds", type=float, default=30.0, help="of a round after burn-in")
    add("--share", type=float, default=0.2, help="of the candidate")
    add("--clients", type=int, default=4)
    add("--rate", type=float, default=0.0, help="requests a second of all clients; 0 for as many as can be")
    add("--endpoints", type=int, default=1, help="rollouts at once, a round each")
    add("--hold", type=float, default=0.0, help="seconds of a round before which nothing is promoted")
    add("--noise", type=int, default=0, help="cores that are burned beside it")
    add("--burn-in-max", type=float, default=300.0)
    add("--metrics", default="errors,latency")
    add("--times", type=float, default=1.0, help="the candidate takes so many times as long")
    add("--plus-ms", type=float, default=0.0, help="and so many milliseconds more")
    add("--fail", type=float, default=0.0, help="share of its requests that it fails")
    add("--hang", action="store_true", help="it answers nobody")
    add("--burst", type=float, default=0.0, help="bursts of failures a minute and replica, of both releases")
    add("--keep", type=Path, help="folder for the access logs")
    add("--replay", type=Path, help="judge the logs that --keep left here")
    add("--json", action="store_true", help="on one line")
    return parser


def measured(options: argparse.Namespace) -> tuple[list[Round], int, int]:
    with tempfile.TemporaryDirectory(prefix="falaj-") as name:
        folder = Path(name)
        location = started(folder, options)
        try:
            with noise(options.noise), location.load(options.rate) as load:
                time.sleep(3)  # a past
                rounds = [
                    each
                    for number in range(0, options.rounds, options.endpoints)
                    for each in at_once(location, folder, number, options)
                ]
        finally:
            location.runtime.stop()
    return rounds, load.total, load.failed


def started(folder: Path, options: argparse.Namespace) -> Location:
    """A location whose servers read their fault from a file beside the model, which is what they can read."""

    def command(replica: ReplicaOptions) -> Sequence[str]:
        command_line = modelserver_command(replica)
        python, arguments = command_line[0], command_line[command_line.index("--model") :]
        fault = fault_of(replica.servable)
        if not fault.exists():
            write_fault(fault, {"burst": options.burst})
        return [python, str(Path(__file__).with_name("faulty.py")), str(fault), *arguments]

    return Location.start(folder, options.clients, command, tuple(f"m{number}" for number in range(options.endpoints)))


def write_fault(path: Path, fault: dict[str, Any]) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(fault))
    fresh.replace(path)


def fault_of(servable: Servable) -> Path:
    return servable.model_dir / "fault.json"


def at_once(location: Location, folder: Path, number: int, options: argparse.Namespace) -> list[Round]:
    """One rollout an endpoint, from the start of the candidates to the end of the last one."""
    plans = {
        f"dev/{model}": plan_of(f"r{number}-{model}", "canary", plan_options(options), candidate=2, stable=1)
        for model in location.models
    }
    state = folder / f"round-{number}"
    state.mkdir()
    predictions = RolloutPredictions(
        folder / "nothing", None, lambda: LabelJoin(state / "labels.db", folder / "nothing")
    )
    log = AccessLog(location.log.path)
    rollouts = RolloutController(state, log, predictions, location.runtime.copies)
    servables = tuple(location.servables)
    endpoints = tuple(each.endpoint for each in servables)
    desired = DesiredState(1, endpoints, {name: (DesiredRollout(plan),) for name, plan in plans.items()})
    faults = {name: fault_of(each) for name, each in candidates(location).items()}
    fault = fault_settings(location, options)
    begin = log.end()
    begun: dict[str, float] = {}
    ended: dict[str, tuple[RolloutRecord, Round]] = {}
    deadline = time.monotonic() + STARTING_S + options.burn_in_max + options.seconds
    while time.monotonic() < deadline and len(ended) < len(plans):
        rollouts.want(desired)
        rollouts.observe(Offer(desired, servables), location.runtime.converge(servables, rollouts.traffic()))
        for name in plans.keys() - ended.keys():
            record = rollouts.main(name)
            assert record is not None
            if record.rollout.state is RolloutState.STEPPING and name not in begun:
                begun[name] = time.time()
                write_fault(faults[name], fault)
            if is_over(record, begun.get(name, 0.0), options.seconds):
                ended[name] = record, round_of(record, begun.get(name, 0.0))
        time.sleep(PASS_S)
    for name in plans.keys() - ended.keys():
        record = rollouts.main(name)
        assert record is not None
        ended[name] = record, round_of(record, begun.get(name, 0.0))
    for place, name in enumerate(sorted(ended) if options.keep else ()):
        keep_log(options.keep / f"{number + place:03}", location, begin, ended[name][0], plans[name], name)
    for path in faults.values():
        write_fault(path, {"burst": options.burst})
    alone = [each for each in servables if each.endpoint.release == 1]
    location.runtime.converge(alone, {name: Traffic({1: TOTAL_WEIGHT}) for name in plans})
    return [each for _, each in ended.values()]


def candidates(location: Location) -> dict[str, Servable]:
    """The candidate of each endpoint."""
    return {f"dev/{each.endpoint.model}": each for each in location.servables if each.endpoint.release == 2}


def fault_settings(location: Location, options: argparse.Namespace) -> dict[str, Any]:
    """What the candidates are to do wrong, with latencies of the past for those that are slower by a factor."""
    past = [line.latency_ms for line in location.log.recent(1 << 18)[0] if math.isfinite(line.latency_ms)]
    return {"times": options.times, "past_ms": past[-2000:], "plus_ms": options.plus_ms, "fail": options.fail,
            "hang": options.hang, "burst": options.burst}  # fmt: skip


def plan_options(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "steps": [options.share], "hold_s": options.hold, "max_s": 7 * 86_400.0, "burn_in_s": 10.0,
        "burn_in_max_s": options.burn_in_max, "metrics": options.metrics.split(","),
    }  # fmt: skip


def is_over(record: RolloutRecord, begun: float, seconds: float) -> bool:
    if record.rollout.state not in (RolloutState.PENDING, RolloutState.WARMING, *UNDECIDED):
        return True
    latency = latency_of(record)
    since = begun if latency is None else latency.settled_s
    return bool(begun and since and time.time() - since >= seconds)


def latency_of(record: RolloutRecord) -> LatencyBlocks | None:
    states = record.analysis.blocks.values() if record.analysis else ()
    return next((state for state in states if isinstance(state, LatencyBlocks)), None)


def round_of(record: RolloutRecord, begun: float) -> Round:
    rollout, latency = record.rollout, latency_of(record)
    settled = latency.settled_s if latency else begun
    since = settled or begun
    ended = time.time() if rollout.state in UNDECIDED else rollout.since
    took = None if latency is None or not settled else settled - begun
    words = {
        RolloutState.ROLLING_BACK: "rolled_back",
        RolloutState.PROMOTING: "promoted",
        RolloutState.STEPPING: "undecided",
        RolloutState.HOLDING: "undecided",
    }
    return Round(words.get(rollout.state, str(rollout.state)), rollout.reason, ended - since, took, record.answered[1])


def summary(rounds: Sequence[Round], request_count: int, failed: int) -> dict[str, Any]:
    """What happened, with the upper 95% limit of the share that was rolled back."""
    by = {state: [each for each in rounds if each.state == state] for state in ("rolled_back", "promoted", "undecided")}
    bad = by["rolled_back"]
    return {
        "rounds": len(rounds), "rolled_back": len(bad), "upper_95": upper(len(bad), len(rounds)),
        "promoted": len(by["promoted"]), "undecided": len(by["undecided"]),
        "paused": sum(each.state in ("paused", "inconclusive") for each in rounds),
        "requests": request_count, "failed": failed, "candidate_requests": sum(each.exposed for each in rounds),
        "seconds": [round(each.seconds, 1) for each in rounds],
        "median_seconds_to_rollback": median(bad), "median_seconds_to_promotion": median(by["promoted"]),
        "burn_in_seconds": [None if each.settled_s is None else round(each.settled_s, 1) for each in rounds],
        "reasons": [each.reason for each in rounds if each.reason],
    }  # fmt: skip


def median(rounds: Sequence[Round]) -> float | None:
    return round(statistics.median(each.seconds for each in rounds), 1) if rounds else None


def upper(count: int, rounds: int) -> float | None:
    """Upper 95% limit of a share, one-sided, by Clopper and Pearson."""
    from scipy.stats import beta

    if not rounds:
        return None
    return 1.0 if count == rounds else round(float(beta.ppf(0.95, count + 1, rounds - count)), 4)


def keep_log(
    folder: Path, location: Location, begin: Any, record: RolloutRecord, plan: RolloutPlan, endpoint: str
) -> None:
    folder.mkdir(parents=True)
    lines = location.log.path.read_bytes()[begin.offset if begin else 0 :]
    (folder / "access.jsonl").write_bytes(lines)
    (folder / "plan.json").write_text(
        json.dumps(
            {"endpoint": endpoint, "plan": plan.to_json(), "ready_at": record.ready_at, "lengths_s": record.lengths_s}
        )
    )


def replayed(folder: Path) -> Round:
    """Judge a kept log again, as an agent would have that looked ten times a second."""
    stored = json.loads((folder / "plan.json").read_text())
    plan = RolloutPlan.from_json(stored["plan"])
    accesses = by_endpoint(AccessLog(folder / "access.jsonl").read(limit=1 << 30)[0]).get(stored["endpoint"], [])
    record = RolloutRecord(
        plan, RolloutProgress(RolloutState.STEPPING, since=stored["ready_at"]),
        Analysis.start(analysis_plan(plan, (), ())),
        ready_at=stored["ready_at"], lengths_s=tuple(stored["lengths_s"]),
    )  # fmt: skip
    for now, batch in passes(accesses):
        record = counted(record, batch, now).closed(now).evaluate(now)
        if record.rollout.state not in UNDECIDED:
            break
    return round_of(record, stored["ready_at"])


def passes(accesses: Sequence[Access]) -> Iterator[tuple[float, list[Access]]]:
    """The lines that were there at each look; a line is written when its request has ended."""
    ended = sorted(accesses, key=ends)
    now, place = (ends(ended[0]) if ended else 0.0), 0
    while place < len(ended):
        now, first = now + PASS_S, place
        while place < len(ended) and ends(ended[place]) <= now:
            place += 1
        yield now, ended[first:place]


def ends(access: Access) -> float:
    return access.at + (access.latency_ms / 1000 if math.isfinite(access.latency_ms) else 0.0)


@contextmanager
def noise(cores: int) -> Iterator[None]:
    """Neighbours that take whole cores."""
    context = multiprocessing.get_context("spawn")
    end = context.Event()
    burning = [context.Process(target=burn, args=(end,), daemon=True) for _ in range(cores)]
    for process in burning:
        process.start()
    try:
        yield
    finally:
        end.set()
        for process in burning:
            process.join()


def burn(end: Any) -> None:
    while not end.is_set():
        sum(range(10_000))


if __name__ == "__main__":
    sys.exit(main())
