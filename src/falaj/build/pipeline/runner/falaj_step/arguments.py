"""Turns inputs and parameters of a step into the keyword arguments of its function."""

from __future__ import annotations

from . import forms
from .problem import Problem

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any


def bind(function: Any, inputs: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments for the function.

    An input goes to the parameter of its name (`split.train` to `train` or `split_train`); inputs that are left
    go, in their order, to the parameters that are left, in theirs.

    Args:
        function: The step's function.
        inputs: `name`, `gathered` and `parts` of each input, in the order of the project file.
        params: Parameters by name.

    Raises:
        Problem: A name that the function does not have, or a parameter that nothing fills.
    """
    names, required, keywords = _parameters(function)
    for name in params:
        if name not in names and not keywords:
            raise Problem("step.wrong-input", f"`{function.__qualname__}` has no parameter `{name}`", _list(names))
    targets = _targets(inputs, [name for name in names if name not in params], function)
    missing = [name for name in required if name not in params and name not in targets]
    if missing:
        raise Problem(
            "step.wrong-input", f"nothing is given for the parameter `{missing[0]}`", "add it to inputs or params"
        )
    type_hints = forms.resolved(function)
    loaded = {name: _load(entry, type_hints.get(name)) for name, entry in targets.items()}
    return {**loaded, **params}


def _list(names: list[str]) -> str:
    return "it has " + ", ".join(f"`{name}`" for name in names) if names else "it has none"


def _parameters(function: Any) -> tuple[list[str], list[str], bool]:
    """Names, those without a default, and whether any keyword is taken."""
    code = getattr(function, "__code__", None)
    if code is None or hasattr(function, "__wrapped__"):
        return _inspected(function)
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    positional = names[: code.co_argcount]
    defaults = len(function.__defaults__ or ())
    optional = {*positional[len(positional) - defaults :], *(function.__kwdefaults__ or {})}
    return names, [name for name in names if name not in optional], bool(code.co_flags & 0x08)


def _inspected(function: Any) -> tuple[list[str], list[str], bool]:
    """The same for callables that are not plain functions; slower, because `inspect` is a large import."""
    import inspect

    every = inspect.signature(function).parameters.values()
    named = [each for each in every if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    required = [each.name for each in named if each.default is each.empty]
    return [each.name for each in named], required, any(each.kind == each.VAR_KEYWORD for each in every)


def _targets(inputs: list[dict[str, Any]], free: list[str], function: Any) -> dict[str, dict[str, Any]]:
    targets: dict[str, dict[str, Any]] = {}
    positional_entries = []
    for entry in inputs:
        full = entry["name"].replace(".", "_").replace("-", "_")
        own = [name for name in (entry["name"].rpartition(".")[2].replace("-", "_"), full) if name in free]
        if own and own[0] not in targets:
            targets[own[0]] = entry
        else:
            positional_entries.append(entry)
    places = [name for name in free if name not in targets]
    if len(positional_entries) > len(places):
        text = f"`{function.__qualname__}` has no parameter for the input `{positional_entries[len(places)]['name']}`"
        raise Problem("step.wrong-input", text)
    return {**targets, **dict(zip(places, positional_entries))}  # noqa: B905 - fewer inputs than parameters is right


def _load(entry: dict[str, Any], annotation: Any) -> Any:
    from .inputs import load

    if not entry["gathered"]:
        return load(entry["parts"][0], forms.form(annotation))
    form = forms.form(forms.element(annotation))
    if forms.is_mapping(annotation):
        return {part["label"]: load(part, form) for part in entry["parts"]}
    return [load(part, form) for part in entry["parts"]]
