"""Running a task in the project's environment, and the scores that come back."""

from __future__ import annotations

import json
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from falaj.build.checks.context import READING, CheckContext, CheckError
from falaj.build.checks.processes import run_tool, written_by
from falaj.models.errors import ModelError
from falaj.models.model_folder import read_model_folder
from falaj.statistics.metrics import COVERAGE, Vector, is_of_numbers

LAUNCHER = Path(__file__).parent / "runner" / "launch.py"
TIMEOUT_S = 1800.0
MOST_SCORE_BYTES = 2 << 30
MOST_CLASSES = 1000
CANDIDATE, LIVE = "candidate", "live"


@dataclass(frozen=True)
class OwnComparison:
    """Candidate beside live by a metric of the project.

    Attributes:
        candidate: The candidate's value.
        live: The live release's.
        worse_by: How much worse the candidate is; negative when it is better.
        lower: Lower bound of the true `worse_by`.
        upper: Upper bound of it; each holds alone with the gate's confidence.
        method: `betting` or `bootstrap`.
    """

    candidate: float
    live: float
    worse_by: float
    lower: float
    upper: float
    method: str


OwnValue = float | str | OwnComparison
"""What a function of the project gave for a slice, or why it gave nothing."""


@dataclass(frozen=True)
class Scores:
    """One table's rows, scored.

    Attributes:
        label: One label a row; of classifiers the index of a class.
        scores: Model name to one score a row, or one a row and class.
        slices: Column to the value of each row.
        problems: Model name to why it has no scores.
        classes: What the columns of scores stand for; empty where models give one score or numbers.
        names: The classes of models, two or more; empty where models give numbers.
        own: What functions of the project gave, or why they gave nothing, by gate and slice.
    """

    label: Vector
    scores: Mapping[str, Vector]
    slices: Mapping[str, NDArray[np.str_]]
    problems: Mapping[str, str]
    classes: tuple[Any, ...] = ()
    names: tuple[Any, ...] = ()
    own: Mapping[tuple[str, str], OwnValue] = field(default_factory=dict)

    def of(self, model: str, metric: str) -> Vector:
        """A model's scores as a metric takes them.

        A model that gives two or three numbers a row and has no classes gives an interval, behind its prediction where
        there are three.

        Args:
            model: A key of `scores`.
            metric: Name of the metric.
        """
        scores = self.scores[model]
        if scores.ndim == 1 or self.classes:
            return scores
        if metric == COVERAGE.name:
            return scores[:, -2:] if scores.shape[1] == 3 else scores
        if scores.shape[1] == 3 and is_of_numbers(metric):
            return np.ascontiguousarray(scores[:, 0])
        return np.ascontiguousarray(scores[:, -1]) if scores.shape[1] == 2 else scores

    def where(self, rows: NDArray[np.bool_]) -> Scores:
        """Some of the rows."""
        scores = {name: each[rows] for name, each in self.scores.items()}
        slices = {name: each[rows] for name, each in self.slices.items()}
        return replace(self, label=self.label[rows], scores=scores, slices=slices)


@dataclass(frozen=True)
class GateScoring:
    """All tables, scored.

    Attributes:
        tables: Scores by the table's name.
        problems: Table name to why it could not be scored at all.
        versions: Libraries that made the predictions.
    """

    tables: Mapping[str, Scores]
    problems: Mapping[str, str]
    versions: Mapping[str, str]


