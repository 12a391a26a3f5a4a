"""Simulated traffic of many rollouts side by side: counts per look, and the least that any judge must expose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

HOUR_S = 3600


@dataclass(frozen=True)
class Counts:
    """Requests and events per look; runs x looks.

    `weight` is that of the canary, one a look.
    """

    weight: np.ndarray
    candidate: np.ndarray
    stable: np.ndarray
    candidate_events: np.ndarray
    stable_events: np.ndarray

    def by(self, looks: int) -> Counts:
        """The same with several looks as one."""
        whole = [
            each.reshape(len(each), -1, looks).sum(axis=2)
            for each in (self.candidate, self.stable, self.candidate_events, self.stable_events)
        ]
        return Counts(self.weight[looks - 1 :: looks], *whole)


@dataclass(frozen=True)
class Stream:
    """One hour of traffic in looks of a second.

    Attributes:
        base: Event rate of stable.
        ratio: Of the canary's rate to it.
        per_s: Requests a second.
        shape: constant, ramp, diurnal, incident or late (the fault begins after half of the time).
        session: Requests of a sticky session, which fail together or not at all.
    """

    base: float = 0.01
    ratio: float = 1.0
    per_s: int = 100
    shape: str = "constant"
    session: int = 1

    def weight(self) -> np.ndarray:
        if self.shape == "ramp":
            return np.repeat([0.01, 0.05, 0.25, 0.5], HOUR_S // 4)
        return np.full(HOUR_S, 0.1)

    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Event rates of (stable, canary), one a second."""
        time = np.arange(HOUR_S) / HOUR_S
        course = np.ones(HOUR_S)
        if self.shape == "diurnal":
            course = 1 + 0.8 * np.sin(2 * np.pi * time)
        if self.shape == "incident":
            course = np.where((time > 0.4) & (time < 0.6), 5.0, 1.0)
        ratio = np.where(time >= 0.5, self.ratio, 1.0) if self.shape == "late" else self.ratio
        return self.base * course, np.minimum(self.base * course * ratio, 1)

    def simulate(self, rng: np.random.Generator, runs: int) -> Counts:
        """Counts of units: a sticky session is one."""
        weight, (stable_rate, candidate_rate) = self.weight(), self.rates()
        units = max(self.per_s // self.session, 1)
        candidate = rng.binomial(units, weight, (runs, HOUR_S)).astype(np.int32)
        stable = units - candidate
        return Counts(
            weight, candidate, stable,
            rng.binomial(candidate, candidate_rate).astype(np.int32),
            rng.binomial(stable, stable_rate).astype(np.int32),
        )  # fmt: skip

    def events(self, rng: np.random.Generator, runs: int) -> Iterator[tuple[float, np.ndarray]]:
        """Weights in order, and how many units with the event, of either arm, each run has under them."""
        weight, (stable, candidate) = self.weight(), self.rates()
        units, mean = max(self.per_s // self.session, 1), weight * candidate + (1 - weight) * stable
        for value in dict.fromkeys(weight.tolist()):
            rates, seconds = np.unique(mean[weight == value], return_counts=True)
            yield value, rng.binomial(units * seconds, rates, (runs, len(rates))).sum(axis=1)


def entropy(probabilities: np.ndarray) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())


def bound(weight: float, stable: np.ndarray, candidate: np.ndarray, alpha: float) -> float:
    """Least mean of exposed canary requests: w log(1/alpha) / JS_w, of two distributions over one set of outcomes."""
    mixed = weight * candidate + (1 - weight) * stable
    divergence = entropy(mixed) - weight * entropy(candidate) - (1 - weight) * entropy(stable)
    return weight * np.log(1 / alpha) / divergence


def rate_bound(weight: float, base: float, ratio: float, alpha: float) -> float:
    rate = base * ratio
    return bound(weight, np.array([base, 1 - base]), np.array([rate, 1 - rate]), alpha)
