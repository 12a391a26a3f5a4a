"""What was applied of platform.yaml: the version that holds, what an apply would change, and what has drifted since.

`current` is what every other room asks: the environments, locations, bindings and policies that hold now. Where
nothing was applied it is `PlatformSpec.default()`.
"""

from falaj.trust.settings.differences import Difference, differences
from falaj.trust.settings.drift import Finding, Surroundings, look, remember
from falaj.trust.settings.errors import PersonNeededError, PlatformChangedError, PlatformInUseError
from falaj.trust.settings.evidence import digest
from falaj.trust.settings.keys import exposed, fingerprints
from falaj.trust.settings.loosening import require_person
from falaj.trust.settings.versions import Applied, Origin, apply, current, egress, history, newest, plan

__all__ = [
    "Applied",
    "Difference",
    "Finding",
    "Origin",
    "PersonNeededError",
    "PlatformChangedError",
    "PlatformInUseError",
    "Surroundings",
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
