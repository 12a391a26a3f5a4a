"""Failing slices are cut out in a thread of their own: that takes seconds, on busy cores many."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from falaj.dataplane.agent.rollouts.capture import capture
from falaj.dataplane.agent.rollouts.predictions import RolloutPredictions
from falaj.dataplane.agent.rollouts.rollout_record import RolloutRecord

_log = logging.getLogger(__name__)
Captured = Future[Mapping[str, Any] | None]
"""The slice as JSON values; None where there is none."""


class Captures:
    """The slices that are being cut out at a location.

    An agent that is killed meanwhile begins anew: the rollout stays in its state until the slice is there.

    Args:
        predictions: What was predicted, and the labels; each thread opens them for itself.
    """

    def __init__(self, predictions: RolloutPredictions) -> None:
        self._predictions = predictions
        self._by_rollout: dict[str, Captured] = {}

    def of(self, endpoint: str, record: RolloutRecord) -> Captured:
        """What a candidate failed on, begun when it is first asked for.

        Args:
            endpoint: `environment/model`.
            record: Of a rollout that is rolled back for its answers.
        """
        if record.plan.id not in self._by_rollout:
            self._by_rollout[record.plan.id] = future = Captured()
            thread = threading.Thread(target=self._capture, args=(endpoint, record, future), daemon=True)
            thread.start()
        return self._by_rollout[record.plan.id]

    def forget(self, record: RolloutRecord) -> None:
        """Drop what is no longer needed of a rollout."""
        self._by_rollout.pop(record.plan.id, None)

    def _capture(self, endpoint: str, record: RolloutRecord, future: Captured) -> None:
        predictions = self._predictions.reopened()
        try:
            joined = predictions.all_labelled(endpoint)
            failing = capture(record, joined, lambda request: predictions.answer(endpoint, request, record.plan.stable))
            future.set_result(failing.to_json(with_rows=record.plan.capture == "rows") if failing else None)
        except Exception:  # a rollout that is over must end; what it failed on is a gift to later ones
            _log.exception("rollout.capture-failed rollout=%s", record.plan.id)
            future.set_result(None)
        finally:
            predictions.close()
