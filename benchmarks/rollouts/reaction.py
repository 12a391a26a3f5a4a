"""How long a bad candidate keeps its traffic, beside the moment in which the evidence was in.

    python benchmarks/rollouts/reaction.py [--rounds 9] [--clients 4]

Real model servers behind a real Envoy; the candidate refuses every request, since it wants a column that nobody sends.
The agent's own code judges it beside the traffic. For each round the access log is judged again afterwards, request by
request: the request at which the evidence reaches its line is the statistical minimum. Prints one JSON object with the
median time from there to the candidate's last request, as a share of the one second that is promised.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from traffic import MLMODEL, Location, make_model, servable

from falaj.dataplane.access_log import Access, AccessLog
from falaj.dataplane.agent.admission_queue import Offer
from falaj.dataplane.agent.rollouts import RolloutController, RolloutPredictions
from falaj.dataplane.agent.rollouts.counting import counted
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord
from falaj.dataplane.desired_state import DesiredRollout, DesiredState
from falaj.dataplane.label_join import LabelJoin
from falaj.statistics.rollout import plan_of
from falaj.statistics.rollout.analysis import Analysis
from falaj.statistics.rollout.judging import analysis_plan

PROMISED_S = 1.0
BAD = 3
PASS_S = 0.1  # as often as the agent looks
OPTIONS = {"steps": [0.05, 0.5], "hold_s": 3600.0, "metrics": ["errors"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="falaj-") as name:
        folder = Path(name)
        location = Location.start(folder, options.clients)
        try:
            bad = make_model(folder / "bad", BAD)
            (bad / "MLmodel").write_text(MLMODEL.replace('"name": "x"', '"name": "z"'))
            location.servables[1] = servable(bad, BAD)
            round_results = [round_of(location, folder, number) for number in range(options.rounds)]
        finally:
            location.runtime.stop()
    beyond = [each["beyond_s"] for each in round_results]
    result = {
        "rounds": len(round_results),
        "median_candidate_requests": statistics.median(each["exposed"] for each in round_results),
        "median_candidate_requests_at_the_minimum": statistics.median(each["minimum"] for each in round_results),
        "median_beyond_the_minimum_of_promised": round(statistics.median(beyond) / PROMISED_S, 2),
        "worst_beyond_the_minimum_of_promised": round(max(beyond) / PROMISED_S, 2),
    }
    print(json.dumps(result, indent=2))
    return int(statistics.median(beyond) > PROMISED_S)


def round_of(location: Location, folder: Path, number: int) -> dict[str, float]:
    """One rollout from its start to the rollback."""
    runtime, plan = location.runtime, plan_of(f"r{number}", "canary", OPTIONS, candidate=BAD, stable=1)
    state = folder / f"round-{number}"
    state.mkdir()
    predictions = RolloutPredictions(
        folder / "nothing", None, lambda: LabelJoin(state / "labels.db", folder / "nothing")
    )
    rollouts = RolloutController(state, AccessLog(location.log.path), predictions, runtime.copies)
    servables = tuple(location.servables)
    desired_state = DesiredState(1, tuple(each.endpoint for each in servables), {"dev/m": (DesiredRollout(plan),)})
    begin = location.log.end()
    with location.load():
        while rollouts.main("dev/m") is None or not rollouts.main("dev/m").rollout.ended:
            rollouts.want(desired_state)
            rollouts.observe(Offer(desired_state, servables), runtime.converge(servables, rollouts.traffic()))
            time.sleep(PASS_S)
        time.sleep(0.5)
    lines = [line for line in location.log.read(begin)[0] if line.candidate == BAD]
    mine = [line for line in lines if line.release == BAD]
    place = crossing(RolloutRecord(plan, ready_at=0.0, analysis=Analysis.start(analysis_plan(plan, (), ()))), lines)
    before = [line for line in lines[: place + 1] if line.release == BAD]
    return {"beyond_s": mine[-1].at - lines[place].at, "exposed": len(mine), "minimum": len(before)}


def crossing(record: RolloutRecord, lines: Sequence[Access]) -> int:
    """The place of the request after which an agent that looks at each one would know that nobody is answered."""
    for place, line in enumerate(lines):
        record = counted(replace(record), [line], line.at).closed(line.at)
        assert record.analysis is not None
        if record.vitals.dead(record.longest_wait_s, line.at) or record.analysis.verdict().roll_back:
            return place
    raise AssertionError("the candidate was never found out")


if __name__ == "__main__":
    raise SystemExit(main())
