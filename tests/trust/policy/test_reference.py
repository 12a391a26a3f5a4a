from __future__ import annotations

import re

from falaj.trust.policy import Action, built_in, policy_reference_page, with_organisation
from falaj.trust.policy.self_test import failures, read_cases


def test_the_page_names_every_policy_and_every_action_that_a_role_has() -> None:
    page = policy_reference_page()
    assert all(f"| `{name}` |" in page for name in built_in().rules)
    nobody = {Action.ADMIT, Action.SERVE, Action.EXECUTE, Action.PUBLIC}
    assert all(f"| `{action}` |" in page for action in set(Action) - nobody)


def test_the_example_of_an_organisation_loads_and_its_case_comes_out() -> None:
    page = policy_reference_page()
    text = re.search(r"```cedar\n(@id\(\"health.*?)```", page, re.S)
    cases = re.search(r"```yaml\n(.*?)```", page, re.S)
    assert text and cases
    assert failures(with_organisation({"health": text[1]}), read_cases(cases[1], "page")) == []
