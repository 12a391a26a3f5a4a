"""The reference page of permission, written from the policies themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from falaj.core.principal import Principal, PrincipalKind
from falaj.trust.policy.actions import Action, Role
from falaj.trust.policy.bindings import Binding
from falaj.trust.policy.decision import authorize
from falaj.trust.policy.organisation import with_organisation
from falaj.trust.policy.policyset import PACKS, PolicyRule, built_in, pack_texts, rule_text
from falaj.trust.policy.resources import Resource

_ANYONE = Principal("user:anyone", PrincipalKind.USER)


def policy_reference_page() -> str:
    """Roles with their actions, every policy with its explanation, and what policies of an organisation can ask for."""
    policies = built_in().rules.values()
    forbids = ((f"`{each.id}`", each.explanation) for each in policies if each.effect == "forbid")
    permits = ((f"`{each.id}`", each.explanation) for each in policies if each.effect == "permit")
    parts = [
        _INTRODUCTION,
        "## What each role may do\n",
        *_table(("action", *(role.value for role in Role)), _by_role()),
        "## What nothing can permit\n",
        *_table(("policy", "a refused person reads"), forbids),
        "## What permits\n",
        *_table(("policy", "says"), permits),
        _PACKS,
        *_table(("policy", "a refused person reads"), ((f"`{each.id}`", each.explanation) for each in _of_packs())),
        _ORGANISATION,
        "## The schema\n",
        f"```cedar\n{rule_text('schema.cedarschema')}```\n",
        "## The policies\n",
        *(f"```cedar\n{each.text}\n```\n" for each in (*policies, *_of_packs())),
    ]
    return "\n".join(parts)


def _of_packs() -> list[PolicyRule]:
    """The policies of packs, in their order."""
    return [rule for rule in with_organisation({}, PACKS).rules.values() if rule.source in pack_texts(PACKS)]


def _by_role() -> Iterator[tuple[str, ...]]:
    for action in Action:
        if any(row := [_may(role, action) for role in Role]):
            yield (f"`{action}`", *("yes" if may else "" for may in row))


def _may(role: Role, action: Action) -> bool:
    tenant = Resource("tenant", "default")
    outcome = authorize(_ANYONE, action, tenant, {"now": 0.0}, policies=built_in(), bindings=(Binding(role),))
    return outcome.allowed


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(headings)
    yield f"| {' | '.join(names)} |"
    yield "|" + "---|" * len(names)
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


_INTRODUCTION = """\
# Policies

Every route declares an action, and every decision asks one question of [Cedar](https://www.cedarpolicy.com) policies:
may this principal do that to this resource, now? What nothing permits is denied, what one policy forbids is denied
whatever others permit, and a question that cannot be answered is denied. A refusal is `auth.forbidden` (HTTP 403, exit
code 7), names its policy, and becomes an entry of the audit log.

A role is granted by a binding: in platform.yaml to a group or user, or to one account; in the whole tenant, one
project, or one environment. Reading is not bounded by environment. Whoever can read the installation's folder (its own
processes, git hooks, the command line before anyone logs in) holds `service`, `data-scientist`, `ml-engineer` and
`auditor`, and can approve nothing.

`falaj access policy show` lists what is in force, `falaj access policy explain ID` shows one policy, and `falaj access
policy ask ACTION` asks for yourself.
"""

_PACKS = """\
## What packs forbid

While `policy_packs: [uae]` stands in platform.yaml, these hold too. They are configuration, not legal advice.
"""

_ORGANISATION = """\
## Policies of your own

platform.yaml names Cedar files under `policies`. They add to the policies here: a forbid of yours holds for everyone, a
permit of yours grants what no role does, and nothing of yours lifts a forbid of the platform. Each policy carries
`@id`, unique, and `@explain`, the sentence that a refused person reads:

```cedar
@id("health-data-by-hand")
@explain("health data is released by release managers of the clinic alone")
forbid (principal, action == Action::"approve-change", resource)
when { resource.hasTag("classification") && resource.getTag("classification") == "health" }
unless { principal.groups.contains("clinic-release") };
```

`falaj access policy test FOLDER` checks them against the schema, asks the cases in `*.cases.yaml` beside them, and
makes sure that administrators can still manage the platform and its accounts under them, auditors read the log, and
release managers revoke. `falaj platform apply` checks the same except your cases, and refuses what fails.

```yaml
- name: the data team may not release health data
  principal: {kind: user, name: mariam, groups: [data]}
  roles: [{role: data-scientist, project: clinic}]
  action: approve-change
  resource: {kind: change, id: c1, project: clinic, environment: prod, rank: 3, attributes: {classification: health}}
  context: {now: 1700000000}
  allowed: false
  because: health-data-by-hand
```
"""