def run_in_project(
    context: CheckContext,
    module: str,
    task: Mapping[str, Any],
    *,
    timeout_s: float,
    readable: Iterable[Path] = (),
    writable: Iterable[Path] = (),
) -> dict[str, Any]:
    """Run a module of `checks.runner` in the project's environment, with nothing of the worktree in reach.

    Falaj's own packages come last on the path, so that a project without MLflow can still load its model. The process
    is confined to what is named here, its own folder and what Python needs.

    Args:
        context: Gives the environment.
        module: Which.
        task: What its `main` is given.
        timeout_s: Seconds after which it is killed.
        readable: What it may read, beside its own folder.
        writable: Folders that it may write to.

    Raises:
        CheckError: The task could not be done; the message has the reason.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{module}-", dir=context.workdir))
    task_file, result_file = folder / "task.json", folder / "result.json"
    shown, written = [*_with_notes(readable)], tuple(writable)
    reach = {"readable": shown, "writable": [str(folder), *map(str, written)]}
    task_file.write_text(json.dumps({**task, **reach, "site": [sysconfig.get_paths()["purelib"]]}))
    command = (context.environment.python, "-I", LAUNCHER, module, task_file, result_file)
    tool_run = run_tool(
        context,
        module,
        *command,
        timeout_s=timeout_s,
        scratch=folder,
        worktree=False,
        readable=tuple(map(Path, shown)),
        writable=written,
    )
    if tool_run.code != 0 or not result_file.is_file() or result_file.is_symlink():
        raise CheckError(f"{module} failed in the project's environment: {tool_run.last_line}")
    result: dict[str, Any] = json.loads(result_file.read_text())
    if "problem" in result:
        raise CheckError(result["problem"])
    return result


def _with_notes(paths: Iterable[Path]) -> Iterator[str]:
    """Paths, and beside each the note that says how a data source is read."""
    for path in paths:
        yield from (str(path), f"{path}{READING}")


def score(
    context: CheckContext, models: Mapping[str, Path], tables: Mapping[str, set[str]], *, label: str | list[str]
) -> GateScoring:
    """Score tables with models in the project's environment.

    One process parts the tables; another one prepares the features of exams, and a third one loads the models and is
    given the columns that they read. The labels meet the scores here, where nothing of the project runs.

    Args:
        context: Gives environment and outputs.
        models: Model name to its artifact.
        tables: Output name to the columns to slice by.
        label: The column with the labels, or one an output.

    Raises:
        CheckError: Nothing could be scored.
    """
    out = Path(tempfile.mkdtemp(prefix="judge-", dir=context.workdir))
    judge, features, prepared, scores = (out / name for name in ("labels", "features", "prepared", "scores"))
    for folder in (judge, features, prepared, scores):
        folder.mkdir()
    paths, problems = _fetched(context, tables)
    parted = _parted(context, models, tables, paths, label, (judge, features))
    problems |= {name: entry["problem"] for name, entry in parted.items() if entry["problem"]}
    read, unprepared = _prepared(context, parted, (features, prepared))
    problems |= unprepared
    task = {"models": {name: str(path) for name, path in models.items()}, "tables": read, "out": str(scores)}
    result = run_in_project(
        context,
        "scoring",
        task,
        timeout_s=TIMEOUT_S,
        readable=[*models.values(), features, prepared],
        writable=[scores],
    )
    table_scores, unscored = _joined(parted, result, out, tuple(label) if isinstance(label, list) else ())
    return GateScoring(table_scores, problems | unscored, result["versions"])


def _prepared(
    context: CheckContext, parted: Mapping[str, Mapping[str, str]], folders: tuple[Path, Path]
) -> tuple[dict[str, str], dict[str, str]]:
    """The features that models read, those of exams as the project prepares them, and why some have none."""
    features, prepared = folders
    feature_files = {name: entry["features"] for name, entry in parted.items() if entry["features"]}
    functions = {name: function for name, function in _preparations(context).items() if name in feature_files}
    if not functions:
        return feature_files, {}
    task = {
        "functions": functions,
        "tables": {name: feature_files.pop(name) for name in functions},
        "worktree": str(context.worktree),
        "out": str(prepared),
    }
    readable = [context.worktree, features]
    result = run_in_project(context, "preparation", task, timeout_s=TIMEOUT_S, readable=readable, writable=[prepared])
    entries: Mapping[str, Mapping[str, str]] = result["tables"]
    for name in functions:
        if not entries[name]["problem"]:
            feature_files[name] = str(written_by("prepare", prepared, entries[name]["features"]))
    return feature_files, {name: entries[name]["problem"] for name in functions if entries[name]["problem"]}


def _preparations(context: CheckContext) -> dict[str, str]:
    """The function that prepares each exam that needs one."""
    return {name: each.prepare for name, each in context.spec.data.items() if each.exam and each.prepare}


def _parted(
    context: CheckContext,
    models: Mapping[str, Path],
    tables: Mapping[str, set[str]],
    paths: Mapping[str, str],
    label: str | list[str],
    folders: tuple[Path, Path],
) -> Mapping[str, Mapping[str, str]]:
    judge, features = folders
    task = {
        "tables": paths,
        "slices": {name: sorted(columns) for name, columns in tables.items()},
        "label": label,
        "columns": _columns_of(models.values()),
        "whole": sorted(_preparations(context)),
        "judge": str(judge),
        "features": str(features),
    }
    result = run_in_project(
        context, "table_split", task, timeout_s=TIMEOUT_S, readable=map(Path, paths.values()), writable=folders
    )
    table_entries: Mapping[str, Mapping[str, str]] = result["tables"]
    return table_entries


def _columns_of(models: Iterable[Path]) -> list[str] | None:
    """The columns that the signatures of models name; None where one names none."""
    names: set[str] = set()
    for path in models:
        try:
            signature = read_model_folder(path).signature
        except ModelError:
            return None
        if not signature.columns:
            return None
        names |= set(signature.names)
    return sorted(names)


def _joined(
    parted: Mapping[str, Mapping[str, str]], result: Mapping[str, Any], out: Path, outputs: tuple[str, ...]
) -> tuple[dict[str, Scores], dict[str, str]]:
    """Labels and scores of each table, and why some have none."""
    classes = {name: each for name, each in result["classes"].items() if _are_classes(each)}
    table_scores, problems = {}, {}
    for name, entry in result["scores"].items():
        try:
            if entry["problem"]:
                raise CheckError(entry["problem"])
            labels = written_by("separate", out, parted[name]["labels"])
            scored = written_by("score", out, entry["file"])
            table_scores[name] = _read(labels, scored, entry, {} if outputs else classes, name, outputs)
        except CheckError as problem:
            problems[name] = problem.message
    return table_scores, problems


def _fetched(context: CheckContext, tables: Mapping[str, set[str]]) -> tuple[dict[str, str], dict[str, str]]:
    paths, problems = {}, {}
    for name in tables:
        try:
            paths[name] = str(context.fetch(name))
        except CheckError as error:
            problems[name] = str(error)
    return paths, problems


def _read(
    labels: Path,
    file: Path,
    entry: Mapping[str, Any],
    classes: Mapping[str, Sequence[Any] | None],
    table: str,
    outputs: tuple[str, ...],
) -> Scores:
    whole = _all_classes(classes)
    with np.load(labels, allow_pickle=False) as arrays:
        label = numbered({name: arrays[name] for name in arrays.files}, classes.get(CANDIDATE) or whole or None, table)
        slices = {name.removeprefix("slice:"): arrays[name] for name in arrays.files if name.startswith("slice:")}
    scores = {name: _aligned(each, classes.get(name), whole) for name, each in _arrays(file, table).items()}
    problems = {name: problem for name, problem in entry["models"].items() if problem}
    problems |= {name: "its scores are not one a row" for name, each in scores.items() if len(each) != len(label)}
    for name, each in scores.items():
        if outputs and each.shape[1:] != (len(outputs),) and name not in problems:
            width = each.shape[1] if each.ndim > 1 else 1
            problems[name] = f"it gives {width} numbers a row, and monitoring.label names {len(outputs)} columns"
    return Scores(label, scores, slices, problems, whole if len(whole) > 2 else (), whole)


def _arrays(file: Path, table: str) -> dict[str, Vector]:
    """What the process of the models wrote; it may have written anything.

    Raises:
        CheckError: It is no file of numbers, or one that expands to more than there is room for.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > MOST_SCORE_BYTES:
                raise CheckError(f"{table}: the models gave more scores than {MOST_SCORE_BYTES:,} bytes")
        with np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name], dtype=np.float64) for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CheckError(f"{table}: the scores cannot be read: {type(error).__name__}") from error


