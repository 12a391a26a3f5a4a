"""The packs of rules that platform.yaml turns on, each with the settings that it has.

The numbers are defaults of a configuration, not statements of law: whoever runs the platform sets them as counsel says.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from falaj.config.fields import Duration, NonEmpty, Origin, Strict, problem
from falaj.config.uae_pack import DAY_S, UaeSettings

_DEFAULT = UaeSettings()
Years = Annotated[int, Field(ge=0, le=100)]


def _days(seconds: float) -> Any:
    return {"default": seconds, "json_schema_extra": {"default": f"{seconds / DAY_S:.0f}d"}}


class Uae(Strict):
    """Settings of the pack `uae`: deadlines, and what an organisation has found out with its counsel."""

    adequate_countries: list[Origin] = Field(
        default=[], description="Countries that personal data may go to without a transfer basis; none by default."
    )
    dpo: NonEmpty | None = Field(
        default=None,
        description="User who is the data protection officer: one of those who approve what holds personal data.",
    )
    breach_notify_within: Duration = Field(
        **_days(_DEFAULT.breach_notify_within), description="From learning of a breach until it is notified."
    )
    subject_request_within: Duration = Field(
        **_days(_DEFAULT.subject_request_within), description="From a person's request until it is answered."
    )
    dpia_valid_for: Duration = Field(
        **_days(_DEFAULT.dpia_valid_for), description="How long an impact assessment counts at most."
    )
    bias_evaluation_every: Duration = Field(
        **_days(_DEFAULT.bias_evaluation_every), description="How long a bias evaluation counts at most."
    )
    transfer_valid_for: Duration = Field(
        **_days(_DEFAULT.transfer_valid_for), description="How long a transfer basis counts at most."
    )
    health_retention_years: Years = Field(
        default=_DEFAULT.health_retention_years,
        description="Snapshots of health data are kept so many years, whoever asks for their erasure.",
    )
    banking_retention_years: Years = Field(
        default=_DEFAULT.banking_retention_years, description="The same for data of banks and insurers."
    )


class Packs(Strict):
    """Packs of rules that hold."""

    uae: Uae | None = Field(
        default=None, description="Rules of the United Arab Emirates as configuration; not legal advice."
    )

    def names(self) -> tuple[str, ...]:
        """The packs that are on."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)

    def settings(self) -> dict[str, dict[str, Any]]:
        """What the file sets of each pack; defaults stay with the pack."""
        on = ((name, getattr(self, name)) for name in self.names())
        return {
            name: pack_settings
            for name, pack in on
            if (pack_settings := pack.model_dump(exclude_unset=True, exclude_none=True))
        }


PACK_LIST: dict[str, Any] = {
    "type": "array",
    "items": {"enum": list(Packs.model_fields)},
    "uniqueItems": True,
}


def as_mapping(value: Any) -> Any:
    """`[uae]` as `{uae: {}}`; a pack without settings has an empty mapping."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        twice = next((name for name in value if value.count(name) > 1), None)
        if twice is not None:
            raise problem(f"{twice!r} is named twice", "each pack once")
        return {name: {} for name in value}
    if isinstance(value, dict):
        return {name: {} if settings is None else settings for name, settings in value.items()}
    return value
