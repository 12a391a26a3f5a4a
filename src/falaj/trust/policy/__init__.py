"""Who may do what: one question to Cedar policies with a strict schema, denied whenever it cannot be answered.

`authorize` is the pure core; `decide` and `require` ask it with the policies and bindings that are in force. Roles are
granted by bindings to a tenant, project or environment; forbids of the platform hold whatever an organisation adds.
"""

from falaj.trust.policy.actions import Action, Role
from falaj.trust.policy.bindings import Binding, bindings_of
from falaj.trust.policy.decision import authorize
from falaj.trust.policy.errors import ForbiddenError, PolicyError
from falaj.trust.policy.facts import ChangeFacts, PrivacyFacts, SignedFacts
from falaj.trust.policy.organisation import with_organisation
from falaj.trust.policy.permission import decide, effective_policies, require
from falaj.trust.policy.policyset import PolicyRule, PolicySet, built_in
from falaj.trust.policy.quorum import VerifiedApproval, count_holders
from falaj.trust.policy.reference import policy_reference_page
from falaj.trust.policy.resources import PolicyDecision, Resource

__all__ = [
    "Action",
    "Binding",
    "ChangeFacts",
    "ForbiddenError",
    "PolicyDecision",
    "PolicyError",
    "PolicyRule",
    "PolicySet",
    "PrivacyFacts",
    "Resource",
    "Role",
    "SignedFacts",
    "VerifiedApproval",
    "authorize",
    "bindings_of",
    "built_in",
    "count_holders",
    "decide",
    "effective_policies",
    "policy_reference_page",
    "require",
    "with_organisation",
]
