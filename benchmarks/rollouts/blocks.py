"""Canaries with a baseline on simulated traffic: false alarms, and how soon faults are found, by blocks of a second.

    python benchmarks/rollouts/blocks.py [--hours 100] [--runs 100] [--only NAME...]

Two arms of two replicas each. The streams are what real machines do: requests that share a stall, bursts of failures,
heavy tails, a base rate that drifts, processes that differ a little. Prints one JSON object; intervals are 95%.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, Block, MetricSpec

PLAN = AnalysisPlan((MetricSpec.error_blocks(), MetricSpec.latency_blocks()), burn_in_s=10.0, burn_in_max_s=20.0)
HOUR = 3_600
SEED = 20_261


@dataclass(frozen=True)
class Traffic:
    """What both arms meet, and what is wrong with the candidate.

    Args:
        rate: Requests a second of one arm.
        sigma: Spread of the logarithm of latency around 5 ms.
        stalls: Stalls a minute of each process, of one to five seconds, in which it takes five times as long.
        spread: Standard deviation of the logarithm of a process's own speed.
        errors: Share that fails.
        bursts: Bursts of failures an hour and arm, in which 60% fail.
        lasting: Seconds that a burst lasts.
        times: The candidate takes so many times as long.
        worse: The candidate fails so many times as often.
    """

    rate: float = 50.0
    sigma: float = 0.5
    stalls: float = 0.0
    spread: float = 0.0
    errors: float = 0.001
    bursts: float = 0.0
    lasting: int = 10
    times: float = 1.0
    worse: float = 1.0


ALIKE = {
    "independent requests": Traffic(),
    "stalls": Traffic(stalls=2.0),
    "bursts of 3 s, 20 an hour": Traffic(bursts=20.0, lasting=3),
    "bursts of 10 s, 6 an hour": Traffic(bursts=6.0),
    "bursts of 10 s, 30 an hour": Traffic(bursts=30.0),
    "bursts of 30 s, 3 an hour": Traffic(bursts=3.0, lasting=30),
    "5 requests a second": Traffic(rate=5.0, stalls=1.0),
    "10% errors": Traffic(errors=0.1),
    "processes 5% apart": Traffic(spread=0.05),
    "processes 20% apart, stalls": Traffic(spread=0.2, stalls=2.0),
}
FAULTS = {
    "1.3 times slower": Traffic(stalls=1.0, times=1.3),
    "1.5 times slower": Traffic(stalls=1.0, times=1.5),
    "twice as slow": Traffic(stalls=1.0, times=2.0),
    "twice as slow, 10/s": Traffic(rate=10.0, stalls=1.0, times=2.0),
    "3 times slower": Traffic(stalls=1.0, times=3.0),
    "0.1% to 1% errors": Traffic(worse=10.0),
    "1% to 5% errors": Traffic(errors=0.01, worse=5.0),
    "0.1% to 50% errors": Traffic(worse=500.0),
    "1% to 5% errors, bursts": Traffic(errors=0.01, worse=5.0, bursts=6.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=100)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=())
    options = parser.parse_args()
    result = {name: alike(traffic, options.hours) for name, traffic in chosen(ALIKE, options.only)}
    result |= {name: fault(traffic, options.runs) for name, traffic in chosen(FAULTS, options.only)}
    print(json.dumps(result, indent=2))


def chosen(table: dict[str, Traffic], only: Iterable[str]) -> list[tuple[str, Traffic]]:
    return [(name, traffic) for name, traffic in table.items() if not only or name in only]


def alike(traffic: Traffic, hours: int) -> dict[str, Any]:
    """Hours of arms that run the same: how many are rolled back, and paused for noise."""
    ends = [run(traffic, HOUR, np.random.default_rng([SEED, number]), lambda v: v.roll_back) for number in range(hours)]
    bad = sum(verdict.roll_back for verdict, _ in ends)
    noisy = sum(verdict.pause is not None for verdict, _ in ends)
    return {"hours": hours, "rolled_back": bad, "upper_95": upper(bad, hours), "paused_for_noise": noisy}


def fault(traffic: Traffic, runs: int) -> dict[str, Any]:
    """Seconds until a fault is found, from its beginning; latency is judged from the end of burn-in."""
    ends = [
        run(traffic, 1_800, np.random.default_rng([SEED + 1, number]), lambda v: v.roll_back) for number in range(runs)
    ]
    took = [seconds for verdict, seconds in ends if verdict.roll_back]
    burn_in = PLAN.burn_in_max_s if traffic.times > 1 else 0.0
    return {"runs": runs, "found": len(took), "burn_in_s": burn_in,
            "median_s": statistics.median(took) - burn_in if took else None,
            "p90_s": float(np.quantile(took, 0.9)) - burn_in if took else None}  # fmt: skip


def run(traffic: Traffic, seconds: int, rng: np.random.Generator, until: Callable[[Any], bool]) -> tuple[Any, int]:
    analysis, speeds = Analysis.start(PLAN), np.exp(rng.normal(0, traffic.spread, 4))
    stalled, burst = np.zeros(4), np.zeros(2)
    for second in range(seconds):
        hit = rng.random(4) < traffic.stalls / 60
        stalled = np.where(hit, rng.integers(1, 6, 4), np.maximum(stalled - 1, 0))
        burst = np.where(rng.random(2) < traffic.bursts / HOUR, traffic.lasting, np.maximum(burst - 1, 0))
        analysis = analysis.observe_block(block(traffic, speeds, stalled, burst, rng), second + 1.0, second + 1.0)
        verdict = analysis.verdict()
        if until(verdict):
            break
    return verdict, second + 1


def block(
    traffic: Traffic, speeds: np.ndarray, stalled: np.ndarray, burst: np.ndarray, rng: np.random.Generator
) -> Block:
    count = int(rng.poisson(2 * traffic.rate))
    candidate, replica = rng.random(count) < 0.5, rng.integers(0, 2, count)
    process = 2 * candidate + replica
    latency = 5 * np.exp(rng.normal(0, traffic.sigma, count)) * speeds[process]
    latency *= np.where(stalled[process] > 0, 5.0, 1.0) * np.where(candidate, traffic.times, 1.0)
    share = traffic.errors * np.where(candidate, traffic.worse, 1.0)
    failed = rng.random(count) < np.where(burst[candidate.astype(int)] > 0, 0.6, share)
    return Block(candidate, tuple("pqrs"[each] for each in process), latency, failed, failed)


def upper(count: int, runs: int) -> float:
    return 1.0 if count == runs else round(float(beta.ppf(0.975, count + 1, runs - count)), 4)


if __name__ == "__main__":
    main()
