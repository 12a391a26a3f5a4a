"""Who acts: accounts of people and services, their sessions and tokens, and the keys that people approve with.

The room proves identities and nothing else; what a principal may do is asked of the policy. Other ways to prove an
identity (an identity provider, a security key) end in a session of this room.
"""

from falaj.trust.identity import accounts, administration, one_time_links, roles, second_factor, tokens
from falaj.trust.identity.accounts import NewAccount
from falaj.trust.identity.approval_keys import identity_envelopes, keys_of, register, revoke_key, valid_keys
from falaj.trust.identity.authentication import authenticate
from falaj.trust.identity.login import Authenticator, Proof
from falaj.trust.identity.passwords import Passwords
from falaj.trust.identity.reauthentication import require_recent_login
from falaj.trust.identity.sessions import (
    close_session,
    end_session,
    give_to_browser,
    is_live,
    note_use,
    open_session,
    record_step_up,
    session_of,
    sessions_of,
)
from falaj.trust.identity.setup import LINK_FILE, FirstAdministrator, make_first_administrator, offer_setup
from falaj.trust.identity.tokens import NewToken

__all__ = [
    "LINK_FILE",
    "Authenticator",
    "FirstAdministrator",
    "NewAccount",
    "NewToken",
    "Passwords",
    "Proof",
    "accounts",
    "administration",
    "authenticate",
    "close_session",
    "end_session",
    "give_to_browser",
    "identity_envelopes",
    "is_live",
    "keys_of",
    "make_first_administrator",
    "note_use",
    "offer_setup",
    "one_time_links",
    "open_session",
    "record_step_up",
    "register",
    "require_recent_login",
    "revoke_key",
    "roles",
    "second_factor",
    "session_of",
    "sessions_of",
    "tokens",
    "valid_keys",
]
