"""Steps that are programs: their arguments, and the files that they wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from falaj.build.pipeline.errors import StepError
from falaj.build.pipeline.runner.falaj_step.paths import keep_path
from falaj.build.pipeline.runner.falaj_step.problem import Problem
from falaj.build.pipeline.step_order import StepOrder


def filled(command: tuple[str, ...], order: StepOrder, inputs: list[list[Path]], folder: Path) -> Iterator[str]:
    """The command with `{inputs.NAME}`, `{outputs.NAME}` and `{params.NAME}` replaced."""
    values = {f"{{params.{name}}}": _text(value) for name, value in order.params.items()}
    for entry, paths in zip(order.inputs, inputs, strict=True):
        values[f"{{inputs.{entry.name}}}"] = " ".join(map(str, paths))
    for name in order.outputs:
        values[f"{{outputs.{name}}}"] = str(folder / "outputs" / name)
    for argument in command:
        filled = argument
        for mark, value in values.items():
            filled = filled.replace(mark, value)
        yield filled


def command_kinds(order: StepOrder, folder: Path) -> dict[str, str]:
    """Files that a command wrote, named like its outputs with any suffix, in the form of results."""
    kinds = {}
    for name in order.outputs:
        output_files = sorted(each for each in (folder / "outputs").iterdir() if each.name == name or each.stem == name)
        if not output_files and order.named:
            raise StepError(
                f"wrote nothing to its output `{name}`",
                where=order.node,
                hint=f"pass {{outputs.{name}}} to the command",
                code="step.wrong-output",
            )
        if output_files:
            refuse_link(output_files[0], order.node)
            written = output_files[0].rename(folder / f"written{output_files[0].suffix}")
            kinds[name] = _log_tail(order.node, str(written), folder / "outputs" / name)
    return kinds


def refuse_link(path: Path, step: str) -> None:
    """Refuse an output that is a link: what reads it stands outside of the sandbox, and would follow it.

    Raises:
        StepError: It is one.
    """
    if path.is_symlink():
        hint = "copy what it leads to"
        raise StepError(f"its output `{path.name}` is a link", where=step, hint=hint, code="step.wrong-output")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _log_tail(step: str, path: str, target: Path) -> str:
    try:
        return keep_path(path, str(target))
    except Problem as error:
        raise StepError(str(error), where=step, hint=error.hint, code=error.code) from None
