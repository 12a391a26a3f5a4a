"""Which process speaks: certificates of minutes for the agents of locations, and who may have one.

`names` and `certificates` are the pure core: names as SPIFFE writes them, certificates made and checked. `authority` is
the embedded certificate authority of an installation, `enrolment` how a location comes in with a one-time token, and
`roster` who is in, until when, and who is not any more.
"""

__all__ = ["agent_certificates", "authority", "certificates", "enrolment", "errors", "names"]
