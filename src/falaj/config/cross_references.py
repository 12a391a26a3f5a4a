"""What the schema cannot see: whether the names in a project file lead to something."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from falaj.config.code import ProjectSources
from falaj.config.errors import Issue, nearest
from falaj.config.functions import function_issues, metric_issues
from falaj.config.gates import METRICS, NUMBERED_METRICS, is_built_in, is_function, is_ranking
from falaj.config.spec import ProjectSpec, SelectSpec, StepSpec
from falaj.config.yaml_reader import Document
from falaj.config.yaml_reader import Path as Place


def reference_issues(spec: ProjectSpec, document: Document, checkout: ProjectSources) -> list[Issue]:
    """Every reference that leads nowhere.

    Args:
        spec: The project, valid by its schema.
        document: The file, for places.
        checkout: The project's code.
    """
    issue_list = [*_name_issues(spec, document), *_data_issues(spec, document), *_gate_issues(spec, document)]
    issue_list += [*_model_issues(spec, document), *_retrain_issues(spec, document)]
    issue_list += [*_scoring_issues(spec, document), *_select_issues(spec, document)]
    for step in spec.steps.values():
        issue_list += [*_step_issues(spec, step, document), *_file_issues(step, document, checkout.root)]
        issue_list += function_issues(step, document, checkout)
    for name, source in spec.data.items():
        issue_list += _query_issues(name, source.query, document, checkout.root)
        if source.prepare:
            issue_list += metric_issues(source.prepare, ("data", name, "prepare"), document, checkout)
    for name, metric in spec.metrics.items():
        issue_list += metric_issues(metric.function, ("metrics", name, "function"), document, checkout)
    for index, gate in enumerate(spec.gates):
        if is_function(gate.metric):
            issue_list += metric_issues(gate.metric, ("gates", index), document, checkout)
    cycle = find_cycle({name: [*_before(step)] for name, step in spec.steps.items()})
    if cycle:
        issue_list.append(
            document.issue(("pipeline", cycle[0]), f"the steps wait for each other: {' -> '.join(cycle)}")
        )
    return issue_list


def tables(spec: ProjectSpec) -> list[str]:
    """The names that `inputs`, `expect` and gates may use."""
    table_names = list(spec.data)
    for name, step in spec.steps.items():
        table_names += [f"{name}.{output}" for output in step.outputs] or [name]
    return table_names


def find_cycle(before: dict[str, list[str]]) -> list[str]:
    """A cycle as `[a, b, a]`; empty when there is none. Names that are no keys are ignored."""
    finished: set[str] = set()
    for start in before:
        path: list[str] = []
        waiting: list[tuple[str, Iterator[str]]] = []
        _enter(start, before, path, waiting, finished)
        while waiting:
            name = next(waiting[-1][1], None)
            if name is None:
                finished.add(path.pop())
                waiting.pop()
            elif name in path:
                return [*path[path.index(name) :], name]
            else:
                _enter(name, before, path, waiting, finished)
    return []


def _enter(
    name: str,
    before: dict[str, list[str]],
    path: list[str],
    waiting: list[tuple[str, Iterator[str]]],
    finished: set[str],
) -> None:
    if name in before and name not in finished:
        path.append(name)
        waiting.append((name, iter(before[name])))


def _before(step: StepSpec) -> Iterable[str]:
    return (*(name.partition(".")[0] for name in step.inputs), *step.needs)


def _name_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    for name in spec.steps:
        if name in spec.data:
            message = f"{name!r} is the name of a source and of a step"
            yield document.issue(("pipeline", name), message, "names that differ", of_key=True)


def _step_issues(spec: ProjectSpec, step: StepSpec, document: Document) -> Iterator[Issue]:
    for index, name in enumerate(step.inputs):
        yield from _unknown(spec, name, document, ("pipeline", step.name, "inputs", index))
        if name in spec.data and spec.data[name].exam:
            place = ("pipeline", step.name, "inputs", index)
            yield document.issue(place, f"{name!r} is an exam, which no step may read", "another source")
    for index, name in enumerate(step.needs):
        if name not in spec.steps:
            near = nearest(name, spec.steps)
            yield document.issue(("pipeline", step.name, "needs", index), f"there is no step {name!r}", "a step", near)


def _unknown(spec: ProjectSpec, name: str, document: Document, path: tuple[str | int, ...]) -> Iterator[Issue]:
    """The issue of a name that is no source, step or output."""
    valid = tables(spec)
    if name in valid:
        return
    step = spec.steps.get(name.partition(".")[0])
    if step is not None and step.outputs and name == step.name:
        outputs = ", ".join(f"{name}.{output}" for output in step.outputs)
        yield document.issue(path, f"the step {name!r} has several outputs", f"one of {outputs}")
        return
    expected = f"one of {', '.join(valid[:12])}{', ...' if len(valid) > 12 else ''}"
    yield document.issue(path, f"there is no source, step or output {name!r}", expected, nearest(name, valid))


def _data_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    for name, source in spec.data.items():
        if source.exam and not any(gate.data == name for gate in spec.gates):
            yield document.issue(("data", name), f"no gate is on the exam {name!r}", f"`METRIC >= NUMBER on {name}`")
        if source.exam and name in spec.expect:
            yield document.issue(
                ("expect", name), "an exam is read by gates alone", "a table of the pipeline", of_key=True
            )
    model_rows = spec.checks.get("model", {}).get("data")
    if model_rows in spec.data and spec.data[str(model_rows)].exam:
        message = "the check `model` gives rows with their labels to the model, which an exam must not"
        yield document.issue(("checks", "model", "data"), message, "a table of the pipeline")
    for name in spec.expect:
        for issue in _unknown(spec, name, document, ("expect", name)):
            place = document.place(("expect", name), of_key=True)
            yield Issue(
                issue.file, place.line, place.column, issue.field, issue.message, issue.expected, issue.suggestion
            )


def _model_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    """A model that is released is one, and a matrix makes several."""
    model_step = spec.steps[spec.model_step] if spec.model_step else None
    if spec.model_step and model_step and model_step.matrix and not model_step.select:
        message = f"`{spec.model_step}` makes a model for each combination, and nothing selects the one to release"
        expected = "`select: METRIC on DATA` beside it, or a later step with `output: model` that returns one"
        yield document.issue(("pipeline", spec.model_step, "matrix"), message, expected, of_key=True)


def _retrain_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    for index, trigger in enumerate(spec.retrain):
        if (name := trigger.get("source")) and name not in spec.data:
            expected = f"one of {', '.join(spec.data)}" if spec.data else "a source under `data`"
            place = ("retrain", index, "source")
            yield document.issue(place, f"there is no data source {name!r}", expected, nearest(name, spec.data))
        if trigger["on"] == "labels" and "label" not in spec.monitoring:
            yield document.issue(("retrain", index), "labels need a name", "`monitoring.label` names their column")


def _scoring_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    for index, entry in enumerate(spec.scoring):
        name, place = entry["input"], ("scoring", index, "input")
        if name not in spec.data:
            expected = f"one of {', '.join(spec.data)}" if spec.data else "a source under `data`"
            yield document.issue(place, f"there is no data source {name!r}", expected, nearest(name, spec.data))
        elif not spec.data[name].source.startswith(("file:///", "s3://")):
            yield document.issue(place, f"{name!r} changes with commits only", "a source at `file:///` or `s3://`")


def _gate_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    for index, gate in enumerate(spec.gates):
        yield from _unknown(spec, gate.data, document, ("gates", index))
        yield from _metric_issues(gate.metric, gate.output, spec, document, ("gates", index))
    if "model" in spec.checks:
        yield from _unknown(spec, spec.checks["model"]["data"], document, ("checks", "model", "data"))
    if spec.gates and "label" not in spec.monitoring:
        yield document.issue(("gates",), "gates compare predictions with a label", "`monitoring: {label: COLUMN}`")
    if spec.gates and spec.model_step is None:
        yield document.issue(("gates",), "gates judge a model, and no step makes one", "a step with `output: model`")


def _metric_issues(
    metric: str, output: str | None, spec: ProjectSpec, document: Document, place: Place
) -> Iterator[Issue]:
    """What a metric needs to be known beside the label."""
    label = spec.monitoring.get("label")
    outputs = label if isinstance(label, list) else []
    if output is not None and output not in outputs:
        message = f"{output!r} is none of the labels" if outputs else "there is one label, and so one output"
        yield document.issue(place, message, f"one of {', '.join(outputs)}" if outputs else "no `of`")
    if outputs and output is None and is_ranking(metric):
        yield document.issue(place, f"{metric} ranks by one output", f"`{metric} of {outputs[0]}`")
    if is_ranking(metric) and "group" not in spec.monitoring:
        yield document.issue(place, f"{metric} ranks the rows of a group", "`monitoring: {group: COLUMN}`")
    if metric == "mase" and "scale" not in spec.monitoring:
        yield document.issue(place, "mase needs the error of a naive forecast", "`monitoring: {scale: COLUMN}`")


def _select_issues(spec: ProjectSpec, document: Document) -> Iterator[Issue]:
    sweeps = [(step, step.select) for step in spec.steps.values() if step.select]
    for step, select in sweeps:
        place: Place = ("pipeline", step.name, "select")
        yield from _unknown(spec, select.data, document, place)
        yield from _metric_issues(select.metric, select.output, spec, document, place)
        yield from _direction_issues(select, spec, document, place)
        if message := _not_for_selection(spec, step, select.data):
            yield document.issue(place, message, "rows that neither training nor gates use")
        if "label" not in spec.monitoring:
            yield document.issue(
                place, "a selection compares predictions with a label", "`monitoring: {label: COLUMN}`"
            )
    for step, _ in sweeps[1:]:
        message = f"`{sweeps[0][0].name}` selects already, and one step of a pipeline does"
        yield document.issue(("pipeline", step.name, "select"), message, of_key=True)


def _direction_issues(select: SelectSpec, spec: ProjectSpec, document: Document, place: Place) -> Iterator[Issue]:
    """Whether it is known which value of the metric is best."""
    if is_function(select.metric):
        message = "whether more of it is better is not known of a function of the project"
        yield document.issue(place, message, "a metric that `metrics` declares with `better: greater` or `less`")
    elif not is_built_in(select.metric) and select.own is None:
        expected = f"one of {', '.join((*METRICS, *NUMBERED_METRICS, *spec.metrics))}"
        near = nearest(select.metric, (*METRICS, *spec.metrics))
        yield document.issue(place, f"there is no metric {select.metric!r}", expected, near)


def _not_for_selection(spec: ProjectSpec, step: StepSpec, data: str) -> str:
    """Why the rows of a table say nothing about which candidate is best; empty where they may."""
    writer = spec.steps.get(data.partition(".")[0])
    if data in spec.data and spec.data[data].exam:
        return f"{data!r} is an exam, which is read by gates alone"
    if any(gate.data == data for gate in spec.gates):
        return f"gates judge on {data!r}: what a selection has used cannot judge it"
    if step.inputs == (data,):
        return f"{data!r} is what `{step.name}` learns from"
    if writer is not None and step.name in {writer.name, *spec.upstream(writer.name)}:
        return f"{data!r} comes from `{step.name}`, which is selected by it"
    if writer is not None and not set(writer.matrix) <= set(step.matrix):
        return f"`{writer.name}` makes {data!r} for combinations that `{step.name}` does not have"
    return ""


def _query_issues(name: str, query: str, document: Document, root: Path) -> Iterator[Issue]:
    path: Place = ("data", name, "query")
    if ".." in Path(query).parts or "\0" in query:
        yield document.issue(path, f"{query!r} leads out of the project", "a path inside the project")
    elif query and not (root / query).is_file():
        near = nearest(Path(query).name, [each.name for each in (root / query).parent.glob("*.sql")])
        yield document.issue(path, f"there is no file {query!r}", "a .sql file of the project", near)


def _file_issues(step: StepSpec, document: Document, root: Path) -> Iterator[Issue]:
    for index, file in enumerate(step.files):
        path = ("pipeline", step.name, "files", index)
        target = root / file
        if ".." in Path(file).parts or "\0" in file:
            yield document.issue(path, f"{file!r} leads out of the project", "a path inside the project")
        elif not any(character in file for character in "*?[") and not target.exists():
            near = nearest(Path(file).name, [each.name for each in target.parent.glob("*")])
            yield document.issue(path, f"there is no file {file!r}", "a file or folder of the project", near)
