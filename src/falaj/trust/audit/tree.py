"""The Merkle tree of RFC 6962 over stored nodes: what to add when it grows, its root and proofs at any size (pure).

A node (level, position) is the hash of the 2**level leaves from position * 2**level on. Only complete subtrees are
stored, and they never change; everything else is made of O(log n) of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from falaj.supply_chain.attestations.merkle import node_hash

Place = tuple[int, int]
"""Level and position of a node."""

Lookup = Callable[[Place], bytes]
"""Finds the hash of a complete subtree."""


def frontier(size: int) -> list[Place]:
    """The complete subtrees that a tree of so many leaves is made of, from left to right."""
    places, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            places.append((level, start >> level))
            start += 1 << level
    return places


def grow(size: int, edge: Mapping[Place, bytes], leaves: Sequence[bytes]) -> dict[Place, bytes]:
    """The subtrees that become complete when leaves are added.

    Args:
        size: Leaves so far.
        edge: The hashes of `frontier(size)`.
        leaves: Hashes of the new leaves.

    Returns:
        New nodes; those of level 0 are the leaves themselves.
    """
    new_hashes: dict[Place, bytes] = {}
    for position, leaf in enumerate(leaves, start=size):
        place, value = (0, position), leaf
        new_hashes[place] = value
        while place[1] & 1:
            left_place = (place[0], place[1] - 1)
            place, value = (
                (place[0] + 1, place[1] >> 1),
                node_hash(new_hashes[left_place] if left_place in new_hashes else edge[left_place], value),
            )
            new_hashes[place] = value
    return new_hashes


def span(start: int, end: int, lookup: Lookup) -> bytes:
    """The tree hash of the leaves from `start` to before `end`."""
    width = end - start
    if width & (width - 1) == 0 and start % width == 0:
        level = width.bit_length() - 1
        return lookup((level, start >> level))
    middle = start + _half(width)
    return node_hash(span(start, middle, lookup), span(middle, end, lookup))


def inclusion(index: int, size: int, lookup: Lookup) -> list[bytes]:
    """The audit path of a leaf in a tree of so many leaves (RFC 6962, 2.1.1)."""
    return list(_path(index, 0, size, lookup))[::-1]


def consistency(first: int, size: int, lookup: Lookup) -> list[bytes]:
    """The proof that a tree continues the one of its `first` leaves (RFC 6962, 2.1.2)."""
    return list(_subproof(first, 0, size, lookup, whole=True))[::-1] if 0 < first < size else []


def needed(proof: Callable[[Lookup], object]) -> set[Place]:
    """The nodes that a computation asks for, so that they can be read at once."""
    places: set[Place] = set()

    def note(place: Place) -> bytes:
        places.add(place)
        return b"\0" * 32

    proof(note)
    return places


def _path(index: int, start: int, end: int, lookup: Lookup) -> Iterator[bytes]:
    """From the root down to the leaf."""
    while end - start > 1:
        middle = start + _half(end - start)
        if index < middle:
            yield span(middle, end, lookup)
            end = middle
        else:
            yield span(start, middle, lookup)
            start = middle


def _subproof(first: int, start: int, end: int, lookup: Lookup, *, whole: bool) -> Iterator[bytes]:
    """From the root down; `first` counts from the beginning of the tree."""
    while first != end:
        middle = start + _half(end - start)
        if first <= middle:
            yield span(middle, end, lookup)
            end = middle
        else:
            yield span(start, middle, lookup)
            start, whole = middle, False
    if not whole:
        yield span(start, end, lookup)


def _half(width: int) -> int:
    """The largest power of two that is smaller than a width of at least 2."""
    return 1 << (width - 1).bit_length() - 1
