"""The reference that a run builds for the monitors of its release; without one they say that they do not know."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from falaj import __version__
from falaj.build.checks import CheckContext
from falaj.build.checks.processes import written_by
from falaj.build.checks.scoring import run_in_project
from falaj.config.spec import ProjectSpec
from falaj.core.errors import FalajError
from falaj.statistics.profiles import Categorical, Column
from falaj.statistics.reference import FORM, MonitoringSettings, ReferenceRows, build_reference
from falaj.supply_chain.artifacts import Digest, parse_digest
from falaj.trust.lineage import Edge, Node

MOST_ROWS = 200_000
TIMEOUT_S = 600.0
PROFILE_OF = "profile of"


@dataclass(frozen=True)
class Referenced:
    """What a run could say about the rows of its release.

    Args:
        digest: Artifact of the reference; None when there is none.
        notes: What is missing, and why.
        tables: Digests of the tables that it was built from.
        learned_rows: Rows of the tables that the model was trained on; 0 when they are not known.
    """

    digest: str | None
    notes: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    learned_rows: int = 0

    @property
    def summary(self) -> str:
        """One line for people."""
        watched = "monitors have a reference" if self.digest else "monitors will not know"
        return "; ".join([watched, *self.notes])

    def edges(self) -> Iterator[Edge]:
        """Where the reference comes from, for the lineage."""
        if self.digest:
            yield from (Edge(Node("artifact", self.digest), PROFILE_OF, Node("artifact", each)) for each in self.tables)


def reference_of(context: CheckContext, features: Sequence[str]) -> Referenced:
    """Build the reference from the tables that the model was trained and accepted on, and keep it.

    A reference that cannot be built costs the run nothing: the release says why it has none.

    Args:
        context: Of the run, after its model was packaged.
        features: Names of the model's inputs.
    """
    spec = context.spec
    trained, accepted = tables_of(spec, context.outputs)
    if not trained and not accepted:
        return Referenced(None, ("no table is known that the model was trained or accepted on",))
    names = [*trained, *accepted]
    settings = MonitoringSettings.of(spec.monitoring, {each.classification for each in spec.data.values()}, spec.risk)
    ref = f"reference/{_key(context, names, accepted, settings)}"
    tables = tuple(str(context.outputs[name]) for name in names)
    cached = context.store.get_ref(ref)
    if cached is not None and context.store.has(parse_digest((entry := json.loads(cached))["digest"])):
        return Referenced(entry["digest"], tuple(entry["notes"]), tables, entry["learned_rows"])
    try:
        reference = _built(context, names, accepted, features, settings)
    except (FalajError, OSError, ValueError) as error:
        return Referenced(None, (f"no reference could be built: {error}",))
    if reference.digest:
        entry = {"digest": reference.digest, "notes": reference.notes, "learned_rows": reference.learned_rows}
        context.store.set_ref(ref, json.dumps(entry).encode())
    return replace(reference, tables=tables)


def _key(context: CheckContext, names: Sequence[str], accepted: Sequence[str], settings: MonitoringSettings) -> str:
    read = [[name, context.outputs[name], name in accepted] for name in names]
    of = [FORM, __version__, context.model_digest(), read, settings.to_json(), context.spec.monitoring.get("label")]
    return hashlib.sha256(json.dumps([*of, context.spec.monitoring.get("time")], sort_keys=True).encode()).hexdigest()


def _built(
    context: CheckContext,
    names: Sequence[str],
    accepted: Sequence[str],
    features: Sequence[str],
    settings: MonitoringSettings,
) -> Referenced:
    rows, notes, learned, times = _rows(context, names, accepted, features)
    settings = replace(settings, leave_out=(*settings.leave_out, *times))
    if not rows:
        return Referenced(None, notes, learned_rows=learned)
    salt = hashlib.blake2b(context.model_digest().encode(), digest_size=8).digest()
    built = build_reference(rows, settings, salt=salt)
    folder = context.workdir / "reference-artifact"
    shutil.rmtree(folder, ignore_errors=True)
    built.write(folder)
    return Referenced(str(context.store.put(folder).digest), (*notes, *built.notes), learned_rows=learned)


def tables_of(spec: ProjectSpec, outputs: Mapping[str, Digest]) -> tuple[list[str], list[str]]:
    """The outputs that the model was trained on, and those that gates look at."""
    step = spec.model_step
    inputs = spec.steps[step].inputs if step else ()
    accepted = list(dict.fromkeys(gate.data for gate in spec.gates if gate.data in outputs))
    trained = [name for name in inputs if name in outputs and name not in spec.data and name not in accepted]
    return trained, accepted


def _rows(
    context: CheckContext, names: Sequence[str], accepted: Sequence[str], features: Sequence[str]
) -> tuple[list[ReferenceRows], tuple[str, ...], int, tuple[str, ...]]:
    """The rows of the tables, what is missing of them, how many were learned from, and features that are times."""
    out = context.workdir / "reference"
    out.mkdir(parents=True, exist_ok=True)
    tables = {name: str(context.fetch(name)) for name in names}
    model = context.fetch_digest(context.model_digest())
    task = {
        "model": str(model),
        "tables": tables,
        "label": context.spec.monitoring.get("label"),
        "time": context.spec.monitoring.get("time"),
        "features": list(features),
        "most": MOST_ROWS,
        "out": str(out),
    }
    entries = run_in_project(
        context, "reference", task, timeout_s=TIMEOUT_S, writable=[out],
        readable=[model, *map(Path, tables.values())],
    )["tables"]  # fmt: skip
    notes = [entry["problem"] for entry in entries.values() if entry["problem"]]
    notes += [f"{name}: {entry['score']}" for name, entry in entries.items() if entry.get("score")]
    rows = [
        _read(written_by("reference", out, entry["file"]), entry, name in accepted)
        for name, entry in entries.items()
        if entry["file"]
    ]
    learned = sum(entry["rows"] for name, entry in entries.items() if name not in accepted)
    times = tuple(dict.fromkeys(name for entry in entries.values() for name in entry.get("times", ())))
    notes += [f"{', '.join(times)}: times, whose distribution is not watched"] if times else []
    return [each for each in rows if len(each)], tuple(notes), learned, times


def _read(file: Path, entry: Mapping[str, Any], held_out: bool) -> ReferenceRows:
    with np.load(file, allow_pickle=False) as arrays:
        contents = {name: arrays[name] for name in arrays.files}
    columns: dict[str, Column] = {}
    for key, values in contents.items():
        kind, _, name = key.partition(":")
        if kind == "feature":
            levels = entry["levels"].get(name)
            columns[name] = values if levels is None else Categorical(values, tuple(levels))
    of = {part: contents.get(part) for part in ("label", "score", "at", "wrong")}
    decided = Categorical(contents["decided"], tuple(entry["classes"])) if "decided" in contents else None
    return ReferenceRows(columns, held_out, probabilities=entry["probabilities"], decided=decided, **of)
