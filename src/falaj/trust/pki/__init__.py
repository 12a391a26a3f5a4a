"""Which workloads and callers are let in: enrolment by one-time tokens, the certificates that are out, callers' tokens.

`enrolment` is how a location comes in, `agent_certificates` which certificates agents hold and which are revoked,
`caller_tokens` the key that signs the tokens of callers. Certificates themselves are `falaj.supply_chain.certificates`.
"""

__all__ = ["agent_certificates", "caller_tokens", "enrolment", "errors"]
