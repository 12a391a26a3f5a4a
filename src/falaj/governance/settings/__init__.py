"""What was applied of platform.yaml: the version that holds, what an apply would change, and what has drifted since.

`current` is what every other room asks: the environments, locations, bindings and policies that hold now. Where
nothing was applied it is `PlatformSpec.default()`.
"""

from falaj.governance.settings.differences import Difference, differences
from falaj.governance.settings.versions import Applied, apply, current, history

__all__ = ["Applied", "Difference", "apply", "current", "differences", "history"]
