"""What is done when: confirmation, hysteresis, cooldown, a new release, and persons who know better."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.control.monitoring.triage import (
    Assessment,
    Cause,
    Episode,
    OverrulingError,
    TriageAction,
    TriagePolicy,
    TriageVerdict,
    look,
    overrule,
    rebaseline,
)

HOUR = 3600.0
POLICY = TriagePolicy(confirm=2, clear=3, cooldown_s=24 * HOUR)
NONE, SHIFT, LOSS = Cause.NONE, Cause.COVARIATE_SHIFT, Cause.PERFORMANCE_LOSS
CONCEPT, FAULT, ASK = Cause.CONCEPT_DRIFT, Cause.UPSTREAM_FAULT, Cause.UNKNOWN


def assessment_of(cause: Cause, at: float = 0.0, *, certain: bool = False, release: str = "m/1") -> Assessment:
    return Assessment(release, at, cause, (f"looks like {cause.value}",), certain)


def run(
    causes: Iterable[Cause], episode: Episode | None = None, *, every: float = HOUR
) -> tuple[Episode, list[TriageVerdict]]:
    episode, verdicts = episode or Episode("m/1"), []
    for index, cause in enumerate(causes):
        now = (episode.baseline_at or 0.0) + index * every
        episode, verdict = look(episode, assessment_of(cause, now), POLICY, now)
        verdicts.append(verdict)
    return episode, verdicts


def acts(verdicts: list[TriageVerdict]) -> list[TriageAction]:
    return [verdict.action for verdict in verdicts if verdict.act]


@pytest.mark.parametrize(
    ("causes", "expected_actions", "ends_as"),
    [
        ([NONE] * 5, [], NONE),
        ([SHIFT], [], NONE),
        ([SHIFT, NONE, SHIFT, NONE], [], NONE),
        ([SHIFT, SHIFT], [TriageAction.WATCH], SHIFT),
        ([SHIFT] * 10, [TriageAction.WATCH], SHIFT),
        ([ASK, ASK], [TriageAction.ASK], ASK),
        ([LOSS, LOSS, LOSS], [TriageAction.RETRAIN], LOSS),
        ([SHIFT, SHIFT, LOSS, LOSS], [TriageAction.WATCH, TriageAction.RETRAIN], LOSS),
        ([LOSS, LOSS, SHIFT, SHIFT], [TriageAction.RETRAIN], LOSS),
        ([LOSS, LOSS, SHIFT, SHIFT, SHIFT], [TriageAction.RETRAIN, TriageAction.WATCH], SHIFT),
        ([LOSS, LOSS, NONE, SHIFT, NONE], [TriageAction.RETRAIN], NONE),
        ([LOSS, LOSS, NONE, NONE, LOSS, NONE, NONE], [TriageAction.RETRAIN], LOSS),
        ([LOSS, LOSS, NONE, NONE, NONE], [TriageAction.RETRAIN], NONE),
        ([LOSS, LOSS, FAULT, FAULT], [TriageAction.RETRAIN, TriageAction.INCIDENT], FAULT),
        ([FAULT, FAULT, LOSS, LOSS, LOSS], [TriageAction.INCIDENT, TriageAction.RETRAIN], LOSS),
        ([SHIFT, LOSS, SHIFT, LOSS], [], NONE),
    ],
    ids=lambda value: "-".join(each.value for each in value) if isinstance(value, list) else value.value,
)
def test_causes_are_confirmed_and_cleared(
    causes: list[Cause], expected_actions: list[TriageAction], ends_as: Cause
) -> None:
    episode, verdicts = run(causes)
    assert acts(verdicts) == expected_actions
    assert episode.cause is ends_as


def test_certain_evidence_is_acted_on_at_once() -> None:
    _, verdict = look(Episode("m/1"), assessment_of(CONCEPT, certain=True), POLICY, 0.0)
    assert (verdict.act, verdict.action) == (True, TriageAction.RETRAIN)


def test_a_waiting_verdict_says_what_it_waits_for() -> None:
    _, verdicts = run([LOSS])
    assert verdicts[0].reasons[-1] == "performance-loss in 1 of the 2 windows that it takes"


def test_a_retraining_that_did_not_help_is_repeated_after_the_cooldown_alone() -> None:
    _, verdicts = run([LOSS] * 60)
    assert [index for index, verdict in enumerate(verdicts) if verdict.act] == [1, 25, 49]
    assert "not repeated for" in verdicts[2].reasons[-1]


def test_an_alert_that_comes_back_within_the_cooldown_is_raised_after_it() -> None:
    _, verdicts = run([SHIFT, SHIFT, NONE, NONE, NONE, SHIFT, SHIFT] + [SHIFT] * 30)
    assert [index for index, verdict in enumerate(verdicts) if verdict.act] == [1, 25]


def test_windows_of_another_release_are_not_looked_at() -> None:
    episode = Episode("m/2", baseline_at=100.0)
    for assessment in (
        assessment_of(FAULT, 200.0, certain=True, release="m/1"),
        assessment_of(FAULT, 50.0, certain=True, release="m/2"),
    ):
        after, verdict = look(episode, assessment, POLICY, 300.0)
        assert after == episode
        assert not verdict.act


def test_a_promotion_begins_anew_and_keeps_the_cooldown_of_retraining() -> None:
    episode, _ = run([FAULT, FAULT, LOSS, LOSS, LOSS])
    episode, _ = overrule(episode, SHIFT, by="ada", reason="holidays", now=9 * HOUR)
    fresh = rebaseline(episode, "m/2", 10 * HOUR)
    assert (fresh.cause, fresh.overruled, fresh.baseline_at) == (NONE, None, 10 * HOUR)
    assert fresh.overrulings == episode.overrulings
    assert set(fresh.last_done) == {"retrain"}
    after, verdicts = look(fresh, assessment_of(CONCEPT, 11 * HOUR, certain=True, release="m/2"), POLICY, 11 * HOUR)
    assert after.cause is CONCEPT
    assert not verdicts.act


def test_a_verdict_is_overruled_by_a_person_until_it_is_over() -> None:
    episode, _ = run([LOSS, LOSS])
    episode, verdict = overrule(episode, FAULT, by="ada", reason="the airport sent wrong times", now=2 * HOUR)
    assert (verdict.act, verdict.action) == (True, TriageAction.INCIDENT)
    assert episode.overrulings[-1].was is LOSS

    episode, verdicts = run([LOSS] * 30, episode)
    assert acts(verdicts) == []
    assert episode.cause is FAULT
    assert "overruled by ada: the airport sent wrong times" in verdicts[0].reasons

    episode, verdicts = run([NONE, NONE, NONE, LOSS, LOSS], episode, every=48 * HOUR)
    assert acts(verdicts) == [TriageAction.RETRAIN]
    assert len(episode.overrulings) == 1


def test_a_dismissed_verdict_stays_dismissed_while_it_is_seen() -> None:
    episode, _ = run([LOSS, LOSS])
    episode, verdict = overrule(episode, NONE, by="ada", reason="a strike, over tomorrow", now=0.0)
    assert not verdict.act
    episode, verdicts = run([LOSS, NONE, LOSS, NONE, NONE, LOSS], episode)
    assert acts(verdicts) == []
    _, verdicts = run([NONE, NONE, NONE, LOSS, LOSS], episode, every=48 * HOUR)
    assert acts(verdicts) == [TriageAction.RETRAIN]


def test_a_person_may_change_their_mind() -> None:
    episode, _ = run([LOSS, LOSS])
    for cause in (FAULT, SHIFT):
        episode, _ = overrule(episode, cause, by="ada", reason="look again", now=0.0)
    assert [(word.was, word.now) for word in episode.overrulings] == [(LOSS, FAULT), (LOSS, SHIFT)]
    episode, _ = run([LOSS], episode)
    assert episode.cause is SHIFT


def test_what_cannot_be_overruled() -> None:
    with pytest.raises(OverrulingError, match="no verdict"):
        overrule(Episode("m/1"), FAULT, by="ada", reason="why", now=0.0)
    episode, _ = run([LOSS, LOSS])
    with pytest.raises(OverrulingError, match="already"):
        overrule(episode, LOSS, by="ada", reason="why", now=0.0)
    with pytest.raises(OverrulingError, match="without a reason"):
        overrule(episode, FAULT, by="ada", reason=" ", now=0.0)


causes = st.sampled_from(list(Cause))
steps = st.lists(st.tuples(causes, st.booleans(), st.none() | causes), max_size=40)


@given(steps)
def test_any_story_is_told_and_remembered_as_json(story: list[tuple[Cause, bool, Cause | None]]) -> None:
    episode, timed_actions = Episode("m/1"), []
    for index, (cause, certain, word) in enumerate(story):
        now = index * HOUR
        episode, verdict = look(episode, assessment_of(cause, now, certain=certain), POLICY, now)
        assert verdict.reasons
        timed_actions += [(verdict.action, now)] if verdict.act else []
        if word is not None and episode.cause not in (NONE, word):
            episode, _ = overrule(episode, word, by="ada", reason="why", now=now)
        assert Episode.from_json(json.loads(json.dumps(episode.to_json()))) == episode
    for action in TriageAction:
        times = [at for each, at in timed_actions if each is action]
        assert all(later - earlier >= POLICY.cooldown_s for earlier, later in pairwise(times))


@given(st.lists(causes, max_size=30), causes)
def test_what_goes_on_long_enough_is_acted_on(past: list[Cause], last: Cause) -> None:
    episode, _ = run(past)
    episode, _ = run([last] * 3, episode)
    assert episode.cause is last
