"""Rollouts beside the traffic: what an agent does to carry one out alone, and what it remembers of it."""

from falaj.locations.agent.rollouts.predictions import Predictions
from falaj.locations.agent.rollouts.record import Record
from falaj.locations.agent.rollouts.watch import Rollouts

__all__ = ["Predictions", "Record", "Rollouts"]
