from __future__ import annotations

from enum import StrEnum
from typing import Any, get_args

import pytest

from falaj.build.pipeline.result import StepState
from falaj.control.changes.states import ChangeState
from falaj.control.compliance import dsar_requests, incidents
from falaj.control.compliance.evaluation.posture import State
from falaj.control.compliance.records import RecordKind
from falaj.control.monitoring.alerts import lifecycle as alerts
from falaj.control.monitoring.triage import Cause
from falaj.control.releases.lifecycle import DeploymentState
from falaj.control.releases.states import ReleaseState
from falaj.control.retraining.training_history import TrainingOutcome, TriggerKind
from falaj.control.runs.lifecycle import RunState
from falaj.core.principal import PrincipalKind
from falaj.dataplane.desired_state import EndpointState
from falaj.schemas import states
from falaj.statistics.recalibration.records import AnswerKind, Limit
from falaj.statistics.rollout import Command, RolloutState, RolloutStrategy
from falaj.supply_chain.encryption import KeyState


@pytest.mark.parametrize(
    ("words", "enumeration"),
    [
        (states.RunState, RunState),
        (states.ReleaseState, ReleaseState),
        (states.EndpointState, EndpointState),
        (states.ChangeState, ChangeState),
        (states.RolloutStrategy, RolloutStrategy),
        (states.DeploymentState, DeploymentState),
        (states.RolloutState, RolloutState),
        (states.RolloutCommand, Command),
        (states.TrainingKind, TriggerKind),
        (states.KeyState, KeyState),
        (states.PrincipalKind, PrincipalKind),
        (states.RecordKind, RecordKind),
        (states.ControlState, State),
        (states.AnswerKind, AnswerKind),
        (states.OffsetLimit, Limit),
    ],
)
def test_words_are_those_of_the_room_that_they_belong_to(words: Any, enumeration: type[StrEnum]) -> None:
    assert set(get_args(words)) == {each.value for each in enumeration}


def test_words_of_more_than_one_enumeration() -> None:
    ended = {*TrainingOutcome} - {TrainingOutcome.ACTIVE}
    assert set(get_args(states.TrainingState)) == {"waiting", "started", "refused", *ended}
    assert set(get_args(states.AlertCause)) == {*Cause, alerts.RECALIBRATION_BOUND, alerts.LOOKING}
    assert set(get_args(states.AlertSeverity)) == set(alerts.SEVERITY.values())
    assert set(get_args(states.AlertState)) == {alerts.OPEN, alerts.ACKNOWLEDGED, alerts.MUTED, alerts.RESOLVED}
    assert set(get_args(states.StepState)) >= {StepState.SUCCEEDED, StepState.FAILED}
    assert set(get_args(states.IncidentState)) == {incidents.OPEN, incidents.NOTIFIED, incidents.CLOSED}
    assert set(get_args(states.SubjectRequestKind)) == {*dsar_requests.KINDS}
