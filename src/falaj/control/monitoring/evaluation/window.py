"""One window through all monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from falaj.control.monitoring.evaluation.state import LossBlock, MonitorState
from falaj.control.monitoring.evaluation.suppressed_counts import restored
from falaj.control.monitoring.evaluation.window_loss import labels_are_selective, measured_loss
from falaj.control.monitoring.triage import (
    DriftFact,
    LossFact,
    QualityFact,
    TriageFacts,
    TriagePolicy,
    TriageVerdict,
    assess,
    look,
    loss_fact,
)
from falaj.statistics.concept import Baseline, LossBlocks, advance
from falaj.statistics.drift import DriftAlarm, DriftMonitor, DriftReport, FeatureDrift, judge_window
from falaj.statistics.drift import DriftVerdict as Drift
from falaj.statistics.performance import Measured
from falaj.statistics.profiles import Profile, ReferenceProfile
from falaj.statistics.quality import QualityFinding, QualityLimits, QualityRule, judge_quality
from falaj.statistics.reference import PREDICTION, ReleaseReference

FAR_EFFECT = 1.0
NEWS = frozenset({QualityRule.UNSEEN, QualityRule.RANGE, QualityRule.VOLUME, QualityRule.SKEW})
"""Rules that may as well speak of the world as of a fault on the way from it."""
NO_FACT = frozenset({QualityRule.NO_ROWS, QualityRule.SOURCE})
"""Rules that are no fact for triage: it looks for a source that moved itself, and asks for a second window."""
JOINT = "joint"


@dataclass(frozen=True)
class WindowBlock:
    """A block as its location told of it.

    Args:
        start: Unix seconds.
        end: Unix seconds.
        rows: Rows in it.
        features: Their profile; None when it was not told.
        predictions: Profile of the predictions.
        losses: Tally of losses.
        least: Smallest count that was told; 0 where all were.
    """

    start: float
    end: float
    rows: int
    features: Profile | None = None
    predictions: Profile | None = None
    losses: Mapping[str, Any] | None = None
    least: int = 0


@dataclass(frozen=True)
class WindowEvaluation:
    """What was found.

    Args:
        state: What to remember.
        facts: What triage looked at.
        verdict: What it says.
        fired: Names of the monitors that fired: `quality`, `drift`, `predictions`, `concept`, `performance`.
        report: All of it as JSON, for people.
        promises: What each monitor that fired promises.
    """

    state: MonitorState
    facts: TriageFacts
    verdict: TriageVerdict
    fired: tuple[str, ...]
    report: Mapping[str, Any]
    promises: tuple[str, ...] = field(default=())


def judge(
    reference: ReleaseReference,
    blocks: Sequence[WindowBlock],
    runs: Sequence[LossBlock],
    state: MonitorState,
    now: float,
    policy: TriagePolicy | None = None,
) -> WindowEvaluation:
    """Judge the next window.

    Args:
        reference: Of the release.
        blocks: Of the window, in time order; at least one.
        runs: Losses that came since the last window.
        state: After the window before.
        now: Unix seconds.
        policy: How patient triage is.
    """
    inspection = _WindowDrift(reference, blocks, state, now)
    state, alarm = inspection.after_drift()
    tallies = [block.losses for block in blocks]
    predictions = [_restored(block.predictions, reference.predictions, block.least) for block in blocks]
    state = _after_losses(reference, state, runs, selective=labels_are_selective(reference, tallies, predictions))
    loss = measured_loss(reference, tallies, predictions, far=inspection.far, seed=state.windows)
    facts = inspection.facts(state, loss)
    episode, verdict = look(state.episode, assess(facts), policy or TriagePolicy(), now)
    fired = _fired(facts, inspection.quality)
    state = replace(state, episode=episode, windows=state.windows + 1, quiet=0 if fired else state.quiet + 1)
    report = inspection.report(state, loss, verdict, alarm, fired)
    return WindowEvaluation(state, facts, verdict, fired, report, _promises(reference, fired))


def _restored(profile: Profile | None, reference: ReferenceProfile | None, least: int) -> Profile | None:
    return restored(profile, reference.total, least) if profile and reference else profile


class _WindowDrift:
    """A window beside the reference."""

    def __init__(
        self, reference: ReleaseReference, blocks: Sequence[WindowBlock], state: MonitorState, now: float
    ) -> None:
        self.reference, self.blocks, self.before = reference, blocks, state
        settings = reference.settings
        profile_pairs = [(block.features, block.least) for block in blocks]
        self.features = [
            profile
            for each, least in profile_pairs
            if (profile := _restored(each, reference.features, least)) is not None
        ]
        self.drift = self._drift(reference.features, self.features)
        profile_pairs = [(block.predictions, block.least) for block in blocks]
        predicted = [
            profile
            for each, least in profile_pairs
            if (profile := _restored(each, reference.predictions, least)) is not None
        ]
        self.predicted = self._drift(reference.predictions, predicted)
        self.quality: tuple[QualityFinding, ...] = ()
        if self.features:
            self.quality = judge_quality(
                reference.features,
                self.features,
                now=now,
                limits=QualityLimits(missing=settings.missing),
                report=self.drift,
                sources=settings.sources,
                first=state.windows == 0,
            )

    def _drift(self, reference: ReferenceProfile | None, window: Sequence[Profile]) -> DriftReport | None:
        if reference is None or not window:
            return None
        return judge_window(reference, window, minimum=self.reference.settings.minimum_effect)

    @property
    def compared_features(self) -> tuple[FeatureDrift, ...]:
        """Features, their dependence and the prediction."""
        parts = [self.drift.all_features if self.drift else (), self.predicted.features if self.predicted else ()]
        return tuple(feature_drift for part in parts for feature_drift in part)

    @property
    def far(self) -> bool:
        """Whether some input has moved by as much as it varied."""
        feature_drifts = self.drift.features if self.drift else ()
        return any(each.verdict is Drift.DRIFTED and each.effect >= FAR_EFFECT for each in feature_drifts)

    def after_drift(self) -> tuple[MonitorState, DriftAlarm | None]:
        """What the drift monitors remember after the window, and the alarm of inputs if there is one."""
        features, alarm = _step(self.before.features, self.drift)
        predictions, _ = _step(self.before.predictions, self.predicted)
        return replace(self.before, features=features, predictions=predictions), alarm

    def facts(self, state: MonitorState, loss: Measured) -> TriageFacts:
        """What triage looks at."""
        settings, expected = self.reference.settings, self.reference.loss
        effects = {finding.feature: finding.effect for finding in self.compared_features}
        inputs = [name for name in state.drifting if name not in (JOINT, PREDICTION)]
        sources = [settings.sources[name] for name in self.reference.features.schema.names if name in settings.sources]
        return TriageFacts(
            release=state.episode.release,
            start=min(block.start for block in self.blocks),
            end=max(block.end for block in self.blocks),
            rows=sum(block.rows for block in self.blocks),
            quality=tuple(
                _quality_fact(finding, settings.sources) for finding in self.quality if finding.rule not in NO_FACT
            ),
            drift=tuple(DriftFact(name, effects.get(name, 0.0), settings.sources.get(name, "")) for name in inputs),
            joint_drift=JOINT in state.drifting,
            features_of_source={name: sources.count(name) for name in sources},
            loss_alarm=_loss_alarm(self.reference, state),
            loss=_loss(loss, expected.mean) if expected else None,
            tolerance=settings.tolerated(expected.mean) if expected else 0.0,
            far_from_reference=self.far,
        )

    def report(
        self,
        state: MonitorState,
        loss: Measured,
        verdict: TriageVerdict,
        alarm: DriftAlarm | None,
        fired: Sequence[str],
    ) -> Mapping[str, Any]:
        """Everything for people."""
        evidence = {**self.before.features.evidence, **state.features.evidence, **state.predictions.evidence}
        expected = self.reference.loss
        labelled = sum((block.losses or {}).get("labelled", 0) for block in self.blocks)
        return {
            "features": [_feature(finding, evidence, state) for finding in self.compared_features],
            "calibration": self.drift.calibration if self.drift else "none",
            "minimum_effect": self.drift.minimum if self.drift else None,
            "alarm": asdict(alarm) if alarm else None,
            "quality": [
                {"rule": str(finding.rule), "message": finding.message, "features": list(finding.features)}
                for finding in self.quality
            ],
            "loss": {
                **asdict(loss), "expected": expected.mean if expected else None, "labelled": labelled,
                "log10_evidence": _rounded(state.concept.log10_evidence),
            },
            "verdict": {
                "cause": str(verdict.cause), "action": str(verdict.action), "act": verdict.act,
                "reasons": list(verdict.reasons),
            },
            "fired": list(fired),
        }  # fmt: skip


def _step(monitor: DriftMonitor, report: DriftReport | None) -> tuple[DriftMonitor, DriftAlarm | None]:
    return monitor.step(report) if report else (monitor, None)


def _after_losses(
    reference: ReleaseReference, state: MonitorState, runs: Sequence[LossBlock], *, selective: bool
) -> MonitorState:
    """Losses of rows that were chosen by their scores are no evidence beside a limit that is of all rows."""
    baseline = reference.loss.baseline if reference.loss else None
    fresh = sorted((run for run in runs if run.number >= state.next_run), key=lambda run: run.number)
    if baseline is None or not fresh:
        return state
    if selective:
        return replace(state, next_run=fresh[-1].number + 1)
    blocks = LossBlocks(
        mean=np.array([run.mean for run in fresh]),
        rows=np.array([run.rows for run in fresh], dtype=np.int64),
        start=np.array([run.start for run in fresh]),
        end=np.array([run.end for run in fresh]),
        labelled_at=np.array([run.labelled_at for run in fresh]),
        stake=np.ones(len(fresh)),
    )
    return replace(state, concept=advance(baseline, state.concept, blocks), next_run=fresh[-1].number + 1)


def _loss_alarm(reference: ReleaseReference, state: MonitorState) -> str:
    alarm, expected = state.concept.alarm, reference.loss
    if alarm is None or expected is None:
        return ""
    rows = f"{expected.block_rows} labelled rows a block"
    return f"{expected.metric} has risen to about {alarm.mean:.4g} from {expected.mean:.4g}, by labels ({rows})"


def _loss(measured: Measured, expected: float) -> LossFact:
    return loss_fact(measured, expected, higher_is_better=False)


def _quality_fact(finding: QualityFinding, sources: Mapping[str, str]) -> QualityFact:
    of = {sources.get(name, "") for name in finding.features}
    return QualityFact(str(finding.rule), finding.message, of.pop() if len(of) == 1 else "", finding.rule not in NEWS)


def _fired(facts: TriageFacts, quality: Sequence[QualityFinding]) -> tuple[str, ...]:
    worse = facts.loss is not None and facts.loss.excess is not None and facts.loss.excess[0] > facts.tolerance
    conditions = {
        "quality": any(each.rule not in NO_FACT for each in quality),
        "drift": bool(facts.drift) or facts.joint_drift,
        "concept": bool(facts.loss_alarm),
        "performance": worse,
    }
    return tuple(name for name, says in conditions.items() if says)


def _promises(reference: ReleaseReference, fired: Sequence[str]) -> tuple[str, ...]:
    baseline: Baseline | None = reference.loss.baseline if reference.loss else None
    promises = {
        "drift": f"drift: at most 1 false alarm in {reference.settings.run_length} windows on average, over all "
        "features and predictions together",
        "concept": f"concept: {baseline.promise}" if baseline else "",
        "performance": "performance: an interval that is wrong in 5% of windows; acted on after two in a row",
        "quality": "quality: fixed rules, no promise",
    }
    return tuple(promises[name] for name in fired if promises[name])


def _feature(feature_drift: FeatureDrift, evidence: Mapping[str, float], state: MonitorState) -> dict[str, Any]:
    return {
        "feature": feature_drift.feature, "verdict": str(feature_drift.verdict),
        "effect": _rounded(feature_drift.effect),
        "p_value": feature_drift.p_value, "leading": feature_drift.leading,
        "evidence": _rounded(evidence.get(feature_drift.feature, 0.0)),
        "drifting": feature_drift.feature in state.drifting, "reason": feature_drift.reason,
        "least": _rounded(feature_drift.least),
    }  # fmt: skip


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
