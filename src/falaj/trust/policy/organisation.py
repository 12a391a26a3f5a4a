"""Policies of the organisation: they add to the platform's own, and are tried before they load."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from falaj.trust.policy.errors import PolicyError
from falaj.trust.policy.policyset import BUILT_IN, PACKS, PolicySet, built_in, load, pack_texts
from falaj.trust.policy.self_test import assert_policy_tests, failures


def with_organisation(texts: Mapping[str, str], packs: Collection[str] = ()) -> PolicySet:
    """The built-in policies, those of packs, and those of the organisation, which can take nothing away from them.

    They load only if what `trial.must_hold` lists stays possible under them: whoever added a forbid that locks
    everybody out could not take it back.

    Args:
        texts: Cedar text by name; the names appear in explanations.
        packs: Names of the packs that are on.

    Raises:
        PolicyError: A text does not parse or fit the schema, a policy lacks its `@id` or uses one that is taken, or the
            trial fails.
    """
    if not texts and not packs:
        return built_in()
    if conflicts := sorted(set(texts) & {*BUILT_IN, *PACKS}):
        raise PolicyError(f"the name '{conflicts[0]}' is taken by built-in policies", hint="choose another file name")
    policies = load({**built_in().texts, **pack_texts(packs), **texts})
    if failed := failures(policies, assert_policy_tests()):
        raise PolicyError(f"the policies forbid what must stay possible: {failed[0]}", hint="narrow the forbid")
    return policies
