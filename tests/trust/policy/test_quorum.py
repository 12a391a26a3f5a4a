from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.policy import Signature, count_holders

names = st.sampled_from([f"user:{letter}" for letter in "abcdef"])
keys = st.sampled_from([f"k{number}" for number in range(6)])
signatures = st.lists(st.builds(Signature, names, keys), max_size=12)


def test_two_people_with_their_own_keys_are_two() -> None:
    assert count_holders([Signature("user:a", "k1"), Signature("user:b", "k2")]) == 2


def test_one_person_with_two_keys_is_one() -> None:
    assert count_holders([Signature("user:a", "k1"), Signature("user:a", "k2")]) == 1


def test_one_key_under_two_names_is_one() -> None:
    assert count_holders([Signature("user:a", "k1"), Signature("user:b", "k1")]) == 1


def test_a_name_and_a_key_of_the_same_text_are_different_things() -> None:
    assert count_holders([Signature("x", "k1"), Signature("user:b", "x")]) == 2


def test_whoever_shares_a_key_with_the_requester_does_not_count() -> None:
    found = [Signature("user:a", "k1"), Signature("user:b", "k1"), Signature("user:c", "k2")]
    assert count_holders(found, excluded={"user:a"}) == 1


@given(signatures)
def test_never_more_than_names_or_keys(found: list[Signature]) -> None:
    people, used = {each.person for each in found}, {each.key for each in found}
    assert count_holders(found) <= min(len(people), len(used)) if found else count_holders(found) == 0
    assert (count_holders(found) >= 1) is bool(found)


@given(signatures, st.randoms())
def test_order_and_repetition_change_nothing(found: list[Signature], random: object) -> None:
    shuffled = [*found, *found]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert count_holders(shuffled) == count_holders(found)


@given(signatures, st.sets(names))
def test_excluding_never_adds(found: list[Signature], excluded: set[str]) -> None:
    assert count_holders(found, excluded) <= count_holders(found)
    assert count_holders(found, {each.person for each in found}) == 0
