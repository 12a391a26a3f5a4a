"""Policies of trainings on a model's own history: monitor simulate."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from falaj.cli.commands.runs import SetOption, overrides
from falaj.cli.options import JsonOption
from falaj.cli.output import emit, emit_json, emit_table
from falaj.core.errors import UsageError
from falaj.core.home import Home

if TYPE_CHECKING:
    from collections.abc import Mapping

    from falaj.config.spec import ProjectSpec
    from falaj.control.retraining.simulation import Simulated, TrainingPolicy


def simulate(
    model: Annotated[str, typer.Argument(help="Name of the model of this checkout.")],
    policy: Annotated[
        list[Path] | None, typer.Option(help="A file with entries of `retrain`, as in falaj.yaml; may be repeated.")
    ] = None,
    folder: Annotated[Path, typer.Option("--folder", "-C", help="The project.")] = Path(),
    since: Annotated[str, typer.Option(help="The day from which answers count: 2026-03-01.")] = "",
    settings: SetOption = [],  # noqa: B006 - Typer reads it once and copies
    trainings: Annotated[bool, typer.Option(help="Show each training with its verdict.")] = False,
    json: JsonOption = False,
) -> None:
    """Simulate training policies on the labelled history of a model, with and without recalibration."""
    from falaj.control.retraining import simulation
    from falaj.control.retraining.replay import Replay

    replay = Replay(folder, Home.from_environment(), overrides(settings), _day(since))
    if replay.spec.model != model:
        raise UsageError(f"this checkout is of the model {replay.spec.model}, not of {model}", code="retraining.replay")
    policies = _policies(replay.spec, policy or [])
    policy_results = {}
    for name, retrain_policy in policies.items():
        bare, moved = (
            simulation.simulate(replay.history, replay.train, retrain_policy, each)
            for each in (replay.settings, replay.recalibrated)
        )
        policy_results[name] = (bare, moved)
    if json:
        emit_json({name: _as_json(*both) for name, both in policy_results.items()})
        return
    _show(replay.gate.metric, policy_results, trainings)


def _policies(spec: ProjectSpec, files: list[Path]) -> Mapping[str, TrainingPolicy]:
    from falaj.config.retrain import read_policy
    from falaj.control.retraining.simulation import USUAL, policy_of

    named = {file.stem: policy_of(read_policy(file)) for file in files}
    replayable = [trigger for trigger in spec.retrain if trigger["on"] in ("growth", "drift", "schedule")]
    own = {"falaj.yaml": policy_of(replayable)} if replayable else {}
    return {**USUAL, **own, **named}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"invalid day {text!r}: {error}", hint="such as 2026-03-01") from None


def _as_json(bare: Simulated, moved: Simulated) -> dict[str, Any]:
    return {
        "loss": moved.loss,
        "loss_without_recalibration": bare.loss,
        "trainings": [vars(each) for each in moved.trainings],
        "trainings_without_recalibration": len(bare.trainings),
        "core_hours": moved.core_hours,
    }


def _show(metric: str, policy_results: Mapping[str, tuple[Simulated, Simulated]], trainings: bool) -> None:
    rows = [
        (name, f"{bare.loss:.4f}", f"{moved.loss:.4f}", len(moved.trainings),
         sum(not each.won for each in moved.trainings), f"{moved.core_hours:.3f}")
        for name, (bare, moved) in policy_results.items()
    ]  # fmt: skip
    loss = "1 - accuracy" if metric == "accuracy" else metric
    emit_table(("policy", loss, "recalibrated", "trainings", "lost", "core hours"), rows, empty="no policy")
    for name, (_, moved) in policy_results.items() if trainings else ():
        emit(f"\n{name}")
        for each in moved.trainings:
            emit(f"  {_date(each.day)}  {'won' if each.won else 'lost'}  {each.reason}  {each.verdict}".rstrip())


def _date(day: int) -> str:
    return date.fromordinal(day).isoformat()
