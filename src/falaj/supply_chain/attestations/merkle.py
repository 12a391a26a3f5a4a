"""Merkle tree hashes and proofs over a list of leaves.

Source: RFC 6962 section 2.1 (hashes and proofs), RFC 9162 sections 2.1.3.2 and 2.1.4.2 (how proofs are verified).
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Sequence

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left_hash: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left_hash + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of a list of leaf hashes."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        paired = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = [*paired, *level[len(paired) * 2 :]]
    return level[0]


def roots_at(sizes: Collection[int], hashes: Iterable[bytes]) -> dict[int, bytes]:
    """Return the roots of a growing list of leaf hashes when it had these sizes, in one pass over it.

    Args:
        sizes: Those that the list never reaches are left out.
        hashes: All leaf hashes.
    """
    roots = {0: EMPTY_ROOT} if 0 in sizes else {}
    edge: list[tuple[int, bytes]] = []  # complete subtrees from left to right: widths and hashes
    for size, leaf in enumerate(hashes, start=1):
        width, value = 1, leaf
        while edge and edge[-1][0] == width:
            width, value = 2 * width, node_hash(edge.pop()[1], value)
        edge.append((width, value))
        if size in sizes:
            roots[size] = functools.reduce(lambda right, left: node_hash(left[1], right), edge[-2::-1], edge[-1][1])
    return roots


def inclusion_proof(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """Return the audit path of a leaf, from the leaf upwards.

    Args:
        index: From 0, below the number of hashes.
        hashes: All leaf hashes.
    """
    if len(hashes) == 1:
        return []
    half = _half(len(hashes))
    if index < half:
        return [*inclusion_proof(index, hashes[:half]), root(hashes[half:])]
    return [*inclusion_proof(index - half, hashes[half:]), root(hashes[:half])]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Tell whether a tree of this size and root has the leaf hash at this index."""
    if not 0 <= index < size:
        return False
    first, last, root_hash = index, size - 1, leaf
    for node in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            root_hash = node_hash(node, root_hash)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            root_hash = node_hash(root_hash, node)
        first, last = first >> 1, last >> 1
    return last == 0 and root_hash == expected


def consistency_proof(first: int, hashes: Sequence[bytes]) -> list[bytes]:
    """Return the proof that the tree over `hashes` continues the one over its first `first` leaves.

    Args:
        first: Between 1 and the number of hashes.
        hashes: All leaf hashes.
    """
    return _subproof(first, hashes, whole=True)


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether a tree of size `second` continues the tree of size `first`; both sizes are at least 1."""
    if first == second:
        return not proof and first_root == second_root
    if not 0 < first < second or not proof:
        return False
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    below, last = first - 1, second - 1
    while below & 1:
        below, last = below >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if below & 1 or below == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while below and not below & 1:
                below, last = below >> 1, last >> 1
        else:
            new = node_hash(new, node)
        below, last = below >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _subproof(first: int, hashes: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if first == len(hashes):
        return [] if whole else [root(hashes)]
    half = _half(len(hashes))
    if first <= half:
        return [*_subproof(first, hashes[:half], whole=whole), root(hashes[half:])]
    return [*_subproof(first - half, hashes[half:], whole=False), root(hashes[:half])]


def _half(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)
