"""Who may make the platform less strict: a person who has just proved who it is; tightening may be automatic."""

from __future__ import annotations

from collections.abc import Sequence

from falaj.core.principal import Principal, PrincipalKind
from falaj.trust.identity import require_recent_login
from falaj.trust.settings.differences import SettingDifference
from falaj.trust.settings.errors import PersonNeededError

_MAX_NAMED = 3


def require_person(principal: Principal, differences: Sequence[SettingDifference], now: float) -> None:
    """Refuse what makes the platform less strict unless a person is present.

    Args:
        principal: Who applies.
        differences: What it changes.
        now: Unix seconds.

    Raises:
        PersonNeededError: A service or workload applies (`platform.person-needed`).
        StepUpNeededError: The person's last proof of identity is too old (`identity.step-up-needed`).
    """
    looser = [each.path for each in differences if each.loosens]
    if not looser:
        return
    paths = ", ".join(looser[:_MAX_NAMED]) + (f" and {len(looser) - _MAX_NAMED} more" if looser[_MAX_NAMED:] else "")
    if principal.kind is not PrincipalKind.USER:
        raise PersonNeededError(
            f"the file asks for less than before ({paths}), and {principal.id} is not a person",
            where="platform.yaml",
            hint="a person with the role admin applies it, after falaj login; falaj platform plan marks what is looser",
        )
    require_recent_login(principal, f"loosening the platform ({paths})", now)
