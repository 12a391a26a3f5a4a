"""What is made of a window: every monitor in turn, what to remember of it, and the facts for triage (pure)."""

from falaj.monitoring.watching.judging import Judged, WindowBlock, judge
from falaj.monitoring.watching.measuring import measured_loss
from falaj.monitoring.watching.restoring import restored
from falaj.monitoring.watching.state import MonitorState, Run

__all__ = ["Judged", "MonitorState", "Run", "WindowBlock", "judge", "measured_loss", "restored"]
