"""What a short reference of days costs: how long the concept monitor runs without a change, and how late it finds one.

    nice -n 10 python benchmarks/monitoring/short_reference.py

Simulated days have independent mean losses (Beta, mean .166 and standard deviation .05, as a model of flights has them
in winter); 365 days from one false alarm to the next are promised. Beside the limit that is used, by Student's t at
90%, stand the betting bound and the reference's mean itself. A run ends at the first alarm or after 1,095 days; the
change is one standard deviation of a day.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from falaj.statistics.comparison import upper_bound
from falaj.statistics.concept import Baseline, ConceptState, LossBlocks, advance, calibrate

PROMISE, LONGEST = 365, 1095
MEAN, SPREAD = 0.166, 0.05


def days(rng: np.random.Generator, count: int, mean: float = MEAN) -> LossBlocks:
    size = mean * (1 - mean) / SPREAD**2 - 1
    times, ones = np.arange(count, dtype=float), np.ones(count)
    return LossBlocks(rng.beta(mean * size, (1 - mean) * size, count), np.full(count, 900), times, times, times, ones)


def limits(baseline: Baseline, reference: LossBlocks) -> dict[str, Baseline]:
    scaled = baseline.scaled(reference.mean)
    by_betting = upper_bound(scaled, 0.05)
    return {
        "Student's t, 90% (used)": baseline,
        "betting, 95%": replace(baseline, limit=by_betting),
        "the mean itself": replace(baseline, limit=float(scaled.mean())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=120)
    seeds = parser.parse_args().seeds
    print("| days of reference | limit | mean run without a change / promised | mean delay, days | median |")
    print("|---|---|---|---|---|")
    for length in (14, 30, 60):
        runs_by_name: dict[str, list[tuple[int, int]]] = {}
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            reference = days(rng, length)
            calm, worse = days(rng, LONGEST), days(rng, LONGEST, MEAN + SPREAD)
            for name, baseline in limits(calibrate(reference, run_length=PROMISE), reference).items():
                alarms = [advance(baseline, ConceptState(), stream).alarm for stream in (calm, worse)]
                blocks = [alarm.block if alarm else LONGEST for alarm in alarms]
                runs_by_name.setdefault(name, []).append((blocks[0], blocks[1]))
        for name, runs in runs_by_name.items():
            run, delay = np.mean(runs, axis=0)
            print(f"| {length} | {name} | {run / PROMISE:.1f} | {delay:.0f} | {np.median(runs, axis=0)[1]:.0f} |")


if __name__ == "__main__":
    main()
