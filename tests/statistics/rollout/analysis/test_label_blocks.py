"""Labels as they come, late and early, and the blocks that they end up in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.statistics.rollout.analysis.label_blocks import MOST_OPEN, LabelBlocks, LabelSums, by_block

DAY = 100.0


def labels(stable, candidate, count=4):
    """Of both arms, each label with one loss."""
    return {
        0.5: LabelSums((count, count), (count * stable, count * candidate), (count * stable**2, count * candidate**2))
    }


def closed_at(blocks, now_s):
    return blocks.close(now_s, DAY, paired=False)


def test_a_block_waits_for_its_time_to_be_over_and_for_labels_of_a_later_one():
    blocks = LabelBlocks().add(0, labels(0.1, 0.3), 50.0)
    assert closed_at(blocks, 99.0)[1] == []
    blocks, closed_blocks = closed_at(blocks.add(1, labels(0.2, 0.2), 101.0), 101.0)
    assert [block.value for block in closed_blocks] == [pytest.approx(0.2)]
    assert [block.number for block in blocks.open] == [1] and blocks.closed == 0


def test_a_few_labels_of_a_later_block_do_not_close_one_whose_labels_still_come():
    blocks = LabelBlocks().add(0, labels(0.1, 0.3, count=100), 50.0).add(1, labels(0.1, 0.3), 101.0)
    assert closed_at(blocks, 120.0)[1] == []


def test_a_block_without_a_later_one_is_closed_when_nothing_comes_any_more():
    blocks = LabelBlocks().add(0, labels(0.1, 0.3), 90.0)
    assert closed_at(blocks, 149.0)[1] == [] and len(closed_at(blocks, 150.0)[1]) == 1
    late = LabelBlocks().add(0, labels(0.1, 0.3), 500.0)
    assert closed_at(late, 549.0)[1] == [] and len(closed_at(late, 550.0)[1]) == 1


def test_late_labels_go_to_the_oldest_block_that_is_open():
    blocks, _ = closed_at(LabelBlocks().add(0, labels(0.1, 0.3), 90.0), 300.0)
    assert blocks.add(0, labels(0, 0), 301.0).open[0].number == 1, "none is open: the next one"
    blocks = blocks.add(5, labels(0.1, 0.1), 510.0).add(0, labels(0.1, 0.9), 511.0)
    assert [(block.number, block.labels) for block in blocks.open] == [(5, 16)]


def test_a_block_in_which_an_arm_has_no_label_becomes_part_of_the_next():
    alone = {0.5: LabelSums((3, 0), (0.3, 0.0), (0.03, 0.0))}
    blocks, closed_blocks = closed_at(LabelBlocks().add(0, alone, 10.0), 1_000.0)
    assert closed_blocks == [] and blocks.open[0].number == 0
    blocks, closed_blocks = closed_at(blocks.add(1, labels(0.1, 0.3), 110.0), 1_000.0)
    assert closed_blocks[0].information == pytest.approx(7 * 4 / 11)


def test_arms_are_compared_under_one_weight_since_losses_drift_while_weights_grow():
    rare = LabelSums((90, 10), (9.0, 1.0), (0.9, 0.1))  # both lose 0.1
    even = LabelSums((50, 50), (25.0, 25.0), (12.5, 12.5))  # both lose 0.5
    blocks = LabelBlocks().add(0, {0.1: rare, 0.5: even}, 10.0)
    assert closed_at(blocks, 1_000.0)[1][0].value == pytest.approx(0.0)


def test_pairs_are_compared_pair_by_pair():
    stable = np.array([0.1, 0.5, 0.9])
    sums = LabelSums.of_pairs(stable, stable + 0.05)
    block = LabelBlocks().add(0, {0.5: sums}, 10.0).close(1_000.0, DAY, paired=True)[1][0]
    assert (block.value, block.information, block.freedom) == (pytest.approx(0.05), 3, 2)
    assert block.within == pytest.approx(0.0, abs=1e-9), "however the losses themselves differ"


def test_labels_of_the_future_belong_to_now():
    numbers = [number for number, _ in by_block(np.array([50.0, 1e9, 150.0]), 160.0, DAY)]
    assert numbers == [0, 1]


def test_not_too_many_blocks_wait():
    blocks = LabelBlocks()
    for number in range(MOST_OPEN + 5):
        blocks = blocks.add(number, labels(0.1, 0.3), 0.0)
    assert len(closed_at(blocks, 0.0)[0].open) == MOST_OPEN


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 1)), max_size=30), st.data())
@settings(max_examples=50, deadline=None)
def test_no_label_is_lost_or_counted_twice_and_json_loses_nothing(rows, data):
    blocks, counted = LabelBlocks(), 0
    for number, is_candidate, loss in rows:
        sums = LabelSums.of_arms(np.array([is_candidate]), np.array([loss]))
        blocks = LabelBlocks.from_json(json.loads(json.dumps(blocks.add(number, {0.5: sums}, 1.0).to_json())))
        before = sum(block.labels for block in blocks.open)
        blocks, closed_blocks = closed_at(blocks, data.draw(st.floats(0, 2_000)))
        counted += before - sum(block.labels for block in blocks.open)
        assert all(abs(each.value) <= 1 and each.within >= 0 for each in closed_blocks)
    assert counted + sum(block.labels for block in blocks.open) == len(rows)
