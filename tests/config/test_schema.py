from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from falaj.config import json_schema
from falaj.config.schema_reference import reference_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "project-file.md"


def _properties(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for value in schema.values():
            yield from _properties(value)


def test_every_key_is_described() -> None:
    undescribed = [name for name, each in _properties(json_schema()) if not each.get("description")]
    assert undescribed == []


def test_it_is_json_with_unknown_keys_forbidden() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["model", "owner", "pipeline"]
    assert schema["$defs"]["Step"]["additionalProperties"] is False


def test_the_short_forms_are_in_it() -> None:
    schema = json_schema()
    short, full = schema["properties"]["checks"]["anyOf"]
    assert (short["type"], full) == ("array", {"$ref": "#/$defs/Checks"})
    (strategy,) = schema["properties"]["deploy"]["patternProperties"].values()
    assert {"enum": ["recreate", "blue_green", "canary", "shadow"]} in strategy["anyOf"]


def test_the_committed_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page()


def test_own_metrics_are_declared_once(project, issues) -> None:
    issue, *_ = issues(
        (
            "gates:\n",
            "metrics:\n  profit: {function: absent.module:profit, better: greater}\ngates:\n  - profti >= 1 on x\n",
        )
    )
    assert "no metric 'profti'" in issue.message and issue.suggestion == "profit" and issue.line > 0


def test_a_matrix_of_models_does_not_say_which_is_released(issues) -> None:
    matrix = "    params: {iterations: 60}\n    matrix: {learning_rate: [0.1, 0.2]}\n"
    (issue,) = issues(("    params: {learning_rate: 0.1, iterations: 60}\n", matrix))
    assert issue.message.startswith("`fit` makes a model for each combination") and issue.field == "pipeline.fit.matrix"
