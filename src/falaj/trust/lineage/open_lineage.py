"""Runs as OpenLineage events, for catalogues that collect lineage from many systems (pure).

A run is a job of its project, and each step a job below it. Datasets carry the names of `falaj.yaml`, so that they stay
the same from run to run: `flights` for a source, `prepare` or `prepare.train` for what a step gives; their version is
the digest of what was read or made.

Source: OpenLineage specification 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json) and its facets.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

SCHEMA_URL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = "https://falaj.dev/lineage"
_FACETS = "https://openlineage.io/spec/facets"
_NAMES = uuid.UUID("6f6e8a4e-3c0c-5d0e-9f5a-2f5f1f7c6b10")
_ENDINGS = {
    "succeeded": "COMPLETE", "cached": "COMPLETE", "failed": "FAIL", "rejected": "FAIL", "cancelled": "ABORT",
}  # fmt: skip


@dataclass(frozen=True)
class LineageJob:
    """One execution of a step.

    Args:
        name: Name of the step, with its cell.
        state: How it ended: succeeded, cached, failed; anything else counts as aborted.
        began_at: Unix seconds.
        ended_at: Unix seconds.
        read: Digests of what it read.
        outputs: Digests of what it gave, by the names of its outputs.
    """

    name: str
    state: str
    began_at: float
    ended_at: float
    read: Sequence[str] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Execution:
    """One run that has ended.

    Args:
        run: Its id.
        project: Its project; the namespace of jobs and datasets.
        repository: Where its commit comes from.
        commit: The commit.
        state: succeeded, rejected, failed or cancelled.
        began_at: Unix seconds.
        ended_at: Unix seconds.
        snapshots: Digests of what was read of the sources, by their names.
        steps: Its steps that were started, or whose results were known.
    """

    run: str
    project: str
    repository: str
    commit: str
    state: str
    began_at: float
    ended_at: float
    snapshots: Mapping[str, str]
    steps: Sequence[LineageJob]


def events_of(execution: Execution) -> list[dict[str, Any]]:
    """The events of a run: a START and an end of the run itself, and between them of each step."""
    names = _names(execution)
    whole = LineageJob(
        execution.project, execution.state, execution.began_at, execution.ended_at,
        tuple(execution.snapshots.values()), _results(execution.steps),
    )  # fmt: skip
    start, end = _pair(execution, whole, execution.run, names)
    steps = [event for job in execution.steps for event in _pair(execution, job, f"{execution.run}/{job.name}", names)]
    return [start, *steps, end]


def _pair(execution: Execution, job: LineageJob, identity: str, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Start and end of one job; only what has ended is known to have made something."""
    inputs = _datasets(execution.project, ((names.get(digest, digest), digest) for digest in job.read))
    outputs = _datasets(execution.project, ((_output(job.name, name), digest) for name, digest in job.outputs.items()))
    if identity == execution.run:
        outputs = _datasets(execution.project, job.outputs.items())
    yield _event(execution, "START", job.began_at, job, identity, inputs, [])
    yield _event(execution, _ENDINGS.get(job.state, "ABORT"), job.ended_at, job, identity, inputs, outputs)


def _event(
    execution: Execution,
    kind: str,
    at: float,
    job: LineageJob,
    identity: str,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> dict[str, Any]:
    run: dict[str, Any] = {"runId": _run_id(identity)}
    if identity != execution.run:
        parent = {"run": {"runId": _run_id(execution.run)}, "job": _job(execution.project, execution.project)}
        run["facets"] = {"parent": _facet("1-2-0/ParentRunFacet", **parent)}
    return {
        "eventType": kind,
        "eventTime": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "producer": PRODUCER,
        "schemaURL": SCHEMA_URL,
        "run": run,
        "job": {**_job(execution.project, job.name), "facets": dict(_code(execution))},
        "inputs": inputs,
        "outputs": outputs,
    }


def _job(project: str, name: str) -> dict[str, str]:
    return {"namespace": f"falaj:{project}", "name": name}


def _run_id(identity: str) -> str:
    """The same run or step has the same id whenever it is exported."""
    return str(uuid.uuid5(_NAMES, identity))


def _datasets(project: str, versions: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "namespace": f"falaj:{project}",
            "name": name,
            "facets": {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=digest)},
        }
        for name, digest in versions
    ]


def _code(execution: Execution) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where the code is, when the repository has a URL; without what somebody may have written into it to log in."""
    repository = execution.repository
    if "://" not in repository and not repository.startswith("/"):
        return  # `git@host:path` is an address for git alone
    parts = urlsplit(repository if "://" in repository else f"file://{repository}")
    host = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{host}{parts.path}"
    yield (
        "sourceCodeLocation",
        _facet("1-1-0/SourceCodeLocationJobFacet", type="git", url=url, repoUrl=url, version=execution.commit),
    )


def _facet(schema: str, **facet_fields: Any) -> dict[str, Any]:
    return {
        "_producer": PRODUCER,
        "_schemaURL": f"{_FACETS}/{schema}.json#/$defs/{schema.rpartition('/')[2]}",
        **facet_fields,
    }


def _names(execution: Execution) -> dict[str, str]:
    """What digests are called in this run; a source's name goes before that of a step that gave the same."""
    names_by_digest = {digest: name for name, digest in _results(execution.steps).items()}
    return names_by_digest | {digest: name for name, digest in execution.snapshots.items()}


def _results(steps: Iterable[LineageJob]) -> dict[str, str]:
    return {_output(job.name, output): digest for job in steps for output, digest in job.outputs.items()}


def _output(step: str, name: str) -> str:
    return step if name == "output" else f"{step}.{name}"
