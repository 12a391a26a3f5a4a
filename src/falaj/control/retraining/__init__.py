"""What starts a training again, when, and on which rows.

Whatever asks goes through `request_training`. Whether the candidate was worth it is judged in its run, by
`falaj.build.checks.champion`.
"""

from falaj.control.retraining.admission import Requested, advance, request_training, resume
from falaj.control.retraining.label_trigger import LabelTriggerRule, feedback_trigger
from falaj.control.retraining.schedules import start_due
from falaj.control.retraining.training_history import (
    PastTraining,
    RetrainingPolicy,
    TrainingOutcome,
    Trigger,
    TriggerError,
    TriggerKind,
)
from falaj.control.retraining.triggers import Decision, Refuse, Start, Wait, decide, decide_all
from falaj.control.retraining.windows import (
    TooShort,
    TrainingWindow,
    TrainingWindowError,
    WindowPlan,
    WindowStrategy,
    plan_from_mapping,
    training_window,
)

__all__ = [
    "Decision",
    "LabelTriggerRule",
    "PastTraining",
    "Refuse",
    "Requested",
    "RetrainingPolicy",
    "Start",
    "TooShort",
    "TrainingOutcome",
    "TrainingWindow",
    "TrainingWindowError",
    "Trigger",
    "TriggerError",
    "TriggerKind",
    "Wait",
    "WindowPlan",
    "WindowStrategy",
    "advance",
    "decide",
    "decide_all",
    "feedback_trigger",
    "plan_from_mapping",
    "request_training",
    "resume",
    "start_due",
    "training_window",
]
