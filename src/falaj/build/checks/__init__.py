"""Checks and gates: what a candidate must pass between training and release.

A check looks at the code, the data or the model and reports what it looked at, with which tools, and what it found;
a gate holds a metric of the model against a limit or against the live release. Everything of the project's own
(its tests, its model, its tables) is run in the project's environment, never in this process. Nothing here uses the
network, and a check that looked at nothing has failed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from falaj.build.checks.results import ChampionVerdict, CheckResult, CheckValue, Finding, GateResult, SliceResult

if TYPE_CHECKING:
    from falaj.build.checks.champion import against_champion
    from falaj.build.checks.context import CheckContext, LiveModel
    from falaj.build.checks.gates import judge_all, run_gates
    from falaj.build.checks.refit_agreement import Agreement, judge_refit
    from falaj.build.checks.registry import CHECK_NAMES, run_check

_WHERE = {
    "Agreement": "refit_agreement",
    "judge_refit": "refit_agreement",
    "CHECK_NAMES": "registry",
    "CheckContext": "context",
    "LiveModel": "context",
    "against_champion": "champion",
    "judge_all": "gates",
    "run_check": "registry",
    "run_gates": "gates",
}

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


def __getattr__(name: str) -> Any:
    """Import what needs numpy only when it is asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
