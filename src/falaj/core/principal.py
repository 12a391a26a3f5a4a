"""Who acts: a person, a service with a token, or a workload with a certificate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    """What sort of actor it is."""

    USER = "user"
    SERVICE = "service"
    WORKLOAD = "workload"


@dataclass(frozen=True)
class Principal:
    """An authenticated actor. Authentication makes it; what it may do is asked of the policy, every time.

    Args:
        id: `user:<name>`, `service:<name>` or `workload:<part>/<location>`; unique in its tenant, never reused.
        kind: What sort of actor it is.
        tenant: The organisation it belongs to.
        groups: Groups of the identity provider, or of the account.
        email: Verified address; joins an approver with the author of a commit. None for machines.
        active: False for one who was locked or has left: may do nothing.
        authenticated_at: When it proved who it is, unix seconds.
        step_up_at: When a person last proved it again for an approval, unix seconds; None when never.
        step_up_method: `webauthn`, `totp` or `login`, for `step_up_at`.
        actions: What a scoped token may be used for at most; None means no limit beyond policy.
        location: The location of a workload, None for others.
    """

    id: str
    kind: PrincipalKind
    tenant: str = "default"
    groups: frozenset[str] = frozenset()
    email: str | None = None
    active: bool = True
    authenticated_at: float = 0.0
    step_up_at: float | None = None
    step_up_method: str | None = None
    actions: frozenset[str] | None = None
    location: str | None = None

    @property
    def name(self) -> str:
        """The id without its kind."""
        return self.id.partition(":")[2]


HOME = "service:home"
"""Whoever can read the installation's folder: its own processes, its git hooks and the owner's command line."""
