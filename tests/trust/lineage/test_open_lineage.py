from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pytest
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated import dataset_version_dataset, parent_run, source_code_location_job
from openlineage.client.serde import Serde

from falaj.trust.lineage import open_lineage
from falaj.trust.lineage.open_lineage import Execution, events_of

STEPS = (
    open_lineage.LineageJob(
        "prepare", "cached", 2.0, 2.0, ("sha256:raw",), {"train": "sha256:tr", "test": "sha256:te"}
    ),
    open_lineage.LineageJob("fit[depth=1]", "succeeded", 2.0, 5.25, ("sha256:tr",), {"output": "sha256:m"}),
)


def execution(**others: Any) -> Execution:
    execution_fields: dict[str, Any] = {
        "run": "r1", "project": "flights", "repository": "https://ana:secret@git.example.org/flights.git",
        "commit": "c" * 40, "state": "succeeded", "began_at": 1.0, "ended_at": 9.5,
        "snapshots": {"flights": "sha256:raw"}, "steps": STEPS,
    }  # fmt: skip
    return Execution(**{**execution_fields, **others})


def names(event: dict[str, Any], side: str) -> list[tuple[str, str]]:
    return [(each["name"], each["facets"]["version"]["datasetVersion"]) for each in event[side]]


def test_a_run_holds_its_steps_and_each_starts_and_ends_with_what_it_read_and_made() -> None:
    start, *steps, end = events_of(execution())
    assert [(each["job"]["name"], each["eventType"]) for each in (start, *steps, end)] == [
        ("flights", "START"), ("prepare", "START"), ("prepare", "COMPLETE"), ("fit[depth=1]", "START"),
        ("fit[depth=1]", "COMPLETE"), ("flights", "COMPLETE"),
    ]  # fmt: skip
    assert names(end, "inputs") == [("flights", "sha256:raw")]
    assert (names(steps[0], "outputs"), names(steps[1], "outputs")) == (
        [], [("prepare.train", "sha256:tr"), ("prepare.test", "sha256:te")],
    )  # fmt: skip
    assert names(steps[3], "inputs") == [("prepare.train", "sha256:tr")]
    assert names(steps[3], "outputs") == [("fit[depth=1]", "sha256:m")]
    assert set(names(end, "outputs")) == {*names(steps[1], "outputs"), *names(steps[3], "outputs")}
    assert {each["run"]["facets"]["parent"]["run"]["runId"] for each in steps} == {start["run"]["runId"]}
    assert start["run"]["runId"] == events_of(execution())[0]["run"]["runId"] != steps[0]["run"]["runId"]
    assert datetime.fromisoformat(steps[3]["eventTime"]).timestamp() == 5.25


@pytest.mark.parametrize(
    ("state", "kind"),
    [("succeeded", "COMPLETE"), ("rejected", "FAIL"), ("failed", "FAIL"), ("cancelled", "ABORT"), ("running", "ABORT")],
)
def test_every_start_has_one_end(state: str, kind: str) -> None:
    assert [each["eventType"] for each in events_of(execution(state=state, steps=()))] == ["START", kind]


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("https://ana:secret@git.example.org/flights.git", "https://git.example.org/flights.git"),
        ("/srv/git/flights.git", "file:///srv/git/flights.git"),
        ("git@git.example.org:team/flights.git", None),
        ("../flights", None),
    ],
)
def test_the_code_is_where_the_repository_is_and_no_password_leaves_with_it(repository: str, url: str | None) -> None:
    event = events_of(execution(repository=repository))[0]
    location = event["job"]["facets"].get("sourceCodeLocation", {})
    assert (location.get("url"), location.get("repoUrl")) == (url, url)
    assert "secret" not in str(event)


def test_the_own_classes_of_openlineage_read_every_event_and_say_the_same() -> None:
    """They refuse fields that the specification does not know, lack of those that it asks for, and wrong forms."""
    for event in events_of(execution()):
        assert _without_empty(Serde.to_dict(_built(event))) == _without_empty(event)
        assert uuid.UUID(event["run"]["runId"]).version == 5


def _built(event: dict[str, Any]) -> RunEvent:
    schema = event.pop("schemaURL")
    built = RunEvent(
        **{
            **event,
            "eventType": RunState[event["eventType"]],
            "run": Run(event["run"]["runId"], _facets(event["run"])),
            "job": Job(event["job"]["namespace"], event["job"]["name"], _facets(event["job"])),
            "inputs": [InputDataset(each["namespace"], each["name"], facets=_facets(each)) for each in event["inputs"]],
            "outputs": [
                OutputDataset(each["namespace"], each["name"], facets=_facets(each)) for each in event["outputs"]
            ],
        }
    )
    event["schemaURL"] = schema
    return built


def _facets(holder: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, Any] = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet,
        "sourceCodeLocation": source_code_location_job.SourceCodeLocationJobFacet,
        "parent": lambda run, job, producer: parent_run.ParentRunFacet(
            parent_run.Run(**run), parent_run.Job(**job), producer=producer
        ),
    }
    typed_facets = {}
    for name, facet in holder.get("facets", {}).items():
        facet_fields = {key: value for key, value in facet.items() if not key.startswith("_")}
        typed_facets[name] = kinds[name](**facet_fields, producer=facet["_producer"])
        assert facet["_schemaURL"] == typed_facets[name]._schemaURL
    return typed_facets


def _without_empty(value: Any) -> Any:
    """Facets of which there are none may be written or left out."""
    if isinstance(value, dict):
        return {key: _without_empty(item) for key, item in value.items() if item not in ({}, [], None)}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value
