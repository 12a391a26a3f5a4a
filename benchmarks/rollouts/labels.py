"""How often an equal candidate is rolled back by its labels, and how soon a worse one is, by days and by users.

    python benchmarks/rollouts/labels.py             # some minutes on one idle core
    python benchmarks/rollouts/labels.py --quick     # few runs, wide intervals
    python benchmarks/rollouts/labels.py --only ramps --seed 7

The analysis itself is run, not a copy of it. Two trainings of one recipe differ by the day; those differences may
follow each other and have heavy tails. Intervals are Wilson's, 95%.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from falaj.statistics.rollout.analysis import Analysis, AnalysisPlan, Batch, MetricSpec
from falaj.statistics.rollout.analysis.betting import Bets
from falaj.statistics.rollout.analysis.label_blocks import LabelBlock, LabelSums
from falaj.statistics.rollout.analysis.verdict import UNLIKE

ALPHA, DAYS, DAY_S = 0.01, 60, 86_400.0
SPREAD = 0.005
"""Of the difference of two trainings from day to day, in the mean loss."""
RAMP = (0.01, 0.05, 0.25, 0.5)


@dataclass(frozen=True)
class Course:
    """How much worse the candidate is from day to day.

    Attributes:
        worse: On average.
        likeness: Correlation of a day with the one before.
        heavy: Whether differences have the tails of Student's t with 3 degrees of freedom.
    """

    worse: float = 0.0
    likeness: float = 0.0
    heavy: bool = False

    def days(self, rng: np.random.Generator) -> Iterator[float]:
        """One difference a day."""
        now = 0.0
        for _ in range(DAYS):
            shock = rng.standard_t(3) / 3**0.5 if self.heavy else rng.normal()
            now = self.likeness * now + (1 - self.likeness**2) ** 0.5 * shock
            yield self.worse + SPREAD * now


COURSES = {
    "days differ": Course(),
    "and follow each other (0.5)": Course(likeness=0.5),
    "and have heavy tails": Course(heavy=True),
    "both": Course(likeness=0.5, heavy=True),
}
Block = Callable[[np.random.Generator, int, float], LabelSums]
"""Labels of a day, by the day's number and how much worse the candidate is."""


def pairs_of(count: int) -> Block:
    """A shadow: both models score each request."""

    def block(rng: np.random.Generator, _: int, worse: float) -> LabelSums:
        case = rng.beta(0.8, 3.2, count)
        stable, candidate = (np.clip(case + rng.normal(mean, 0.06, count), 0, 1) for mean in (0.0, worse))
        return LabelSums.of_pairs(stable, candidate)

    return block


