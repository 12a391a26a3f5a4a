"""Rollouts beside the traffic: what an agent does to carry one out alone, and what it remembers of it."""

from falaj.dataplane.agent.rollouts.predictions import RolloutPredictions
from falaj.dataplane.agent.rollouts.rollout_controller import RolloutController
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord

__all__ = ["RolloutController", "RolloutPredictions", "RolloutRecord"]
