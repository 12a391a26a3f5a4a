"""What an alert means and what is done about it: an incident, a note, a retraining, or a question to a person.

Pure: facts and times come in; the verdict comes out with its reasons in words, and what to remember of it as JSON.
"""

from falaj.control.monitoring.triage.assessment import ACTION_OF, Action, Assessment, Cause, assess
from falaj.control.monitoring.triage.episode import (
    Episode,
    Overruling,
    OverrulingError,
    TriagePolicy,
    Verdict,
    look,
    overrule,
    rebaseline,
)
from falaj.control.monitoring.triage.facts import DriftFact, Facts, LossFact, QualityFact, loss_fact

__all__ = [
    "ACTION_OF",
    "Action",
    "Assessment",
    "Cause",
    "DriftFact",
    "Episode",
    "Facts",
    "LossFact",
    "Overruling",
    "OverrulingError",
    "QualityFact",
    "TriagePolicy",
    "Verdict",
    "assess",
    "look",
    "loss_fact",
    "overrule",
    "rebaseline",
]
