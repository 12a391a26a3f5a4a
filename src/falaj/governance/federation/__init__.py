"""Other proofs of identity than a password: an OpenID Connect provider, and security keys by WebAuthn.

A login by the provider ends in a session of `governance.identity`; a security key's answer is a fresh proof for it,
bound to the one statement that is approved.
"""
