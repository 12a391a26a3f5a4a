from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from falaj.supply_chain.attestations import merkle
from falaj.trust.audit import tree

LEAVES = [hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(300)]


def nodes_of(count: int, batches: list[int]) -> dict[tree.Place, bytes]:
    """The nodes of a tree that grew in batches of such sizes until it had `count` leaves."""
    stored: dict[tree.Place, bytes] = {}
    size = 0
    while size < count:
        step = min(batches[size % len(batches)], count - size)
        edge = {place: stored[place] for place in tree.frontier(size)}
        stored |= tree.grow(size, edge, LEAVES[size : size + step])
        size += step
    return stored


GROWTH = st.tuples(st.integers(1, 300), st.lists(st.integers(1, 40), min_size=1, max_size=5))


@given(GROWTH)
def test_the_root_is_that_of_all_leaves_at_every_size_however_it_grew(growth: tuple[int, list[int]]) -> None:
    count, batches = growth
    stored = nodes_of(count, batches)
    for size in {1, count, (count + 1) // 2}:
        assert tree.span(0, size, stored.__getitem__) == merkle.root(LEAVES[:size])


@given(GROWTH, st.data())
def test_proofs_are_those_of_the_specification_at_every_size(
    growth: tuple[int, list[int]], data: st.DataObject
) -> None:
    count, batches = growth
    stored = nodes_of(count, batches)
    size = data.draw(st.integers(1, count))
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = tree.inclusion(index, size, stored.__getitem__)
    assert path == merkle.inclusion_proof(index, LEAVES[:size])
    proof = tree.consistency(first, size, stored.__getitem__)
    assert proof == merkle.consistency_proof(first, LEAVES[:size])
    roots = merkle.root(LEAVES[:first]), merkle.root(LEAVES[:size])
    assert merkle.verify_consistency(first, size, *roots, proof)


@given(st.integers(1, 10**9), st.data())
def test_a_proof_needs_few_nodes_of_a_large_tree(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    node_positions = tree.needed(lambda lookup: tree.inclusion(index, size, lookup))
    assert len(node_positions) <= 2 * size.bit_length()
    assert all((position + 1) << level <= size for level, position in node_positions)


def test_only_complete_subtrees_are_kept() -> None:
    assert sorted(nodes_of(5, [1])) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (2, 0)]
    assert tree.frontier(0) == []
    assert tree.frontier(11) == [(3, 0), (1, 4), (0, 10)]
