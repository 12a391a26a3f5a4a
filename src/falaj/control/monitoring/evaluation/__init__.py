"""What is made of a window: every monitor in turn, what to remember of it, and the facts for triage (pure)."""

from falaj.control.monitoring.evaluation.judging import Judged, WindowBlock, judge
from falaj.control.monitoring.evaluation.measuring import measured_loss
from falaj.control.monitoring.evaluation.restoring import restored
from falaj.control.monitoring.evaluation.state import MonitorState, Run

__all__ = ["Judged", "MonitorState", "Run", "WindowBlock", "judge", "measured_loss", "restored"]