def _are_classes(class_values: Any) -> bool:
    """Whether the process of the models named classes; it may have named anything."""
    kinds = str | int | float
    return (
        isinstance(class_values, list)
        and 2 <= len(class_values) <= MOST_CLASSES
        and all(isinstance(e, kinds) for e in class_values)
    )


def _all_classes(classes: Mapping[str, Sequence[Any] | None]) -> tuple[Any, ...]:
    """The classes of all models; the candidate's come first, in its order."""
    class_values = [each for name in (CANDIDATE, LIVE) for each in classes.get(name) or ()]
    return tuple(dict.fromkeys(class_values))


def _aligned(score: Vector, own: Sequence[Any] | None, whole: Sequence[Any]) -> Vector:
    """Scores with a column for each class of all models; those that a model does not know it never gives."""
    if own is None or len(whole) == 2 or tuple(own) == tuple(whole) or not len(score):
        return score
    columns = np.stack([1 - score, score], axis=1) if score.ndim == 1 else score
    if columns.shape[1] != len(own):
        raise CheckError(f"scores of {columns.shape[1]} classes came from a model of {len(own)}")
    aligned_scores = np.zeros((len(score), len(whole)))
    aligned_scores[:, [whole.index(each) for each in own]] = columns
    return aligned_scores


def _shown(label: object) -> str:
    return f"{label:g}" if isinstance(label, float) else repr(label)


def numbered(arrays: Mapping[str, NDArray[Any]], classes: Sequence[Any] | None, table: str) -> Vector:
    """Labels as numbers: the index of a classifier's class, else as they are; NaN where missing.

    Args:
        arrays: `label` (numbers) or `text`, and `absent`.
        classes: Of the model, in the order of its probabilities; None for other models.
        table: For errors.

    Raises:
        CheckError: A label is no number and no class.
    """
    if classes is None:
        if "label" not in arrays:
            raise CheckError(f"{table}: the labels are not numbers: {arrays['text'][~arrays['absent']][:1]}")
        return np.asarray(arrays["label"], dtype=np.float64)
    text, shown = isinstance(classes[0], str), _list_of(classes)
    if ("text" if text else "label") not in arrays:
        raise CheckError(f"{table}: the labels are not classes of the model ({shown})")
    values, absent = arrays["text" if text else "label"], arrays["absent"]
    places = {each if text else float(each): index for index, each in enumerate(classes)}
    levels, rows = np.unique(values, return_inverse=True)
    index = np.array([places.get(each.item(), np.nan) for each in levels], dtype=np.float64)[rows]
    if len(unknown := values[np.isnan(index) & ~absent]):
        raise CheckError(f"{table}: the label {_shown(unknown[0].item())} is not a class of the model ({shown})")
    return np.where(absent, np.nan, index)


def _list_of(classes: Sequence[Any]) -> str:
    shown = ", ".join(repr(each) for each in classes[:5])
    return shown if len(classes) <= 5 else f"{shown} and {len(classes) - 5} more"
