"""Several metrics: the mean is an e-value, and a name is given only with the same bound."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import ville
import ville.evalues
from hypothesis import given
from hypothesis import strategies as st

from falaj.statistics.rollout.analysis.combine import culprits, log_combined

LINE = math.log(100)
LOGS = st.dictionaries(st.sampled_from("abcde"), st.floats(-20, 20), min_size=1)
WEIGHTS = st.fixed_dictionaries({name: st.floats(0.1, 5) for name in "abcde"})


def by_definition(evidence, weights):
    """Closed testing in full: every group with the metric has a mean above the line."""
    for name in evidence:
        others = [other for other in evidence if other != name]
        groups = itertools.chain.from_iterable(itertools.combinations(others, size) for size in range(len(others) + 1))
        if all(log_combined({m: evidence[m] for m in (name, *group)}, weights) >= LINE for group in groups):
            yield name


@given(LOGS, WEIGHTS)
def test_the_mean_is_that_of_ville(evidence, weights):
    values = ville.evalues.combine(np.exp(list(evidence.values())), weights=[weights[name] for name in evidence])
    assert math.exp(log_combined(evidence, weights)) == pytest.approx(values)


@given(LOGS, WEIGHTS)
def test_culprits_are_those_of_closed_testing(evidence, weights):
    assert set(culprits(evidence, weights, LINE)) == set(by_definition(evidence, weights))


@given(LOGS, WEIGHTS)
def test_whoever_is_named_has_brought_the_whole_above_the_line(evidence, weights):
    named = culprits(evidence, weights, LINE)
    assert not named or log_combined(evidence, weights) >= LINE
    assert list(named) == sorted(named, key=lambda name: -evidence[name])


def test_nothing_to_combine_is_no_evidence():
    assert log_combined({}, {}) == 0
    assert log_combined({"a": 10_000.0, "b": 0.0}, {"a": 1.0, "b": 1.0}) == pytest.approx(10_000 - math.log(2))
