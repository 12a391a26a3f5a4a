"""How often a healthy candidate is rolled back, and how many requests a bad one gets, beside other tools and a bound.

    python benchmarks/rollouts/run.py            # some minutes on one idle core
    python benchmarks/rollouts/run.py --quick    # about one minute, wide intervals

Seeds are fixed. Every figure is a ratio, a share or a count of requests.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import judge
import numpy as np
import until
from baselines import all_baselines
from streams import HOUR_S, Counts, Stream, rate_bound

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, Batch, MetricSpec

ALPHA = 0.01
CHUNK = 200
HEALTHY = {
    "constant": Stream(),
    "base 0.1%": Stream(base=0.001),
    "base 5%": Stream(base=0.05),
    "ramp 1, 5, 25, 50%": Stream(shape="ramp"),
    "diurnal": Stream(shape="diurnal"),
    "shared incident": Stream(shape="incident"),
    "sticky sessions of 5": Stream(session=5),
    "1 request/s": Stream(per_s=1),
    "1,000 requests/s": Stream(per_s=1000),
}

MANY = ("constant", "base 5%", "ramp 1, 5, 25, 50%", "diurnal", "shared incident", "1,000 requests/s")
"""Streams with the full number of runs; the others have a quarter."""


def chunks(stream: Stream, runs: int, seed: int) -> Iterator[Counts]:
    """Runs of a stream, some at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, runs, CHUNK):
        yield stream.simulate(rng, min(CHUNK, runs - start))


def gathered(stream: Stream, runs: int, seed: int) -> Counts:
    """Counts a minute of all runs."""
    parts = [chunk.by(60) for chunk in chunks(stream, runs, seed)]
    columns = [np.concatenate([vars(part)[name] for part in parts]) for name in list(vars(parts[0]))[1:]]
    return Counts(parts[0].weight, *columns)


