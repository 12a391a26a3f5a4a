from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.build.pipeline.fingerprint import StepFacts, fingerprint

FACTS = StepFacts("m:f", {"m.py": "a"}, {"x": 1}, [["raw", False, [["raw", "sha256:1", "file"]]]], ["kind=None"], "e")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,  # trees of a hundred leaves take most of a minute to draw and reach nothing else
)


@pytest.mark.parametrize(
    "change",
    [
        {"call": "m:g"},
        {"call": ["m:f"]},
        {"code": {"m.py": "b"}},
        {"code": {"n.py": "a"}},
        {"params": {"x": 1.5}},
        {"params": {"x": "1"}},
        {"inputs": [["raw", False, [["raw", "sha256:2", "file"]]]]},
        {"inputs": []},
        {"outputs": ["kind=model"]},
        {"environment": "f"},
        {"once_in": "run"},
    ],
)
def test_everything_counts(change: dict[str, object]) -> None:
    assert fingerprint(replace(FACTS, **change)) != fingerprint(FACTS)


@given(st.dictionaries(st.text(), json_values, max_size=5), st.randoms())
def test_the_order_of_names_does_not_count(params: dict[str, object], random: object) -> None:
    names = list(params)
    random.shuffle(names)  # type: ignore[attr-defined]
    shuffled = {name: params[name] for name in names}
    assert fingerprint(replace(FACTS, params=params)) == fingerprint(replace(FACTS, params=shuffled))


@given(json_values, json_values)
def test_different_parameters_have_different_names(one: object, other: object) -> None:
    same = fingerprint(replace(FACTS, params={"x": one})) == fingerprint(replace(FACTS, params={"x": other}))
    assert same == (repr_json(one) == repr_json(other))


def repr_json(value: object) -> str:
    import json

    return json.dumps(value, sort_keys=True)


def test_another_format_of_results_counts() -> None:
    changed = replace(FACTS)
    object.__setattr__(changed, "format", FACTS.format + 1)
    assert fingerprint(changed) != fingerprint(FACTS)
