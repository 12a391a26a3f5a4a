"""What is made of a window: every monitor in turn, what to remember of it, and the facts for triage (pure)."""

from falaj.control.monitoring.evaluation.state import LossBlock, MonitorState
from falaj.control.monitoring.evaluation.suppressed_counts import restored
from falaj.control.monitoring.evaluation.window import WindowBlock, WindowEvaluation, judge
from falaj.control.monitoring.evaluation.window_loss import measured_loss

__all__ = ["LossBlock", "MonitorState", "WindowBlock", "WindowEvaluation", "judge", "measured_loss", "restored"]
