from __future__ import annotations

import json
import math

import pytest

from falaj.dataplane.agent.rollouts.blocks import OpenBlocks, rows_of
from falaj.dataplane.agent.rollouts.counting import counted
from falaj.dataplane.agent.rollouts.liveness import Vitals
from falaj.statistics.rollout import Pair, RolloutState, block_length_s
from tests.dataplane.rollouts.made import access, judged_record, plan

ROW = (True, "a.sock", 3.0, False, False)
OF = plan()
TENTH = {"weights": {1: 9_000, 2: 1_000}, "baseline_weight": 1_000}
MOST = {"weights": {1: 1_000, 2: 9_000}, "baseline_weight": 1_000}


def test_a_block_is_closed_when_its_time_and_the_grace_are_over() -> None:
    opened = OpenBlocks(looked_s=100.0).add([(100.2, ROW), (100.9, ROW), (101.1, ROW)], 101.5)
    assert opened.close(101.9)[0] == []
    over, open_blocks = opened.close(102.1)
    assert over == [(101.0, (ROW, ROW))]
    assert list(open_blocks.rows) == [101] and open_blocks.closed == 101


def test_a_request_of_a_closed_block_counts_in_the_oldest_open_one() -> None:
    _, open_blocks = OpenBlocks(looked_s=100.0).add([(100.2, ROW)], 100.5).close(103.0)
    later = open_blocks.add([(100.4, ROW)], 103.1)
    assert list(later.rows) == [open_blocks.closed]


def test_a_clock_that_is_set_back_closes_all_and_one_set_forward_loses_nothing() -> None:
    opened = OpenBlocks(looked_s=1_000.0).add([(1_000.2, ROW)], 1_000.5)
    over, open_blocks = opened.close(400.0)
    assert [rows for _, rows in over] == [(ROW,)]
    assert open_blocks.add([(1_000.7, ROW)], 400.2).rows == {400: (ROW,)}, "it did not begin in the future"
    over, _ = open_blocks.add([(400.3, ROW)], 400.4).close(9_000.0)
    assert [rows for _, rows in over] == [(ROW,)]


def test_open_blocks_go_through_json() -> None:
    opened = OpenBlocks(2.0, looked_s=9.0).add([(9.1, ROW), (9.2, (False, "", math.inf, True, True))], 9.5)
    assert OpenBlocks.from_json(json.loads(json.dumps(opened.to_json(), allow_nan=False))) == opened


@pytest.mark.parametrize(
    ("rate", "share", "length"),
    [(None, 0.1, 1.0), (1_000.0, 0.01, 1.0), (50.0, 0.05, 2.0), (10.0, 0.01, 50.0), (0.1, 0.01, 60.0), (9.0, 0.0, 1.0)],
)
def test_a_block_is_as_long_as_it_takes_to_hold_a_few_requests(rate, share, length) -> None:
    assert block_length_s(rate, share) == length


@pytest.mark.parametrize(
    ("access_fields", "pair", "arm"),
    [
        ({"release": 2, **TENTH}, Pair(1, 1_000), True),
        ({"release": 1, "baseline": True, **TENTH}, Pair(1, 1_000), False),
        ({"release": 1, **TENTH}, Pair(1, 1_000), None),
        ({"release": 2, **TENTH, "baseline_weight": 0}, Pair(1, 1_000), None),
        ({"release": 2, **TENTH, "baseline_weight": 500}, Pair(1, 1_000), None),
        ({"release": 2, "baseline": True, **MOST}, Pair(2, 1_000), True),
        ({"release": 1, **MOST}, Pair(2, 1_000), False),
        ({"release": 2, **MOST}, Pair(2, 1_000), None),
        ({"release": 2, **TENTH}, Pair(2, 1_000), None),
        ({"release": 2, **TENTH}, None, True),
        ({"release": 1, **TENTH}, None, False),
        ({"release": 1, "weights": {1: 10_000}}, None, None),
    ],
)  # fmt: skip
def test_only_requests_of_two_arms_with_equal_shares_are_compared(access_fields, pair, arm) -> None:
    block_rows = rows_of(OF, pair, [access(**access_fields)])
    assert [row[0] for _, row in block_rows] == ([] if arm is None else [arm])


def test_another_arm_of_the_same_release_that_helps_out_is_a_failure_of_the_baseline() -> None:
    helped = access(1, baseline=True, answered_baseline=False, **TENTH)
    assert helped.failed_over and not access(1, baseline=True, answered_baseline=True).failed_over
    [(_, row)] = rows_of(OF, Pair(1, 1_000), [helped])
    assert row[3] and row[4]


