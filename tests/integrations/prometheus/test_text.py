from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falaj.dataplane.model_server.metrics import Metrics
from falaj.integrations.prometheus import ExpositionError, Family, FamilyKind, Sample, labelled, merged, parse, render


def gauge(*samples: Sample, name: str = "falaj_x") -> Family:
    return Family(name, FamilyKind.GAUGE, "What it is.", samples)


def test_a_family_is_its_help_its_type_and_its_samples() -> None:
    text = render([gauge(Sample({"kind": "run", "state": "queued"}, 3), Sample({}, 0.25))])
    assert text == (
        "# HELP falaj_x What it is.\n"
        "# TYPE falaj_x gauge\n"
        'falaj_x{kind="run",state="queued"} 3\n'
        "falaj_x 0.25\n"
    )  # fmt: skip


def test_a_family_without_samples_is_left_out() -> None:
    assert render([gauge(), gauge(Sample({}, 1), name="falaj_y")]).count("# TYPE") == 1


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (-0.5, "-0.5"), (1e300, "1e+300"),
        (2.0**53 - 1, "9007199254740991"), (2.0**60, "1.152921504606847e+18"), (True, "1"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_scrapers_read_them(value: float, written: str) -> None:
    assert render([gauge(Sample({}, value))]).splitlines()[-1] == f"falaj_x {written}"


def test_label_values_and_help_are_escaped() -> None:
    family = Family("falaj_x", FamilyKind.GAUGE, 'a \\ and\na "quote"', (Sample({"of": 'a"b\\c\nd'}, 1),))
    lines = render([family]).splitlines()
    assert lines[0] == r'# HELP falaj_x a \\ and\na "quote"'
    assert lines[2] == r'falaj_x{of="a\"b\\c\nd"} 1'


@pytest.mark.parametrize("name", ["", "1x", "falaj-x", "falaj x", "é"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ExpositionError):
        gauge(name=name)
    with pytest.raises(ExpositionError):
        Sample({name: "x"}, 1)


def test_reserved_labels_are_refused() -> None:
    with pytest.raises(ExpositionError):
        Sample({"__name__": "x"}, 1)


def test_what_comes_twice_is_refused() -> None:
    with pytest.raises(ExpositionError, match="comes twice"):
        render([gauge(Sample({"of": "a"}, 1), Sample({"of": "a"}, 2))])
    with pytest.raises(ExpositionError, match="two families"):
        render([gauge(Sample({}, 1)), gauge(Sample({}, 1))])


NAMES = st.from_regex(r"[a-z][a-z_]{0,8}[a-z]", fullmatch=True).map(lambda name: f"falaj_{name}x")
LABELS = st.dictionaries(st.sampled_from(["a", "b", "le"]), st.text(st.characters(exclude_categories=["Cs"])))
VALUES = (st.floats() | st.integers(-(2**40), 2**40)).map(lambda value: value + 0.0)  # no -0.0, which is written 0


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(NAMES, st.lists(st.tuples(LABELS, VALUES), min_size=1), max_size=4), st.text())
def test_what_is_written_is_read_back(pages: dict[str, list[tuple[dict[str, str], float]]], help_text: str) -> None:
    help_text = help_text.encode(errors="ignore").decode().strip()
    families = []
    for name, rows in pages.items():
        unique = {frozenset(labels.items()): (labels, value) for labels, value in rows}
        samples = tuple(Sample(labels, value) for labels, value in unique.values())
        families.append(Family(name, FamilyKind.GAUGE, help_text, samples))
    text = render(families)
    assert render(parse(text)) == text
    assert str([family.samples for family in parse(text)]) == str([family.samples for family in families])


def test_the_page_of_a_model_server_is_read_and_written_the_same() -> None:
    metrics = Metrics("flight-delay@1", 'dev/fl"ight')
    metrics.finished("ok", 0.003)
    metrics.computed(4)
    text = metrics.render(ready=True, queued_rows=0, in_flight=1)
    families_by_name = {family.name: family for family in parse(text)}
    assert families_by_name["falaj_request_seconds"].kind is FamilyKind.HISTOGRAM
    assert {each.suffix for each in families_by_name["falaj_request_seconds"].samples} == {"_bucket", "_sum", "_count"}
    assert parse(render(families_by_name.values())) == list(families_by_name.values())


def test_pages_of_several_processes_become_one() -> None:
    pages = [labelled(parse(_page(number)), {"replica": str(number), "release": "never this"}) for number in (0, 1)]
    text = render(merged(pages))
    assert text.count("# TYPE falaj_ready gauge") == 1
    assert 'falaj_ready{replica="1",release="m@1",endpoint="dev/m"} 1' in text
    assert text.count("falaj_request_seconds_count{") == 2


@pytest.mark.parametrize(
    "line",
    [
        "falaj_x",
        "falaj_x one",
        'falaj_x{a="b} 1',
        "falaj_x{a=b} 1",
        'falaj_x{a="b" c="d"} 1',
        "# TYPE falaj_x odd",
        "{} 1",
    ],
)
def test_a_line_that_is_no_series_is_named(line: str) -> None:
    with pytest.raises(ExpositionError):
        parse(f"falaj_ok 1\n{line}\n")


def test_envoys_lines_are_read() -> None:
    text = '# TYPE envoy_x counter\nenvoy_x{a="b",} 3\n\n# a comment\nplain 4 1700000000000\n'
    assert render(parse(text)).splitlines()[-1] == "plain 4"


def _page(number: int) -> str:
    metrics = Metrics("m@1", "dev/m")
    metrics.finished("ok", 0.001 * (number + 1))
    return metrics.render(ready=True, queued_rows=0, in_flight=0)
