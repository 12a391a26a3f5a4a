"""Which addresses the platform connects to, where somebody else named the host: one decision for all of them.

Repositories, identity providers and receivers of notifications are looked up once, every address of the name is judged
by the `EgressRules` of the platform file, and the connection is made to what was judged.
"""

from falaj.core.egress.addresses import OWN_MACHINE, EgressRules, ForbiddenAddressError
from falaj.core.egress.destination import Destination, Resolver, destination, is_address, is_proxied, numeric, resolve

__all__ = [
    "OWN_MACHINE",
    "Destination",
    "EgressRules",
    "ForbiddenAddressError",
    "Resolver",
    "destination",
    "is_address",
    "is_proxied",
    "numeric",
    "resolve",
]
