"""The published roots of RFC 6962's test data, an independent implementation, and every proof damaged."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from pymerkle import verify_consistency as peer_consistency
from pymerkle import verify_inclusion as peer_inclusion

from falaj.supply_chain.attestations.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root,
    roots_at,
    verify_consistency,
    verify_inclusion,
)

# The inputs and roots of Certificate Transparency's own tests (google/certificate-transparency, merkletree).
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def test_the_published_roots() -> None:
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT == root([])
    assert [root(HASHES[:size]).hex() for size in range(1, 9)] == list(ROOTS)


def test_the_published_proofs() -> None:
    assert [item.hex()[:8] for item in inclusion_proof(0, HASHES)] == ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [item.hex()[:8] for item in consistency_proof(6, HASHES)] == ["0ebc5d34", "ca854ea1", "d37ee418"]


@given(st.integers(1, 70), st.data())
def test_every_leaf_is_included_and_nothing_else(size: int, data: st.DataObject) -> None:
    leaf_hashes, index = hashes(size), data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, leaf_hashes)
    assert verify_inclusion(leaf_hashes[index], index, size, proof, root(leaf_hashes))
    assert not verify_inclusion(leaf_hash(b"other"), index, size, proof, root(leaf_hashes))
    assert not verify_inclusion(leaf_hashes[index], index, size, [*proof, b"\0" * 32], root(leaf_hashes))
    for wrong in {index - 1, index + 1, index + size, -1} - {index}:
        assert not verify_inclusion(leaf_hashes[index], wrong, size, proof, root(leaf_hashes))
    if proof:
        assert not verify_inclusion(leaf_hashes[index], index, size, proof[:-1], root(leaf_hashes))
        assert not verify_inclusion(leaf_hashes[index], index, size, [b"\0" * 32, *proof[1:]], root(leaf_hashes))


@given(st.integers(1, 70), st.data())
def test_a_longer_tree_continues_a_shorter_one_and_no_other(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, second))
    leaf_hashes = hashes(second)
    proof, old, new = consistency_proof(first, leaf_hashes), root(leaf_hashes[:first]), root(leaf_hashes)
    assert verify_consistency(first, second, old, new, proof)
    other = root([leaf_hash(b"other"), *leaf_hashes[1:first]])
    assert not verify_consistency(first, second, other, new, proof)
    assert not verify_consistency(first, second, old, root([*leaf_hashes, leaf_hashes[0]]), proof)
    assert not verify_consistency(first, second, old, new, [*proof, b"\0" * 32])
    if proof:
        assert not verify_consistency(first, second, old, new, proof[:-1])
        assert not verify_consistency(first, second, old, new, [])


@pytest.mark.parametrize(("first", "second"), [(0, 4), (5, 4), (-1, 4)])
def test_sizes_that_prove_nothing(first: int, second: int) -> None:
    leaf_hashes = hashes(4)
    assert not verify_consistency(first, second, root(leaf_hashes), root(leaf_hashes), [])


def test_another_implementation_agrees() -> None:
    tree = InmemoryTree(algorithm="sha256")
    for number in range(37):
        tree.append_entry(b"%d" % number)
    leaf_hashes = hashes(37)
    for size in (1, 2, 3, 7, 8, 13, 36, 37):
        assert tree.get_root(size) == root(leaf_hashes[:size])
    for index in (0, 5, 31, 36):
        peer_inclusion(leaf_hashes[index], root(leaf_hashes), tree.prove_inclusion(index + 1, 37))
    peer_consistency(tree.get_root(5), root(leaf_hashes), tree.prove_consistency(5, 37))


@given(st.lists(st.binary(max_size=3), max_size=70), st.sets(st.integers(0, 80)))
def test_the_roots_of_one_pass_are_those_of_each_size(data: list[bytes], sizes: set[int]) -> None:
    hashes = [leaf_hash(each) for each in data]
    assert roots_at(sizes, iter(hashes)) == {size: root(hashes[:size]) for size in sizes if size <= len(hashes)}
