"""The settings of the pack `uae` as other rooms consume them; only the standard library is imported here.

The numbers are defaults of a configuration, not statements of law: whoever runs the platform sets them as counsel says.
"""

from __future__ import annotations

from dataclasses import dataclass

from falaj.config.platform_spec import PlatformSpec

NAME = "uae"
DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


@dataclass(frozen=True)
class UaeSettings:
    """Deadlines, and what an organisation has found out with its counsel.

    Attributes:
        adequate_countries: ISO 3166 codes of where personal data may go without a transfer basis.
        dpo: User who is the data protection officer; empty when there is none.
        breach_notify_within: Seconds from learning of a breach until it is notified.
        subject_request_within: Seconds from a person's request until it is answered.
        dpia_valid_for: Seconds for which an impact assessment counts at most.
        bias_evaluation_every: Seconds for which a bias evaluation counts at most.
        transfer_valid_for: Seconds for which a transfer basis counts at most.
        health_retention_years: Years for which snapshots of health data are kept.
        banking_retention_years: The same for data of banks and insurers.
    """

    adequate_countries: tuple[str, ...] = ()
    dpo: str = ""
    breach_notify_within: float = 3 * DAY_S
    subject_request_within: float = 30 * DAY_S
    dpia_valid_for: float = 365 * DAY_S
    bias_evaluation_every: float = 365 * DAY_S
    transfer_valid_for: float = 365 * DAY_S
    health_retention_years: int = 25
    banking_retention_years: int = 5


def uae_settings(spec: PlatformSpec) -> UaeSettings | None:
    """The settings of the pack; None where it is not on."""
    if NAME not in spec.policy_packs:
        return None
    pack_values = dict(spec.pack_settings.get(NAME, {}))
    if "adequate_countries" in pack_values:
        pack_values["adequate_countries"] = tuple(pack_values["adequate_countries"])
    return UaeSettings(**pack_values)
