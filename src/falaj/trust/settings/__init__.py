"""What was applied of platform.yaml: the version that holds, what an apply would change, and what has drifted since.

`current` is what every other room asks: the environments, locations, bindings and policies that hold now. Where
nothing was applied it is `PlatformSpec.default()`.
"""

from falaj.trust.settings.differences import SettingDifference, differences
from falaj.trust.settings.drift import ConfigurationDrift, DriftInputs, look, remember
from falaj.trust.settings.errors import PersonNeededError, PlatformChangedError, PlatformInUseError
from falaj.trust.settings.evidence import digest
from falaj.trust.settings.keys import exposed, fingerprints
from falaj.trust.settings.loosening import require_person
from falaj.trust.settings.versions import AppliedVersion, SettingsOrigin, apply, current, egress, history, newest, plan

__all__ = [
    "AppliedVersion",
    "ConfigurationDrift",
    "DriftInputs",
    "PersonNeededError",
    "PlatformChangedError",
    "PlatformInUseError",
    "SettingDifference",
    "SettingsOrigin",
    "apply",
    "current",
    "differences",
    "digest",
    "egress",
    "exposed",
    "fingerprints",
    "history",
    "look",
    "newest",
    "plan",
    "remember",
    "require_person",
]
