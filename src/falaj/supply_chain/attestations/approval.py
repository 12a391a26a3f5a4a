"""Signing an approval on the machine of the person who gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from falaj.supply_chain.attestations.decisions import Approval
from falaj.supply_chain.attestations.envelope import Envelope, sign_statement
from falaj.supply_chain.attestations.errors import EvidenceError
from falaj.supply_chain.attestations.keys import Signer


def sign_approval(predicate: Mapping[str, Any], signer: Signer) -> Envelope:
    """Sign what the control plane asks to be signed.

    Args:
        predicate: Of an `Approval`, as the person saw it.
        signer: The person's own key.

    Raises:
        EvidenceError: It is no approval (`evidence.malformed`); nothing else is ever signed with this key.
    """
    try:
        approval = msgspec.convert(dict(predicate), Approval)
    except msgspec.ValidationError as error:
        raise EvidenceError(f"what is to be signed is not an approval: {error}") from error
    return sign_statement(approval.statement(), signer)
