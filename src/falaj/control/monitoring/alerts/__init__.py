"""Alerts as rows: raised once however often a monitor fires, followed until it is over, and what people say of them.

What locations count and what monitors remember is kept here as well. Every change of a state has its audit entry in
the same transaction.
"""

from falaj.control.monitoring.alerts.actions import acknowledge, find, mute, overrule_verdict, require_alert, resolve
from falaj.control.monitoring.alerts.errors import AlertStateError, UnknownAlertError
from falaj.control.monitoring.alerts.ingest import Received, forget, receive
from falaj.control.monitoring.alerts.lifecycle import Carried, begin_monitor, follow, leave_release, note
from falaj.control.monitoring.alerts.recalibration import follow_recalibrations
from falaj.control.monitoring.alerts.windows import MonitoredEndpoint, next_window, state_of

__all__ = [
    "AlertStateError",
    "Carried",
    "MonitoredEndpoint",
    "Received",
    "UnknownAlertError",
    "acknowledge",
    "begin_monitor",
    "find",
    "follow",
    "follow_recalibrations",
    "forget",
    "leave_release",
    "mute",
    "next_window",
    "note",
    "overrule_verdict",
    "receive",
    "require_alert",
    "resolve",
    "state_of",
]
