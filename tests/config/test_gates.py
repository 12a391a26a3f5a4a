from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.config import GateSpec, GateSyntaxError, parse_gate
from falaj.config.gates import METRICS, NOT_WORSE, NUMBERED_METRICS, OPERATORS, gate_name
from falaj.config.schema_reference import reference_page
from falaj.config.spec import OwnMetric


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auc >= 0.68 on split.test", ("auc", ">=", 0.68, "split.test", None, None, None, None)),
        ("auc>=0.68 on test", ("auc", ">=", 0.68, "test", None, None, None, None)),
        ("r2 > -1e-2 on t", ("r2", ">", -0.01, "t", None, None, None, None)),
        (
            "auc >= 0.58 on split.acceptance by carrier where rows >= 500",
            ("auc", ">=", 0.58, "split.acceptance", "carrier", 500, None, None),
        ),
        ('rmse < 2 on t by "home town"', ("rmse", "<", 2.0, "t", "home town", None, None, None)),
        (
            "brier not worse than live by 0.005 on split.acceptance",
            ("brier", NOT_WORSE, None, "split.acceptance", None, None, "live", 0.005),
        ),
        ("f1 not worse than live on t by g", ("f1", NOT_WORSE, None, "t", "g", None, "live", 0.0)),
    ],
)
def test_forms(text: str, expected: tuple[object, ...]) -> None:
    assert parse_gate(text) == GateSpec(text, *expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "offset", "part", "suggestion"),
    [
        ("", 0, "ends too early", None),
        ("acu >= 0.7 on t", 0, "no metric 'acu'", "auc"),
        ("auc = 0.7 on t", 4, "not a comparison", ">="),
        ("auc >= high on t", 7, "not a number", None),
        ("auc >= nan on t", 7, "not a number", None),
        ("auc >= 1e999 on t", 7, "not a number", None),
        ("auc >= 0.7", 10, "ends too early", None),
        ("auc >= 0.7 in t", 11, "`on` belongs", None),
        ("auc >= 0.7 on by", 14, "name belongs", None),
        ("auc >= 0.7 on t where rows >= 5", 16, "slices", None),
        ("auc >= 0.7 on t by c where rows > 5", 32, "`>=` belongs", ">="),
        ("auc >= 0.7 on t by c where rows >= few", 35, "number of rows", None),
        ("auc >= 0.7 on t by c where rows >= 0", 35, "number of rows", None),
        ("auc >= 0.7 on t bye c", 16, "too many", "by"),
        ("auc not worse then live on t", 14, "`than` belongs", "than"),
        ("auc not worse than champion on t", 19, "`live` belongs", None),
        ("auc not worse than live by -1 on t", 27, "negative", None),
        ('auc >= 0.7 on t by "c', 19, "not closed", None),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, offset: int, part: str, suggestion: str | None) -> None:
    with pytest.raises(GateSyntaxError) as raised:
        parse_gate(text)
    assert part in raised.value.message
    assert (raised.value.offset, raised.value.suggestion) == (offset, suggestion)
    assert raised.value.expected


names = st.from_regex(r"[a-z]{4,8}", fullmatch=True).filter(lambda name: name not in {"where", "rows", "live"})


@given(st.sampled_from(METRICS), st.sampled_from(OPERATORS), st.floats(-100, 100), names, names, st.integers(1, 10**6))
def test_what_is_written_is_what_is_read(metric: str, op: str, limit: float, data: str, by: str, rows: int) -> None:
    gate = parse_gate(f"{metric} {op} {limit!r} on {data} by {by} where rows >= {rows}")
    assert (gate.metric, gate.op, gate.limit, gate.data, gate.by, gate.min_rows) == (metric, op, limit, data, by, rows)


words = st.sampled_from(
    ["auc", ">=", "0.5", "on", "t", "by", "where", "rows", "not", "worse", "than", "live", '"', "é"]
)


@given(st.one_of(st.text(max_size=40), st.lists(words, max_size=14).map(" ".join)))
def test_any_text_is_a_gate_or_a_syntax_error(text: str) -> None:
    try:
        offset = 0 if parse_gate(text).metric in METRICS else -1
    except GateSyntaxError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)


def test_the_metrics_are_those_that_are_computed() -> None:
    metrics = pytest.importorskip("falaj.statistics.metrics")
    assert sorted(METRICS) == sorted(metrics.METRICS.keys() | metrics.CLASS_METRICS.keys())


def test_the_reference_page_explains_every_metric() -> None:
    page = reference_page()
    assert all(f"`{metric}`" in page for metric in (*METRICS, *NUMBERED_METRICS))


def test_a_function_of_the_project_is_held_against_a_number_alone() -> None:
    gate = parse_gate("shop.metrics:profit >= 500 on split.test by site")
    assert (gate.metric, gate.limit, gate.by) == ("shop.metrics:profit", 500, "site")
    for text, message in (
        ("shop.metrics:profit not worse than live on split.test", "is not known of a function"),
        ("shop.metrics: >= 5 on t", "no metric"),
        ("shop:a:b >= 5 on t", "no metric"),
        ("../shop:a >= 5 on t", "no metric"),
    ):
        with pytest.raises(GateSyntaxError, match=message):
            parse_gate(text)


def test_a_declared_metric_is_used_as_the_others_are() -> None:
    own = {"profit": OwnMetric("shop.metrics:profit", True, (0, 10)), "calls": OwnMetric("shop.metrics:calls")}
    gate = parse_gate("profit not worse than live by 2 on t", own)
    assert (gate.metric, gate.not_worse_than, gate.margin, gate.own) == ("profit", "live", 2, own["profit"])
    assert gate_name(gate) == "profit.t.live"
    with pytest.raises(GateSyntaxError, match="no metric 'profti'") as raised:
        parse_gate("profti >= 5 on t", own)
    assert raised.value.suggestion == "profit"
    with pytest.raises(GateSyntaxError, match="is not known of a function"):
        parse_gate("calls not worse than live on t", own)
