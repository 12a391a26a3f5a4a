"""Who acts: accounts of people and services, their sessions and tokens, and the keys that people approve with.

The room proves identities and nothing else; what a principal may do is asked of the policy. Other ways to prove an
identity (an identity provider, a security key) end in a session of this room.
"""

from falaj.governance.identity.approval_keys import identity_envelopes, keys_of, require_fresh
from falaj.governance.identity.authentication import authenticate
from falaj.governance.identity.sessions import close_session, open_session, record_step_up

__all__ = [
    "authenticate",
    "close_session",
    "identity_envelopes",
    "keys_of",
    "open_session",
    "record_step_up",
    "require_fresh",
]
