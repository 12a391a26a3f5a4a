"""What an alert means and what is done about it: an incident, a note, a retraining, or a question to a person.

Pure: facts and times come in; the verdict comes out with its reasons in words, and what to remember of it as JSON.
"""

from falaj.control.monitoring.triage.assessment import ACTION_OF, Assessment, Cause, TriageAction, assess
from falaj.control.monitoring.triage.episode import (
    Episode,
    OverrulingError,
    TriageOverride,
    TriagePolicy,
    TriageVerdict,
    look,
    overrule,
    rebaseline,
)
from falaj.control.monitoring.triage.facts import DriftFact, LossFact, QualityFact, TriageFacts, loss_fact

__all__ = [
    "ACTION_OF",
    "Assessment",
    "Cause",
    "DriftFact",
    "Episode",
    "LossFact",
    "OverrulingError",
    "QualityFact",
    "TriageAction",
    "TriageFacts",
    "TriageOverride",
    "TriagePolicy",
    "TriageVerdict",
    "assess",
    "look",
    "loss_fact",
    "overrule",
    "rebaseline",
]
