"""Recalibration at a location: once a day the agent fits what moves the answers of its releases, and signs it.

Labelled rows are gathered as labels are joined, in a file of their own. Of each release at an endpoint one signed file
says by what its answers are moved; its model servers look at it and need no restart.
"""

from falaj.dataplane.agent.recalibration.factory import keep_recalibrated, open_recalibration, public_key_of
from falaj.dataplane.agent.recalibration.reporting import Reports

__all__ = ["Reports", "keep_recalibrated", "open_recalibration", "public_key_of"]
