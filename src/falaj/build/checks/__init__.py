"""Checks and gates: what a candidate must pass between training and release.

A check looks at the code, the data or the model and reports what it looked at, with which tools, and what it found;
a gate holds a metric of the model against a limit or against the live release. Everything of the project's own
(its tests, its model, its tables) is run in the project's environment, never in this process. Nothing here uses the
network, and a check that looked at nothing has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from falaj.build.checks.results import ChampionVerdict, CheckResult, CheckValue, Finding, GateResult, SliceResult
from falaj.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from falaj.build.checks.champion import against_champion
    from falaj.build.checks.context import CheckContext, LiveModel
    from falaj.build.checks.gates import judge_all, run_gates
    from falaj.build.checks.refit_agreement import Agreement, judge_refit
    from falaj.build.checks.registry import CHECK_NAMES, run_check

__all__ = [
    "CHECK_NAMES",
    "Agreement",
    "ChampionVerdict",
    "CheckContext",
    "CheckResult",
    "CheckValue",
    "Finding",
    "GateResult",
    "LiveModel",
    "SliceResult",
    "against_champion",
    "judge_all",
    "judge_refit",
    "run_check",
    "run_gates",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "champion": "against_champion",
        "context": "CheckContext LiveModel",
        "gates": "judge_all run_gates",
        "refit_agreement": "Agreement judge_refit",
        "registry": "CHECK_NAMES run_check",
    },
)
