"""Rollouts beside the traffic: what an agent does to carry one out alone, and what it remembers of it."""

from falaj.dataplane.agent.rollouts.predictions import Predictions
from falaj.dataplane.agent.rollouts.record import Record
from falaj.dataplane.agent.rollouts.watch import Rollouts

__all__ = ["Predictions", "Record", "Rollouts"]
