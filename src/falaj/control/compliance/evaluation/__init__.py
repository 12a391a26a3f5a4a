"""The compliance report: for every rule of a pack its control, whether it holds, by what evidence, and what is missing.

`posture` is what was found of the installation, `judge` turns it into findings, and the pages are written of those. It
says what the platform can see, and where a person has to look besides.
"""

from falaj.control.compliance.evaluation.controls import judge
from falaj.control.compliance.evaluation.page import html_page, markdown_page
from falaj.control.compliance.evaluation.posture import (
    ControlFinding,
    Holding,
    IncidentView,
    Posture,
    RequestView,
    SnapshotView,
    State,
)
from falaj.control.compliance.evaluation.processing import Activity, activities

__all__ = [
    "Activity",
    "ControlFinding",
    "Holding",
    "IncidentView",
    "Posture",
    "RequestView",
    "SnapshotView",
    "State",
    "activities",
    "html_page",
    "judge",
    "markdown_page",
]
