"""Whether a step's function exists in the checkout and takes what the step gives it."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from falaj.config.code import FunctionSignature, ProjectSources
from falaj.config.errors import Issue, nearest
from falaj.config.spec import StepSpec
from falaj.config.yaml_reader import Document, Path


def function_issues(step: StepSpec, document: Document, checkout: ProjectSources) -> Iterator[Issue]:
    """What is wrong with `run`: the module, the function, its parameters."""
    if step.run is None:
        return
    signature = yield from _signature_of(step.run, ("pipeline", step.name, "run"), document, checkout)
    if signature is not None:
        yield from _argument_issues(step, signature, document)


def metric_issues(metric: str, path: Path, document: Document, checkout: ProjectSources) -> Iterator[Issue]:
    """What is wrong with a metric that is a function of the project: the module, the function."""
    yield from _signature_of(metric, path, document, checkout)


def _signature_of(
    reference: str, path: Path, document: Document, checkout: ProjectSources
) -> Generator[Issue, None, FunctionSignature | None]:
    """The signature of a function, where there is one to be read; the issues of one that is not there."""
    name, _, function = reference.partition(":")
    module = checkout.module(name)
    if module is None:
        near = nearest(name, checkout.modules())
        yield document.issue(path, f"there is no module {name!r} in the project", f"{name.replace('.', '/')}.py", near)
    elif module.problem is not None:
        line, text = module.problem
        yield document.issue(path, f"{module.path}:{line} is not valid Python: {text}")
    elif function not in module.functions:
        near = nearest(function, module.functions)
        yield document.issue(path, f"there is no function {function!r} in {module.path}", "", near)
    else:
        return module.functions[function]
    return None


def _argument_issues(step: StepSpec, signature: FunctionSignature, document: Document) -> Iterator[Issue]:
    """The step's inputs and parameters against the function's, by the rule with which the step is called."""
    listed = ", ".join(signature.names) or "none"
    argument_values = {**step.params, **step.matrix}
    for name in argument_values:
        if name not in signature.names and not signature.keywords:
            field = "params" if name in step.params else "matrix"
            message = f"{step.run} has no parameter {name!r}"
            path: Path = ("pipeline", step.name, field, name)
            yield document.issue(path, message, f"one of {listed}", nearest(name, signature.names), of_key=True)
    free = [name for name in signature.names if name not in argument_values]
    targets, unmatched = _targets(step.inputs, free)
    if unmatched:
        index = step.inputs.index(unmatched[0])
        message = f"{step.run} has no parameter for the input {unmatched[0]!r}"
        yield document.issue(("pipeline", step.name, "inputs", index), message, f"its parameters are {listed}")
    missing = [name for name in free if name in signature.required and name not in targets]
    if missing:
        message = f"nothing is given for the parameter {missing[0]!r} of {step.run}"
        yield document.issue(("pipeline", step.name), message, "it in `inputs` or `params`", of_key=True)


def _targets(inputs: tuple[str, ...], free: list[str]) -> tuple[set[str], list[str]]:
    """Parameters that inputs fill, and inputs without one: first by name, then by order."""
    targets: set[str] = set()
    unmatched = []
    for name in inputs:
        short = name.rpartition(".")[2].replace("-", "_")
        own = [each for each in (short, name.replace(".", "_").replace("-", "_")) if each in free]
        if own and own[0] not in targets:
            targets.add(own[0])
        else:
            unmatched.append(name)
    places = [name for name in free if name not in targets]
    return targets | {*places[: len(unmatched)]}, unmatched[len(places) :]
