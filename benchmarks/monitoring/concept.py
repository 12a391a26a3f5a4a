"""How soon is a rise of the loss found, and how often is one seen that is not there? Beside the detectors of River.

    pip install river numpy && PYTHONPATH=src nice -n 10 python benchmarks/monitoring/concept.py

River is a peer and not a dependency, so any interpreter that has it will do. All detectors see the same streams: first
a reference without a change, then the stream that is judged. Alarms restart the detector that raised them. Each peer
runs with its defaults, and tuned: the most sensitive of a few settings that keeps Falaj's promise (one false alarm in
10,000 rows) on other streams at a rate of .2. KSWIN looks at 100 rows alone and costs a thousand times more a row, so
it has fewer and shorter streams.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from river import drift

from falaj.statistics.concept import (
    Baseline,
    ConceptState,
    Losses,
    advance,
    by_count,
    calibrate,
    rows_per_block,
    single_rows,
)

Stream = NDArray[np.float64]
Alarms = Callable[[Stream, Stream], Iterator[int]]  # reference, stream -> rows after which an alarm was raised

PROMISE = 10_000
RISES = [(0.2, 0.25), (0.2, 0.3), (0.2, 0.4), (0.02, 0.04)]
BEFORE, LONGEST = 1_000, 20_000


def falaj(reference: Stream, stream: Stream, *, rows: int | None = None) -> Iterator[int]:
    """By single rows, or by blocks whose length the reference says (`rows` is None) or that are given."""
    rows = rows_per_block(reference) if rows is None else rows
    cut = partial(by_count, rows=rows) if rows > 1 else single_rows
    baseline: Baseline = calibrate(cut(timed(reference)), run_length=PROMISE / rows)
    start = 0
    while start + rows <= len(stream):
        alarm = advance(baseline, ConceptState(), cut(timed(stream[start:]))).alarm
        if alarm is None:
            return
        start += alarm.block * rows
        yield start


def timed(loss: Stream) -> Losses:
    return Losses(loss, np.arange(len(loss), dtype=float))


def peer(make: Callable[[], object], reference: Stream, stream: Stream) -> Iterator[int]:
    detector = make()
    for loss in reference:
        detector.update(loss)  # type: ignore[attr-defined]
    for row, loss in enumerate(stream):
        detector.update(loss)  # type: ignore[attr-defined]
        if detector.drift_detected:  # type: ignore[attr-defined]
            yield row + 1


@dataclass(frozen=True)
class Contender:
    name: str
    alarms: Alarms
    cost: int = 1  # so many times fewer streams


GRIDS: dict[str, list[Callable[[], object]]] = {
    "ADWIN": [partial(drift.ADWIN, delta=delta) for delta in (0.2, 0.1, 0.05, 0.02, 0.01, 0.002, 0.0005)],
    "Page-Hinkley": [
        partial(drift.PageHinkley, mode="up", threshold=threshold, delta=0.005)
        for threshold in (5, 10, 15, 20, 30, 40, 50, 75, 100)
    ],
    "DDM": [partial(drift.binary.DDM, drift_threshold=limit) for limit in (2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0)],
}
DEFAULTS: dict[str, Callable[[], object]] = {
    "ADWIN": drift.ADWIN,
    "Page-Hinkley": partial(drift.PageHinkley, mode="up"),
    "DDM": drift.binary.DDM,
}


KSWIN = partial(drift.KSWIN, seed=0)


def flips(rng: np.random.Generator, rate: float | Stream, rows: int) -> Stream:
    return (rng.random(rows) < rate).astype(float)


def days(rng: np.random.Generator, rows: int, mean: float = 0.2, rows_a_day: int = 200) -> Stream:
    """Independent days, alike rows within each: the rate of a day has a standard deviation of .06."""
    spread = mean * (1 - mean) / 0.06**2 - 1
    rate = rng.beta(mean * spread, (1 - mean) * spread, rows // rows_a_day)
    return flips(rng, np.repeat(rate, rows_a_day), rows)


def tuned(name: str, seeds: int) -> tuple[str, Callable[[], object]]:
    """The most sensitive setting that keeps the promise on streams of its own."""
    for make in GRIDS[name]:
        count = sum(
            sum(1 for _ in peer(make, flips(rng, 0.2, 2_000), flips(rng, 0.2, 10_000)))
            for rng in map(np.random.default_rng, range(10_000, 10_000 + seeds))
        )
        if count <= seeds:
            break
    setting = ", ".join(f"{key}={value}" for key, value in make.keywords.items() if key != "mode")  # type: ignore[attr-defined]
    return setting, make


def false_alarms(contender: Contender, make_stream: Callable[..., Stream], reference: int, seeds: int) -> float:
    """Alarms in 10,000 rows without a change."""
    seeds, rows = max(3, seeds // contender.cost), LONGEST // contender.cost
    count = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        count += sum(1 for _ in contender.alarms(make_stream(rng, reference), make_stream(rng, rows)))
    return count / seeds / rows * 10_000


def delay(contender: Contender, streams: Callable[..., tuple[Stream, Stream]], seeds: int) -> tuple[float, float]:
    """Mean rows from the change to the first alarm after it, and the share of runs without one in 20,000 rows."""
    delays, missed = [], 0
    for seed in range(max(3, seeds // contender.cost)):
        reference, stream = streams(np.random.default_rng(1_000 + seed))
        first = next((row - BEFORE for row in contender.alarms(reference, stream) if row > BEFORE), None)
        missed += first is None
        delays.append(LONGEST if first is None else first)
    return float(np.mean(delays)), missed / len(delays)


def rise(rng: np.random.Generator, before: float, after: float) -> tuple[Stream, Stream]:
    stream = np.concatenate([flips(rng, before, BEFORE), flips(rng, after, LONGEST)])
    return flips(rng, before, 5_000), stream


def rise_of_days(rng: np.random.Generator) -> tuple[Stream, Stream]:
    return days(rng, 20_000), np.concatenate([days(rng, BEFORE), days(rng, LONGEST, 0.3)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=40)
    seeds = parser.parse_args().seeds
    settings = {name: tuned(name, max(3, seeds // 4)) for name in GRIDS}
    contenders = [Contender("Falaj", partial(falaj, rows=1))]
    contenders += [Contender(name, partial(peer, make)) for name, make in DEFAULTS.items()]
    contenders += [Contender(f"{name}, {setting}", partial(peer, make)) for name, (setting, make) in settings.items()]
    contenders += [Contender("KSWIN", lambda reference, stream: peer(KSWIN, reference[-200:], stream), 10)]
    independent_rows(contenders, seeds)
    by_blocks = Contender("Falaj, blocks as the reference asks", falaj)
    rows_in_days([contenders[0], by_blocks, *contenders[1:]], seeds)


def independent_rows(contenders: list[Contender], seeds: int) -> None:
    print("| independent rows | false alarms in 10,000 rows at .2 | at .02 |", end="")
    print(" | ".join(f" delay {before:g} -> {after:g}" for before, after in RISES), "|")
    print("|---" * (3 + len(RISES)) + "|")
    ours: list[float] = []
    for contender in contenders:
        rates = [false_alarms(contender, lambda rng, rows, p=p: flips(rng, p, rows), 5_000, seeds) for p in (0.2, 0.02)]
        delays = [delay(contender, partial(rise, before=b, after=a), seeds) for b, a in RISES]
        ours = ours or [mean for mean, _ in delays]
        cells = [
            f"{mean:.0f} ({mean / mine:.2g}x){missing(lost)}" for (mean, lost), mine in zip(delays, ours, strict=True)
        ]
        print(f"| {contender.name} |", " | ".join([*(f"{rate:.2g}" for rate in rates), *cells]), "|", flush=True)


def rows_in_days(contenders: list[Contender], seeds: int) -> None:
    print("\n| rows of a day alike | false alarms in 10,000 rows | delay .2 -> .3 |\n|---|---|---|")
    for contender in contenders:
        rate = false_alarms(contender, days, 20_000, seeds)
        mean, lost = delay(contender, rise_of_days, seeds)
        print(f"| {contender.name} | {rate:.2g} | {mean:.0f}{missing(lost)} |", flush=True)


def missing(share: float) -> str:
    return f", {share:.0%} missed" if share else ""


if __name__ == "__main__":
    main()
