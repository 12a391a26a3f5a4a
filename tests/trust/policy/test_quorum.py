from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from falaj.trust.policy import VerifiedApproval, count_holders

names = st.sampled_from([f"user:{letter}" for letter in "abcdef"])
keys = st.sampled_from([f"k{number}" for number in range(6)])
signatures = st.lists(st.builds(VerifiedApproval, names, keys), max_size=12)


def test_two_people_with_their_own_keys_are_two() -> None:
    assert count_holders([VerifiedApproval("user:a", "k1"), VerifiedApproval("user:b", "k2")]) == 2


def test_one_person_with_two_keys_is_one() -> None:
    assert count_holders([VerifiedApproval("user:a", "k1"), VerifiedApproval("user:a", "k2")]) == 1


def test_one_key_under_two_names_is_one() -> None:
    assert count_holders([VerifiedApproval("user:a", "k1"), VerifiedApproval("user:b", "k1")]) == 1


def test_a_name_and_a_key_of_the_same_text_are_different_things() -> None:
    assert count_holders([VerifiedApproval("x", "k1"), VerifiedApproval("user:b", "x")]) == 2


def test_whoever_shares_a_key_with_the_requester_does_not_count() -> None:
    valid_approvals = [
        VerifiedApproval("user:a", "k1"),
        VerifiedApproval("user:b", "k1"),
        VerifiedApproval("user:c", "k2"),
    ]
    assert count_holders(valid_approvals, excluded={"user:a"}) == 1


@given(signatures)
def test_never_more_than_names_or_keys(valid_approvals: list[VerifiedApproval]) -> None:
    people, used = {each.person for each in valid_approvals}, {each.key for each in valid_approvals}
    assert (
        count_holders(valid_approvals) <= min(len(people), len(used))
        if valid_approvals
        else count_holders(valid_approvals) == 0
    )
    assert (count_holders(valid_approvals) >= 1) is bool(valid_approvals)


@given(signatures, st.randoms())
def test_order_and_repetition_change_nothing(valid_approvals: list[VerifiedApproval], random: object) -> None:
    shuffled = [*valid_approvals, *valid_approvals]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert count_holders(shuffled) == count_holders(valid_approvals)


@given(signatures, st.sets(names))
def test_excluding_never_adds(valid_approvals: list[VerifiedApproval], excluded: set[str]) -> None:
    assert count_holders(valid_approvals, excluded) <= count_holders(valid_approvals)
    assert count_holders(valid_approvals, {each.person for each in valid_approvals}) == 0
