"""Labels joined with the predictions they are about, as either of them comes.

`LabelJoin` follows the log of a location and keeps, in a file beside it, which prediction each label belongs to: places
in the log, never what lies there. It outlives restarts, and whoever reads what was joined keeps a number of their own.
"""

from falaj.dataplane.label_join.join import JoinCounts, JoinLimits, LabelJoin
from falaj.dataplane.label_join.joined import JoinedLabel

__all__ = ["JoinCounts", "JoinLimits", "JoinedLabel", "LabelJoin"]
