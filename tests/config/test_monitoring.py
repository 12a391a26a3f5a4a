"""What a project says of how its releases are watched."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from falaj.config.monitoring import Monitoring


def test_only_what_differs_from_the_defaults_is_kept_in_seconds() -> None:
    assert Monitoring(label="late").to_spec() == {"label": "late"}
    wished = {"label": "late", "label_delay": "1d", "block": 200, "window": 3, "missing": "10%", "tolerance": 0.02}
    monitoring_spec = Monitoring.model_validate(
        {**wished, "sources": {"weather": ["temp"]}, "leave_out": ["id"]}
    ).to_spec()
    assert monitoring_spec == {
        "label": "late", "label_delay_s": 86_400.0, "block": 200, "window": 3, "missing": 0.1, "tolerance": 0.02,
        "sources": {"weather": ["temp"]}, "leave_out": ["id"],
    }  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"block": 10}, {"block": "week"}, {"window": 0}, {"missing": 2}, {"sources": {"a": ["x"], "b": ["x"]}}, {"x": 1}],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Monitoring.model_validate(wrong)