def arms_of(count: int, weights: tuple[float, ...]) -> Block:
    """A canary: each request is answered by one; the weights share the days."""

    def block(rng: np.random.Generator, day: int, worse: float) -> LabelSums:
        candidate = rng.random(count) < weights[day * len(weights) // DAYS]
        return LabelSums.of_arms(candidate, np.clip(rng.beta(0.8, 3.2, count) + worse * candidate, 0, 1))

    return block


def decided(rng: np.random.Generator, course: Course, block: Block, *, paired: bool, tolerated: float, steps: int):
    """The days on which it was rolled back and promoted, 0 for never; looked at after every day."""
    plan = AnalysisPlan((MetricSpec.quality("loss", tolerated=tolerated),), alpha=ALPHA, starts=steps)
    bets, first_days, step = Bets().start(plan.start_weight(0)), [0, 0], 0
    for day, worse in enumerate(course.days(rng)):
        if day * steps // DAYS > step:
            step += 1
            bets = bets.start(plan.start_weight(step))
        difference = LabelBlock(day, 0.0, {0.5: block(rng, day, worse)}).difference(paired=paired)
        bets = bets if difference is None else bets.on(difference, tolerated, 0.02)
        reached = bets.log_harm(plan.unspent(step)) >= -np.log(ALPHA), bets.log_safe()[0] >= -np.log(plan.alpha_promote)
        first_days = [before or (day + 1) * bool(now) for before, now in zip(first_days, reached, strict=True)]
        if first_days[0]:
            break
    return first_days


def interval(hits: int, runs: int) -> str:
    """A share with Wilson's 95% interval."""
    z, share = 1.96, hits / runs
    middle, half = share + z * z / (2 * runs), z * (share * (1 - share) / runs + z * z / (4 * runs * runs)) ** 0.5
    low, high = ((middle + side * half) / (1 + z * z / runs) for side in (-1, 1))
    return f"{share:.1%} ({max(low, 0):.1%} to {high:.1%})"


def row(name: str, run_days: list[list[int]]) -> str:
    """A line of a table: rolled back, the median day of it, promoted, the median day of it."""
    cells = []
    for place in (0, 1):
        days = [each[place] for each in run_days if each[place]]
        cells += [interval(len(days), len(run_days)), f"{np.median(days):.0f}" if days else ""]
    return f"| {name} | {' | '.join(cells)} |"


def by_days(runs: int, seed: int) -> None:
    """Shadows and canaries: equal candidates, and worse ones."""
    print("\n| labels, 60 days | rolled back | day | promoted | day |\n|---|---|---|---|---|")
    kinds = {
        "shadow, 500 pairs a day": (pairs_of(500), True, 0.02, 1),
        "canary at 10%, 2,000 labels a day": (arms_of(2_000, (0.1,)), False, 0.05, 1),
        "ramp 1, 5, 25, 50%, 2,000 labels a day": (arms_of(2_000, RAMP), False, 0.05, len(RAMP)),
    }
    for place, (name, (block, paired, worse, steps)) in enumerate(kinds.items()):
        rng = np.random.default_rng([seed, place])
        for course_name, course in COURSES.items():
            run_days = [decided(rng, course, block, paired=paired, tolerated=0.005, steps=steps) for _ in range(runs)]
            print(row(f"{name}: equal, {course_name}", run_days), flush=True)
        few = max(runs // 5, 20)
        run_days = [decided(rng, Course(worse), block, paired=paired, tolerated=0.005, steps=steps) for _ in range(few)]
        print(row(f"{name}: worse by {worse}", run_days), flush=True)


def by_steps(runs: int, seed: int) -> None:
    """Ramps with many steps: a new start at each."""
    print("\n| ramp of many steps, both courses at once | rolled back | day | promoted | day |\n|---|---|---|---|---|")
    for steps in (10, 30):
        rng = np.random.default_rng([seed, 10, steps])
        block = arms_of(1_000, tuple(np.linspace(0.02, 0.5, steps)))
        run_days = [
            decided(rng, COURSES["both"], block, paired=False, tolerated=0.005, steps=steps) for _ in range(runs)
        ]
        print(row(f"{steps} steps, equal", run_days), flush=True)


def of_users(runs: int, seed: int) -> None:
    """Sticky users whose requests fail together, over a ramp: what counting them how often does."""
    print("\n| sticky users, ramp of 4 steps, errors | rolled back |\n|---|---|")
    ways = {"each request": (True, True), "each user once a step": (False, True), "each user once": (False, False)}
    for name, (every_request, every_step) in ways.items():
        rng = np.random.default_rng([seed, 20])
        hits = sum(_user_run(rng, every_request=every_request, every_step=every_step) for _ in range(runs))
        print(f"| {name} | {interval(hits, runs)} |", flush=True)


def _user_run(rng: np.random.Generator, *, every_request: bool, every_step: bool, users: int = 2_000) -> bool:
    place, prone = rng.random(users), rng.random(users) < 0.05
    state = Analysis.start(AnalysisPlan((MetricSpec.errors(floor=0.0),), alpha=ALPHA, starts=len(RAMP)))
    counted = np.zeros(users, dtype=bool)
    for step, weight in enumerate(RAMP):
        asks = np.flatnonzero(rng.random(users) < 0.6)
        if every_request:
            asks = np.repeat(asks, 5)
        elif not every_step:
            asks = asks[~counted[asks]]
        counted[asks] = True
        failed = np.where(prone[asks], 0.8, 0.002) > rng.random(len(asks))
        size = len(asks)
        state = state.enter_step() if step else state
        state = state.update(Batch(place[asks] < weight, np.full(size, weight), failed, np.zeros(size)), float(step))
        if state.verdict().roll_back:
            return True
    return False


def slower_for_both(candidate: np.ndarray, loss: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Complaints come first, on both sides."""
    return np.where(loss > 0.3, 0.02, np.where(candidate, 1.0, 1.0 + 0 * score))


def slower_for_the_candidate(candidate: np.ndarray, loss: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Labels of the candidate come later, whatever they are about."""
    return np.where(candidate, 3.0, 1.0 + 0 * loss * score)


def complaints_about_the_candidate(candidate: np.ndarray, loss: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Complaints about the candidate come first, those about the stable release when they come."""
    return np.where(candidate & (loss > 0.3), 0.02, 1.0 + 0 * score)


def flags_first(candidate: np.ndarray, loss: np.ndarray, score: np.ndarray) -> np.ndarray:
    """What a model flags is looked at first, and the two flag at other limits."""
    return np.where(score > np.where(candidate, 0.3, 0.5), 0.02, 1.0 + 0 * loss)


def alike(candidate: np.ndarray, loss: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Labels come alike."""
    return np.ones(len(candidate)) + 0 * loss * score


ARRIVALS = {
    "alike": alike,
    "first for complaints, on both sides": slower_for_both,
    "later for the candidate": slower_for_the_candidate,
    "first for complaints about the candidate": complaints_about_the_candidate,
    "first for what each model flags, at other limits": flags_first,
}


def of_arrival(runs: int, seed: int) -> None:
    """Equal candidates whose labels do not come alike."""
    print("\n| labels of equal arms come | rolled back | paused |\n|---|---|---|")
    for place, (name, slower) in enumerate(ARRIVALS.items()):
        rng = np.random.default_rng([seed, 30, place])
        run_results = [_arrival_run(rng, slower) for _ in range(runs)]
        cells = [interval(sum(each[side] for each in run_results), runs) for side in (0, 1)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _arrival_run(rng: np.random.Generator, slower: Callable[..., np.ndarray], days: int = 21) -> tuple[bool, bool]:
    count, weight = days * 300, 0.2
    at = np.sort(rng.uniform(0, days * DAY_S, count))
    candidate, base = rng.random(count) < weight, (0.25 + 0.1 * rng.normal(size=days))[(at // DAY_S).astype(int)]
    outcome = (rng.random(count) < np.clip(base, 0.02, 0.98)).astype(float)
    score = np.clip(0.25 + 0.3 * (outcome - 0.25) + rng.normal(0, 0.15, count), 0, 1)
    loss = (score - outcome) ** 2
    comes = at + rng.exponential(0.5 * DAY_S, count) * slower(candidate, loss, score)
    state = Analysis.start(AnalysisPlan((MetricSpec.quality("brier"),), alpha=ALPHA))
    for look in np.arange(1, 2 * days + 1) * DAY_S / 2:
        new = np.flatnonzero((comes <= look) & (comes > look - DAY_S / 2))
        new = new[np.argsort(comes[new])]
        share = np.full(len(new), weight)
        state = state.observe_arrivals(candidate[new], share, comes[new] - at[new], outcome[new].tolist(), look)
        state = state.observe_losses("brier", candidate[new], share, loss[new], look, at[new])
    verdict = state.verdict()
    return verdict.roll_back, verdict.pause == UNLIKE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = {"days": by_days, "ramps": by_steps, "users": of_users, "arrival": of_arrival}
    parser.add_argument("--quick", action="store_true", help="few runs, wide intervals")
    parser.add_argument("--only", nargs="*", choices=list(sections), default=list(sections))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = {"days": 2_000, "ramps": 2_000, "users": 1_000, "arrival": 200}
    for name in options.only:
        sections[name](max(runs[name] // (10 if options.quick else 1), 20), options.seed)


if __name__ == "__main__":
    main()