def upper_limit(hits: int, runs: int) -> float:
    """Wilson's upper limit of a share, 97.5%."""
    z, share = 1.96, hits / runs
    middle = share + z * z / (2 * runs)
    return (middle + z * np.sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))) / (1 + z * z / runs)


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def false_alarms(runs: int) -> None:
    """Healthy rollouts of an hour, looked at after every event, that are rolled back."""
    rows = []
    for seed, (name, stream) in enumerate(HEALTHY.items()):
        count = runs if name in MANY else runs // 4
        rng = np.random.default_rng(100 + seed)
        hits = sum(int(judge.alarms(stream, rng, CHUNK).sum()) for _ in range(count // CHUNK))
        rows.append([name, f"{count:,}", f"{hits / count:.2%}", f"{upper_limit(hits, count):.2%}"])
    head = ["stream", "healthy hours", "rolled back", "upper limit"]
    table("False alarms of Falaj, bound 1%", head, rows)


def against_others(runs: int, powered: int) -> None:
    """Each rule as documented, and with its knob at 1% of false alarms on the constant stream."""
    healthy, incident = (gathered(Stream(shape=shape), runs, 200) for shape in ("constant", "incident"))
    bad = {ratio: gathered(Stream(ratio=ratio), powered, 300 + int(10 * ratio)) for ratio in (1.5, 2.0, 5.0)}
    rows = []
    for baseline in all_baselines():
        knobs = {"": baseline.usual, ", at 1%": baseline.calibrated(healthy)}
        for label, knob in knobs.items():
            alarms = [(baseline.stops(counts, knob) >= 0).mean() for counts in (healthy, incident)]
            exposures = [_exposed(counts, baseline.stops(counts, knob)) for counts in bad.values()]
            rows.append([baseline.name + label, *(f"{alarm:.1%}" for alarm in alarms), *exposures])
    rows.append(_ours("**Falaj**, every second", runs, powered, 1 / ALPHA))
    reached = [judge.evidence(chunk).max(axis=1) for chunk in chunks(Stream(), min(runs, 2000), 200)]
    line = float(np.quantile(np.concatenate(reached), 1 - ALPHA, method="higher"))
    rows.append(_ours("**Falaj**, at 1%", runs, powered, line))
    head = ["rule", "false alarms", "in a shared incident", *(f"ratio {ratio}: exposed (missed)" for ratio in bad)]
    table("Beside other tools: 100 requests/s, 10% canary, base 1%, one hour", head, rows)
    least = ", ".join(f"{rate_bound(0.1, 0.01, ratio, ALPHA):,.0f}" for ratio in bad)
    print(f"\nLeast possible mean: {least}. An hour exposes 36,000. A miss counts with all of them.")


def _ours(name: str, runs: int, powered: int, line: float) -> list[str]:
    alarms = []
    for shape in ("constant", "incident"):
        rng = np.random.default_rng(200)
        alarm_chunks = [judge.alarms(Stream(shape=shape), rng, CHUNK, line) for _ in range(runs // CHUNK)]
        alarms.append(f"{np.concatenate(alarm_chunks).mean():.1%}")
    cells = []
    for ratio in (1.5, 2.0, 5.0):
        exposed, missed = [], 0
        for chunk in chunks(Stream(ratio=ratio), min(powered, 1000), 300 + int(10 * ratio)):
            at = judge.first(judge.evidence(chunk) >= line)
            missed += int((at < 0).sum())
            exposed.append(chunk.candidate.cumsum(axis=1)[np.arange(len(at)), at])
        cells.append(_cell(np.concatenate(exposed), missed / sum(map(len, exposed))))
    return [name, *alarms, *cells]


def _exposed(counts: Counts, at: np.ndarray) -> str:
    exposed = counts.candidate.cumsum(axis=1)[np.arange(len(at)), at]  # a run that never stops is at -1: all of it
    return _cell(exposed, float((at < 0).mean()))


def _cell(exposed: np.ndarray, missed: float) -> str:
    return f"{exposed.mean():,.0f}" + (f" ({missed:.0%})" if missed > 0 else "")


def to_the_bound(runs: int) -> None:
    """Exposed requests until rollback, over the least possible mean, one look a request."""
    rng, rows = np.random.default_rng(400), []
    for base in (0.001, 0.01, 0.05):
        for ratio in (1.1, 1.3, 1.5, 2.0, 5.0, 20.0):
            if base * ratio >= 1:
                continue
            least, few = rate_bound(0.1, base, ratio, ALPHA), max(runs // 4, 100) if ratio < 1.3 else runs
            mixture = until.of_rates(rng, base, ratio, 0.1, few) / least
            even = until.of_rates(rng, base, ratio, 0.1, few, bets=judge.EVEN, shares=np.full(8, 1 / 8)) / least
            oracle_ratio = until.oracle(rng, base, ratio, 0.1, min(few, 400)) / least if least < 3000 else None
            rows.append([
                f"{base:.1%}", f"{ratio:g}", f"{least:,.0f}", f"{mixture.mean():.2f}", f"{np.median(mixture):.2f}",
                f"{even.mean():.2f}", "" if oracle_ratio is None else f"{oracle_ratio.mean():.2f}",
            ])  # fmt: skip
    head = ["base", "ratio", "least possible", "mean / least", "median / least", "even mixture", "both rates known"]
    table("Errors: exposed canary requests until rollback, 10% canary", head, rows)


def of_latency(runs: int) -> None:
    def lognormal(spread: float = 0.5, factor: float = 1.0) -> until.Draw:
        return lambda rng, count: factor * np.exp(rng.normal(0, spread, count))

    def bimodal(share: float) -> until.Draw:
        return lambda rng, count: np.exp(rng.normal(0, 0.3, count)) * np.where(rng.random(count) < share, 8, 1)

    cases = {
        "lognormal, 1.1 times": (lognormal(), lognormal(factor=1.1)),
        "lognormal, 1.2 times": (lognormal(), lognormal(factor=1.2)),
        "lognormal, 1.5 times": (lognormal(), lognormal(factor=1.5)),
        "lognormal, twice": (lognormal(), lognormal(factor=2.0)),
        "bimodal, slow mode 5% to 10%": (bimodal(0.05), bimodal(0.1)),
        "bimodal, slow mode 5% to 20%": (bimodal(0.05), bimodal(0.2)),
        "a new slow mode of 5%": (bimodal(0.0), bimodal(0.05)),
    }
    rng, rows = np.random.default_rng(500), []
    for name, draws in cases.items():
        spec, stable, candidate, least = until.latency_case(*draws)
        ratio = until.of_latency(rng, spec, stable, candidate, least, runs) / least
        rows.append([name, f"{least:,.0f}", f"{ratio.mean():.2f}", f"{np.median(ratio):.2f}"])
    table("Latency, 10% canary", ["fault", "least possible", "mean / least", "median / least"], rows)


def of_many(runs: int) -> None:
    """What more metrics, later faults and slower traffic cost."""
    rng, rows = np.random.default_rng(700), []
    alone = until.of_rates(rng, 0.01, 2.0, 0.1, runs).mean()
    for count in (5, 20):
        mean_requests = until.of_rates(rng, 0.01, 2.0, 0.1, runs, line=until.LINE + np.log(count)).mean()
        rows.append([f"one bad metric of {count}, over one alone", f"{mean_requests / alone:.2f}"])
    late = {False: [], True: []}
    for chunk in chunks(Stream(ratio=2.0, shape="late"), min(runs, 400), 701):
        half = HOUR_S // 2
        for starts, exposed in late.items():
            if starts:  # the fault begins at the third of four starts
                evidence = judge.restarted(chunk, np.arange(4) * HOUR_S // 4, np.array([0.6, *[0.4 / 3] * 3]))
            else:
                evidence = judge.evidence(chunk)
            at = judge.first(evidence >= 1 / ALPHA)
            exposed.append(
                chunk.candidate[:, half:].cumsum(axis=1)[np.arange(len(at)), np.where(at < 0, -1, at - half)]
            )
    means = {starts: np.concatenate(exposed).mean() for starts, exposed in late.items()}
    rows.append(
        ["fault after half an hour, no new start at steps, over one from the start", f"{means[False] / alone:.2f}"]
    )
    rows.append(["the same with a new start at each of four steps", f"{means[True] / alone:.2f}"])
    for per_s in (1, 10, 100, 1000):
        exposed = []
        for chunk in chunks(Stream(base=0.05, ratio=5.0, per_s=per_s), min(runs, 400), 702):
            at = judge.first(judge.evidence(chunk) >= 1 / ALPHA)
            exposed.append(chunk.candidate.cumsum(axis=1)[np.arange(len(at)), at])
        least = rate_bound(0.1, 0.05, 5.0, ALPHA)
        rows.append([f"base 5%, ratio 5, a look a second at {per_s:,} requests/s, over the least possible",
                     f"{np.concatenate(exposed).mean() / least:.2f}"])  # fmt: skip
    table("What else costs exposed requests", ["", "times"], rows)


def of_promotion(runs: int) -> None:
    """Candidates at the margin that are promoted, and what an equal one takes."""
    rows, margin, line = [], 1.5, 20.0
    for shape in ("constant", "ramp"):
        exposed, requests, undecided, rng = [], [], 0, np.random.default_rng(800)
        worse = Stream(shape=shape, ratio=margin)
        promoted = sum(int(judge.promoted(worse, rng, CHUNK, line).sum()) for _ in range(runs // CHUNK))
        for chunk in chunks(Stream(shape=shape), min(runs, 1000), 801):
            at = judge.first(judge.safety(chunk, margin) >= line)
            undecided += int((at < 0).sum())
            exposed.append(chunk.candidate.cumsum(axis=1)[np.arange(len(at)), at])
            requests.append((chunk.candidate + chunk.stable).cumsum(axis=1)[np.arange(len(at)), at])
        decided = sum(map(len, exposed))
        rows.append([
            shape, f"{promoted / runs:.2%}", f"{upper_limit(promoted, runs):.2%}",
            f"{np.median(np.concatenate(exposed)):,.0f}", f"{np.median(np.concatenate(requests)) / 100 / 60:.0f}",
            f"{undecided / decided:.1%}",
        ])  # fmt: skip
    head = ["weights", "promoted at ratio 1.5", "upper limit", "equal: canary requests", "minutes", "not in the hour"]
    table("Promotion: margin 1.5, bound 5%, base 1%, 100 requests/s", head, rows)


def of_cost() -> None:
    """Processor time a request, with errors, latency and predictions judged."""
    rng, rows = np.random.default_rng(900), []
    plan = AnalysisPlan((
        MetricSpec.errors(), MetricSpec.latency((14, 20, 28, 38, 45, 64)), MetricSpec.distribution((0.25, 0.5, 0.75)),
    ), starts=5)  # fmt: skip
    for size in (100, 1000, 10_000, 100_000):
        candidate = rng.random(size) < 0.1
        took = 20 * np.exp(rng.normal(0, 0.5, size))
        batch = Batch(candidate, np.full(size, 0.1), rng.random(size) < 0.01, took, rng.random(size))
        state = Analysis.start(plan).update(batch, 0.0)
        times = max(20, min(300, 1_000_000 // size))
        began = time.process_time()
        for look in range(times):
            state = state.update(batch, float(look))
        rows.append([f"{size:,}", f"{(time.process_time() - began) / times / size * 1e6 / 2:.2f}"])
    table("Cost of the analysis, share of the limit of 2 microseconds a request", ["requests a batch", "share"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs, wide intervals")
    parser.add_argument("--only", nargs="*", help="sections to run", default=None)
    options = parser.parse_args()
    runs, powered, single = (400, 200, 100) if options.quick else (20_000, 1000, 400)
    sections = {
        "cost": of_cost,
        "latency": lambda: of_latency(min(single, 500)),
        "errors": lambda: to_the_bound(single),
        "many": lambda: of_many(single),
        "promotion": lambda: of_promotion(runs),
        "others": lambda: against_others(min(runs, 4000), powered),
        "alarms": lambda: false_alarms(runs),
    }
    apart = judge.agrees(next(chunks(replace(HEALTHY["constant"], ratio=2.0), 1, 1)))
    print(f"The simulated judge and rollout.analysis differ by at most {apart:.1e} in the log of the evidence.")
    for name in sections if options.only is None else options.only:
        sections[name]()
    return 0 if apart < 1e-6 else 1


if __name__ == "__main__":
    sys.exit(main())