def test_a_refusal_fails_and_is_no_fault_of_its_own() -> None:
    [(_, row)] = rows_of(OF, Pair(1, 1_000), [access(2, status=404, **TENTH)])
    assert (row[3], row[4]) == (True, False)


def seconds(record, first: int, last: int, **of_candidate):
    """The record after so many seconds of ten requests an arm."""
    for second in range(first, last):
        requests = [access(2, at=second + 0.5, **{**TENTH, **of_candidate}) for _ in range(10)]
        requests += [access(1, at=second + 0.5, baseline=True, answered_baseline=True, **TENTH) for _ in range(10)]
        record = counted(record, requests, second + 0.9).closed(second + 2.0)
    return record


def test_blocks_without_a_whole_baseline_say_nothing_at_all() -> None:
    from dataclasses import replace

    broken = replace(judged_record(plan(metrics=["errors"])), baseline_down_s=1e9)
    assert seconds(broken, 200, 260, status=500).verdict().metrics[0].requests == (0, 0)


def test_blocks_after_a_candidates_restart_say_nothing_of_latency_until_it_is_warm() -> None:
    from dataclasses import replace

    of = plan(metrics=["latency"], burn_in_s=10.0, burn_in_max_s=5.0)
    cold = replace(judged_record(of), candidate_down_s=250.0)
    assert seconds(cold, 200, 258, latency_us=900_000).verdict().metrics[0].requests == (0, 0)
    warm = seconds(cold, 262, 264).verdict().metrics[0].requests
    assert warm == (20, 20)


GOOD, BAD = access(2), access(2, status=503)


def test_ten_failures_in_a_row_beside_a_baseline_that_answers_are_no_answer() -> None:
    others = [access(1, baseline=True, answered_baseline=True)] * 10
    nine = Vitals().after([GOOD, *[BAD] * 9], others)
    assert nine.bad == 9 and not nine.dead(2.0, 1.0)
    ten = nine.after([BAD], others)
    assert ten.dead(2.0, 1.1).startswith("does not answer: of its last 10 requests none was answered well (10 failed)")
    assert not ten.after([GOOD], []).dead(2.0, 1.2), "one good answer is a sign of life"


def test_an_incident_that_hits_both_is_not_taken_for_a_dead_candidate() -> None:
    shared = Vitals().after([BAD] * 30, [access(1, status=503)] * 10 + [access(1)] * 10)
    assert not shared.dead(2.0, 1.0)


def test_requests_that_wait_count_after_the_patience_and_not_while_others_end() -> None:
    others = [access(1)] * 20
    waits = Vitals().after([], others).working(12, 0.0)
    assert not waits.working(12, 1.9).dead(2.0, 1.9)
    assert "12 wait for 2 s" in waits.working(12, 2.0).dead(2.0, 2.0)
    assert not waits.working(12, 3.0).dead(4.0, 3.0), "such requests are known to take long"
    ended = waits.after([BAD], others).working(11, 1.5)
    assert not ended.dead(2.0, 2.1)
    assert not waits.working(0, 5.0).dead(2.0, 5.0)
    more_and_more = Vitals().after([], others)
    for number in range(1, 13):
        more_and_more = more_and_more.working(number, number / 10)
    assert not more_and_more.working(12, 2.9).dead(2.0, 2.9), "nine have waited for as long"
    assert "10 wait for 2 s" in more_and_more.working(12, 3.0).dead(2.0, 3.0)
    fewer = more_and_more.working(4, 3.0).working(12, 3.1)
    assert fewer.silent(2.0, 3.1) == 4, "which of them have gone is not known: the newest wait"
    assert Vitals.from_json(json.loads(json.dumps(ended.to_json()))) == ended


def test_a_dead_candidate_goes_at_once_also_in_burn_in() -> None:
    record = judged_record(plan(burn_in_s=600.0))
    requests = [access(2, status=503, **TENTH)] * 10 + [access(1, baseline=True, answered_baseline=True, **TENTH)] * 10
    evaluated = counted(record, requests, 200.5).evaluate(200.6)
    assert evaluated.rollout.state is RolloutState.ROLLING_BACK
    assert evaluated.rollout.reason.startswith("the candidate does not answer") and evaluated.rollout.culprits == (
        "errors",
    )
