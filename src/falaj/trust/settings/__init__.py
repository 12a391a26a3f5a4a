"""What was applied of platform.yaml: the version that holds, what differs from it, and what has drifted since.

`current` is what every other room asks: the environments, locations, bindings and policies that hold now. Where
nothing was applied it is `PlatformSpec.default()`.
"""

from falaj.trust.settings.differences import SettingDifference, differences
from falaj.trust.settings.drift import ConfigurationDrift, DriftInputs, look, remember
from falaj.trust.settings.errors import PersonNeededError, PlatformChangedError, PlatformInUseError
from falaj.trust.settings.evidence import digest
from falaj.trust.settings.keys import exposed, fingerprints
from falaj.trust.settings.versions import current, egress, history, newest

__all__ = [
    "ConfigurationDrift",
    "DriftInputs",
    "PersonNeededError",
    "PlatformChangedError",
    "PlatformInUseError",
    "SettingDifference",
    "current",
    "differences",
    "digest",
    "egress",
    "exposed",
    "fingerprints",
    "history",
    "look",
    "newest",
    "remember",
]
