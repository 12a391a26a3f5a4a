from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from falaj.dataplane.access_log import Access
from falaj.dataplane.agent.rollouts.counting import by_endpoint, counted, failures, latencies
from falaj.dataplane.agent.rollouts.units import Units
from tests.dataplane.rollouts.made import ENDPOINT, access, judged_record, plan

ERRORS = plan(metrics=["errors"], baseline=False)


def count_events(*accesses, once=list, of=ERRORS):
    """Events and requests of (stable, canary) after counting, and how many were answered."""
    record = counted(judged_record(of), accesses, 300.0, once)
    [metric] = record.verdict().metrics
    return metric.events, metric.requests, record.answered


def test_both_arms_are_counted_with_what_they_failed() -> None:
    counts = count_events(
        access(1), access(1, status=500), access(2), access(2, status=0, flags="UF"), access(2, status=404)
    )
    assert counts == ((1, 2), (2, 3), (2, 3))


def test_what_chance_did_not_route_and_what_the_client_ended_is_answered_and_not_judged() -> None:
    left = access(2, flags="DC", status=0, latency_us=None, at=298.5)
    counts = count_events(access(2, forced=True, status=500), left, access(2), access(1))
    assert counts == ((0, 0), (1, 1), (1, 3))


def test_a_client_that_left_after_it_had_waited_in_vain_got_no_answer() -> None:
    left = access(2, flags="DC", status=0, latency_us=None, at=297.5)
    assert count_events(left, access(2), access(1)) == ((0, 1), (1, 2), (1, 2))
    assert counted(judged_record(ERRORS), [left] * 3, 300.0).vitals.bad == 3
    assert counted(judged_record(ERRORS), [replace(left, forced=True)], 300.0).vitals.bad == 0


def test_a_request_that_another_release_answered_is_a_failure_of_the_chosen_one() -> None:
    assert count_events(access(2, answered=1, attempts=2), access(1)) == ((0, 1), (1, 1), (1, 1))


def test_requests_of_other_rollouts_and_before_the_burn_in_are_no_evidence() -> None:
    burning = plan(metrics=["errors"], burn_in_s=60.0, baseline=False)
    others = (access(2, candidate=3), access(7), access(1, candidate=None))
    assert count_events(*others)[2] == (0, 0)
    assert count_events(access(2, at=159.0, status=500), access(2, at=161.0), of=burning) == ((0, 0), (0, 1), (0, 2))
    record = counted(judged_record(burning), [access(2, at=159.0)], 300.0)
    assert record.analysis is not None and record.analysis.exposed == 1


def unit_of(request: Access) -> str | None:
    return request.unit


def test_a_unit_is_one_observation_and_a_testers_request_does_not_spend_it(tmp_path: Path) -> None:
    units = Units(tmp_path)
    requests = [access(2, forced=True, unit="u"), *(access(2, unit="u", status=500) for _ in range(5)), access(1)]
    assert count_events(*requests, once=lambda arm: units.first("r1.requests", arm, unit_of)) == (
        (0, 1),
        (1, 1),
        (1, 6),
    )


def test_units_count_once_in_a_test_across_restarts(tmp_path: Path) -> None:
    def count(test: str, *names: str | None) -> int:
        return len(Units(tmp_path).first(test, [access(unit=name) for name in names], unit_of))

    file = tmp_path / "r1.requests"
    assert count("r1.requests", "a", "b", "a", None, None) == 4
    assert count("r1.requests", "b", "c") == 1
    file.write_bytes(file.read_bytes() + b"\x01\x02")  # it was killed while it wrote
    assert count("r1.requests", "a", "c") == 0
    assert count("r1.holdback", "a") == 1, "a test of its own"
    assert count("r2.labels", "a") == 1
    units = Units(tmp_path)
    units.first("r1.requests", [access(unit="a")], unit_of)
    units.keep({"r2"})
    assert [path.name for path in tmp_path.iterdir()] == ["r2.labels"]
    assert len(units.first("r1.requests", [access(unit="a")], unit_of)) == 1, "nothing is left of it"


def test_more_units_than_are_remembered_are_left_out(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("falaj.dataplane.agent.rollouts.units.MOST", 2)
    units = Units(tmp_path)
    assert len(units.first("r1.requests", [access(unit=name) for name in "abcd"], unit_of)) == 2
    assert len(units.first("r1.requests", [access(unit=name) for name in "cab"], unit_of)) == 0


def test_latencies_are_those_of_good_answers_of_one_release() -> None:
    latencies_ms = latencies(
        [access(1), access(1, status=500), access(2), access(1, endpoint="dev/other")], ENDPOINT, 1
    )
    assert latencies_ms == [9.0]
    assert {name: len(each) for name, each in by_endpoint([access(), access(endpoint=None)]).items()} == {ENDPOINT: 1}


def test_a_thin_shadow_is_compared_with_as_few_failures_of_the_stable_release() -> None:
    refused = [access(1, status=500, request_id=f"q{number}") for number in range(2_000)]
    assert failures(refused, 1) == 2_000
    assert 150 < failures(refused, 1, 0.1) < 250
    assert failures([access(1, status=500, forced=True), access(2, status=500)], 1) == 0
