"""What must hold of the installation before a specification may become the one that holds."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from falaj.config.platform_spec import PlatformSpec
from falaj.storage import EndpointRow
from falaj.trust import policy
from falaj.trust.settings.errors import PlatformInUseError


def accept(session: Session, old: PlatformSpec, new: PlatformSpec) -> None:
    """Refuse what the installation cannot become.

    Args:
        session: Reads the endpoints.
        old: What holds.
        new: What is to hold.

    Raises:
        PlatformInUseError: `platform.in-use`, when endpoints serve where the file leaves no place for them, or a
            location would move to another jurisdiction under them.
        PolicyError: `policy.invalid`, when a policy of the organisation does not load.
    """
    policy.with_organisation(new.policies, new.policy_packs)
    reasons = [reason for row in session.scalars(select(EndpointRow)) for reason in _objections(row, old, new)]
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        message = f"{reasons[0]}{more}"
        raise PlatformInUseError(
            message,
            where="platform.yaml",
            hint="falaj endpoint list shows them; retire what they serve, then apply again",
        )


def _objections(row: EndpointRow, old: PlatformSpec, new: PlatformSpec) -> Iterator[str]:
    serving = f"{row.environment}/{row.model} serves release {row.release} at {row.location}"
    environment = new.environments.get(row.environment)
    location = new.locations.get(row.location)
    if environment is None:
        yield f"the environment '{row.environment}' is to go, and {serving}"
    elif location is None:
        yield f"the location '{row.location}' is to go, and {serving}"
    elif row.location not in environment.locations:
        yield f"'{row.environment}' is to leave the location '{row.location}', and {serving}"
    elif row.location in old.locations and old.locations[row.location].jurisdiction != location.jurisdiction:
        was = old.locations[row.location].jurisdiction
        yield f"the location '{row.location}' is to move from {was} to {location.jurisdiction}, and {serving}"
