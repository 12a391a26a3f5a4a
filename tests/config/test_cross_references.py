from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from falaj.config.cross_references import find_cycle

graphs = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=4))


def test_a_cycle_begins_and_ends_with_the_same_step() -> None:
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert find_cycle({"a": ["a"]}) == ["a", "a"]


def test_no_cycle() -> None:
    assert find_cycle({"a": ["b", "c"], "b": ["c"], "c": ["unknown"]}) == []


def test_a_long_chain_is_no_problem() -> None:
    assert find_cycle({str(n): [str(n + 1)] for n in range(5000)}) == []


@given(graphs)
def test_a_found_cycle_is_real_and_none_is_missed(graph: dict[str, list[str]]) -> None:
    cycle = find_cycle(graph)
    assert all(later in graph[earlier] for earlier, later in pairwise(cycle))
    assert bool(cycle) == any(_reaches(graph, name, name) for name in graph)


def _reaches(graph: dict[str, list[str]], start: str, goal: str) -> bool:
    visited: set[str] = set()
    waiting = [*graph[start]]
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name in graph and name not in visited:
            visited.add(name)
            waiting += graph[name]
    return False
