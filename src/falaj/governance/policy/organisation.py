"""Policies of the organisation: they add to the platform's own, and are tried before they load."""

from __future__ import annotations

from collections.abc import Mapping

from falaj.governance.policy.errors import PolicyError
from falaj.governance.policy.policyset import BUILT_IN, PolicySet, built_in, load
from falaj.governance.policy.trial import failures, must_hold


def with_organisation(texts: Mapping[str, str]) -> PolicySet:
    """The built-in policies and those of the organisation, which add to them and can take nothing away.

    They load only if what `trial.must_hold` lists stays possible under them: whoever added a forbid that locks
    everybody out could not take it back.

    Args:
        texts: Cedar text by name; the names appear in explanations.

    Raises:
        PolicyError: A text does not parse or fit the schema, a policy lacks its `@id` or uses one that is taken, or the
            trial fails.
    """
    if not texts:
        return built_in()
    if taken := sorted(set(texts) & set(BUILT_IN)):
        raise PolicyError(f"the name '{taken[0]}' is taken by built-in policies", hint="choose another file name")
    policies = load({**built_in().texts, **texts})
    if failed := failures(policies, must_hold()):
        raise PolicyError(f"the policies forbid what must stay possible: {failed[0]}", hint="narrow the forbid")
    return policies
