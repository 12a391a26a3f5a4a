"""Traffic of an endpoint: what may be said, and what becomes of it when releases cannot answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.dataplane.errors import DesiredStateError
from falaj.dataplane.traffic_split import TOTAL_WEIGHT, HeaderMatch, Traffic

RELEASES = st.integers(1, 5)


@st.composite
def traffics(draw: st.DrawFn) -> Traffic:
    releases = draw(st.lists(RELEASES, min_size=1, max_size=4, unique=True))
    cuts = sorted(draw(st.lists(st.integers(0, TOTAL_WEIGHT), min_size=len(releases) - 1, max_size=len(releases) - 1)))
    weights = [high - low for low, high in zip([0, *cuts], [*cuts, TOTAL_WEIGHT], strict=True)]
    return Traffic(
        dict(zip(releases, weights, strict=True)),
        draw(st.dictionaries(RELEASES, st.floats(0.001, 1), max_size=2)),
        draw(st.none() | RELEASES),
        draw(st.sampled_from([None, "x-customer"])),
        tuple(draw(st.lists(matches(), max_size=2))),
    )


def matches() -> st.SearchStrategy[HeaderMatch]:
    return st.builds(
        HeaderMatch,
        st.sampled_from(["header", "query"]),
        st.sampled_from(["x-group", "beta"]),
        st.just("yes"),
        RELEASES,
    )


@given(traffics())
def test_a_traffic_survives_json(traffic: Traffic) -> None:
    assert Traffic.from_json(json.loads(json.dumps(traffic.to_json()))) == traffic


@given(traffics(), st.sets(RELEASES))
def test_living_releases_share_everything(traffic: Traffic, alive: set[int]) -> None:
    shares = traffic.among(alive)
    assert sum(shares.values()) == (TOTAL_WEIGHT if alive else 0)
    assert set(shares) <= alive and all(shares.values())


@given(traffics(), st.sets(RELEASES))
def test_a_release_without_a_weight_answers_only_when_no_other_can(traffic: Traffic, alive: set[int]) -> None:
    with_weight = {release for release in alive if traffic.weights.get(release)}
    assert not with_weight or set(traffic.among(alive)) == with_weight


@given(traffics(), st.sets(RELEASES))
def test_one_heir_gets_the_share_of_the_fallen(traffic: Traffic, alive: set[int]) -> None:
    shares = traffic.among(alive)
    grown = [release for release, share in shares.items() if share != traffic.weights.get(release, 0)]
    assert len(grown) <= 1
    if grown and traffic.weights.get(traffic.stable or 0) and traffic.stable in alive:
        assert grown == [traffic.stable]


@given(traffics())
def test_when_all_live_nothing_changes(traffic: Traffic) -> None:
    assert traffic.among(traffic.weights.keys()) == {release: w for release, w in traffic.weights.items() if w}


@given(st.integers(0, TOTAL_WEIGHT), st.integers(0, TOTAL_WEIGHT), st.integers(0, TOTAL_WEIGHT - 1))
def test_a_growing_candidate_takes_from_stable_alone(before: int, after: int, point: int) -> None:
    third = 1000
    low, high = sorted(min(weight, TOTAL_WEIGHT - third) for weight in (before, after))
    owners = [_owner(Traffic({1: third, 2: TOTAL_WEIGHT - third - w, 3: w}, candidate=3), point) for w in (low, high)]
    if TOTAL_WEIGHT - third - high > third:  # else the third is the larger one, and so the stable one
        assert owners[0] == owners[1] or owners == [2, 3]


def _owner(traffic: Traffic, point: int) -> int:
    """The release whose share of the line holds a point."""
    for release, share in traffic.among(traffic.weights.keys()).items():
        if point < share:
            return release
        point -= share
    raise AssertionError("the line is too short")


def test_the_rollback_window_leads_to_the_stable_release() -> None:
    assert Traffic({3: 0, 5: TOTAL_WEIGHT}, candidate=5).stable == 3
    assert Traffic({3: 0, 4: 0, 5: TOTAL_WEIGHT}, {4: 0.1}, candidate=5).stable == 3
    assert Traffic({3: 0, 4: 0, 5: TOTAL_WEIGHT}, {4: 0.1}, candidate=5).among({3, 4}) == {3: TOTAL_WEIGHT}
    assert Traffic({5: TOTAL_WEIGHT}, candidate=5).stable is None
    assert Traffic({3: TOTAL_WEIGHT}).among({9}) == {9: TOTAL_WEIGHT}


WRONG: list[dict[str, Any]] = [
    {"weights": {}},
    {"weights": {"1": 9_999}},
    {"weights": {"1": -1, "2": 10_001}},
    {"weights": {"0": 10_000}},
    {"weights": {"1": 5_000.0, "2": 5_000}},
    {"weights": {"1": True, "2": 9_999}},
    {"weights": {"one": 10_000}},
    {"weights": [10_000]},
    {},
    {"weights": {"1": 10_000}, "mirrors": {"2": 0}},
    {"weights": {"1": 10_000}, "mirrors": {"2": 1.1}},
    {"weights": {"1": 10_000}, "mirrors": {"2": float("nan")}},
    {"weights": {"1": 10_000}, "candidate": 0},
    {"weights": {"1": 10_000}, "sticky": "host"},
    {"weights": {"1": 10_000}, "sticky": "x-request-id"},
    {"weights": {"1": 10_000}, "sticky": "x%REQ(a)%"},
    {"weights": {"1": 10_000}, "sticky": "falaj-arm"},
    {"weights": {"1": 10_000}, "sticky": "Authorization"},
    {"weights": {"1": 10_000}, "matches": [{"kind": "header", "name": "cookie", "value": "b", "release": 1}]},
    {"weights": {"1": 10_000}, "matches": [{"kind": "cookie", "name": "a", "value": "b", "release": 1}]},
    {"weights": {"1": 10_000}, "matches": [{"kind": "header", "name": ":path", "value": "b", "release": 1}]},
    {"weights": {"1": 10_000}, "matches": [{"kind": "query", "name": "a b", "value": "b", "release": 1}]},
    {"weights": {"1": 10_000}, "matches": [{"kind": "query", "name": "a", "value": "", "release": 1}]},
    {"weights": {"1": 10_000}, "matches": [{"kind": "query", "name": "a", "value": "b", "release": "1"}]},
]


@pytest.mark.parametrize("value", WRONG)
def test_what_cannot_be_done_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(DesiredStateError):
        Traffic.from_json(value)


def test_header_names_are_lower_case() -> None:
    traffic = Traffic({1: 10_000}, sticky="X-Customer", matches=(HeaderMatch("header", "X-Group", "B", 1),))
    assert traffic.sticky == "x-customer" and traffic.matches[0].name == "x-group"
