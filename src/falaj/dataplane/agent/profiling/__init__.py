"""Profiles beside the traffic: what an agent counts of its prediction log, and what of it leaves the location.

Rows stay. Blocks of counts are kept in a file with the place in the log up to which they were counted, so that an agent
that is killed anywhere counts nothing twice and forgets nothing, and they are sent whenever the control plane answers.
"""

from falaj.dataplane.agent.profiling.factory import open_profiling
from falaj.dataplane.agent.profiling.profiling_thread import Profiling, keep_profiles
from falaj.dataplane.agent.profiling.references import References

__all__ = ["Profiling", "References", "keep_profiles", "open_profiling"]
