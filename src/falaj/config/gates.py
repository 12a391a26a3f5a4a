"""Gate expressions, from text to `GateSpec`; pure.

    METRIC [of OUTPUT] (>=|>|<=|<) NUMBER           on DATA [by COLUMN [where rows >= COUNT]]
    METRIC [of OUTPUT] not worse than live [by NUMBER] on DATA [by COLUMN [where rows >= COUNT]]

and what a sweep is selected by: `METRIC [of OUTPUT] on DATA`.

OUTPUT is one of several label columns; without it a metric is the mean over them. METRIC is a name, one that the
project declares under `metrics`, or `module.path:function` for a function of the project, which is held against a
number.
DATA is a source, a step or `step.output`; a column with spaces stands in double quotes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from falaj.config.errors import nearest
from falaj.config.spec import GateSpec, OwnMetric, SelectSpec
from falaj.core.errors import UsageError

METRICS = (
    "auc",
    "average_precision",
    "accuracy",
    "balanced_accuracy",
    "brier",
    "log_loss",
    "precision",
    "recall",
    "f1",
    "f1_macro",
    "f1_weighted",
    "mae",
    "mse",
    "rmse",
    "mape",
    "r2",
    "smape",
    "mase",
    "pinball",
    "coverage",
)
"""The metrics that `falaj.statistics.metrics` computes."""

NUMBERED_METRICS = ("top_K_accuracy", "pinball_Q", "ndcg@K", "map@K")
"""More of them, with a number of classes from 2 to 999, a quantile between 0 and 1, or a number of rows, in their
names."""

_NUMBERED = re.compile(
    r"top_([2-9]|[1-9][0-9]{1,2})_accuracy|pinball_0\.(?=[0-9]*[1-9])[0-9]{1,4}|(ndcg|map)@[1-9][0-9]{0,3}"
)

KEYWORDS = ("of", "not", "worse", "than", "live", "by", "on", "where", "rows")

OPERATORS = (">=", ">", "<=", "<")
NOT_WORSE = "not worse than"
FORM = "METRIC >= NUMBER on DATA, or METRIC not worse than live by NUMBER on DATA"

SELECT_FORM = "METRIC on DATA, such as `brier on split.validation`"

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_TOKEN = re.compile(r'"(?P<quoted>[^"]*)"|(?P<op>>=|<=|==|>|<|=)|(?P<word>[^\s<>="]+)|(?P<bad>")')
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")


class GateSyntaxError(UsageError):
    """A gate expression cannot be read.

    Args:
        message: What is wrong.
        offset: Index of the character in the expression where it is wrong.
        expected: What would be right there.
        suggestion: The nearest valid word.
    """

    code = "project.gate"

    def __init__(self, message: str, offset: int, expected: str, suggestion: str | None = None) -> None:
        super().__init__(message, where=f"character {offset + 1}", hint=f"expected {expected}")
        self.offset = offset
        self.expected = expected
        self.suggestion = suggestion


@dataclass(frozen=True)
class _GateToken:
    text: str
    offset: int
    quoted: bool = False


def parse_gate(text: str, own: Mapping[str, OwnMetric] = MappingProxyType({})) -> GateSpec:
    """Read a gate expression.

    Args:
        text: For example `auc >= 0.58 on split.test by carrier where rows >= 500`.
        own: Metrics that the project declares, by name.

    Raises:
        GateSyntaxError: With the place, what was expected there and the nearest valid word.
    """
    words = _Words(text)
    metric = words.metric([*own])
    own_metric = own.get(metric) or (OwnMetric(metric) if is_function(metric) else None)
    output = words.name("the label column of one output") if words.accept("of") else None
    if words.accept("not"):
        if own_metric is not None and own_metric.higher_is_better is None:
            message = "whether more of it is better is not known of a function of the project"
            raise words.wrong(message, "a metric that `metrics` declares with `better: greater` or `less`", back=1)
        words.expect("worse", "`not worse than live`")
        words.expect("than", "`not worse than live`")
        words.expect("live", "`live`, the only release to compare with")
        margin = words.number("the tolerated margin", lowest=0) if words.accept("by") else 0.0
        data, by, min_rows = _rows(words)
        gate = GateSpec(text, metric, NOT_WORSE, None, data, by, min_rows, "live", margin, output=output)
        return replace(gate, own=own_metric)
    op = words.operator()
    limit = words.number("the limit")
    data, by, min_rows = _rows(words)
    return GateSpec(text, metric, op, limit, data, by, min_rows, output=output, own=own_metric)


def parse_select(text: str) -> SelectSpec:
    """Read what a sweep is selected by; whether the metric exists is not looked at.

    Args:
        text: For example `brier on split.validation`.

    Raises:
        GateSyntaxError: With the place and what was expected there.
    """
    words = _Words(text)
    metric = words.name(SELECT_FORM)
    output = words.name("the label column of one output") if words.accept("of") else None
    if words.upcoming in (*OPERATORS, "not"):
        raise words.wrong("the best cell is selected, whatever its value is", SELECT_FORM)
    words.expect("on", SELECT_FORM)
    data = words.name("a source, a step or `step.output`")
    words.end("the end")
    return SelectSpec(text, metric, data, output)


def gate_name(gate: GateSpec) -> str:
    """The name of a gate's value, the same whatever its limit: `auc.split.test`, `brier.split.test.live`."""
    against = "live" if gate.op == NOT_WORSE else ""
    parts = (gate.metric, gate.data, f"by.{gate.by}" if gate.by else "", against)
    return ".".join(part for part in parts if part)


def is_function(metric: str) -> bool:
    """Whether a metric is a function of the project."""
    return _FUNCTION.fullmatch(metric) is not None


def with_columns(gate: GateSpec, monitoring: Mapping[str, Any]) -> GateSpec:
    """A gate with the columns that `monitoring` names for its metric."""
    label = monitoring.get("label")
    outputs = tuple(label) if isinstance(label, list) else ()
    return replace(gate, outputs=outputs, group=monitoring.get("group"), scale=monitoring.get("scale"))


def is_built_in(metric: str) -> bool:
    """Whether a name is that of a metric which needs no function of the project."""
    return metric in METRICS or _NUMBERED.fullmatch(metric) is not None


def is_ranking(metric: str) -> bool:
    """Whether a metric judges the order of the rows of a group."""
    return metric.startswith(("ndcg@", "map@"))


def _rows(words: _Words) -> tuple[str, str | None, int | None]:
    """`on DATA [by COLUMN [where rows >= COUNT]]` to the end of the text."""
    words.expect("on", "`on` and the data, such as `on split.test`")
    data = words.name("a source, a step or `step.output`")
    by = words.name("a column") if words.accept("by") else None
    min_rows = None
    if words.accept("where"):
        if by is None:
            raise words.wrong("`where` needs slices", "`by COLUMN` before `where`", back=1)
        words.expect("rows", "`rows >= COUNT`")
        words.expect(">=", "`rows >= COUNT`")
        min_rows = words.count()
    words.end("`where rows >= COUNT`" if by and min_rows is None else "the end" if by else "`by COLUMN`, or the end")
    return data, by, min_rows


class _Words:
    """The words of one expression, read from left to right."""

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self.tokens: list[_GateToken] = []
        self.next = 0
        for match in _TOKEN.finditer(text):
            if match["bad"]:
                raise GateSyntaxError("this quote is not closed", match.start(), 'a closing `"`')
            quoted = match["quoted"] is not None
            self.tokens.append(_GateToken(match["quoted"] if quoted else match[0], match.start(), quoted))

    @property
    def upcoming(self) -> str:
        """The next word; empty at the end."""
        return self.tokens[self.next].text if self.next < len(self.tokens) else ""

    def wrong(self, message: str, expected: str, suggestion: str | None = None, back: int = 0) -> GateSyntaxError:
        """The error at the next word (or `back` words before it)."""
        index = self.next - back
        offset = self.tokens[index].offset if index < len(self.tokens) else self.length
        return GateSyntaxError(message, offset, expected, suggestion)

    def take(self, expected: str) -> _GateToken:
        """The next word, whatever it is."""
        if self.next >= len(self.tokens):
            raise self.wrong("the gate ends too early", expected)
        self.next += 1
        return self.tokens[self.next - 1]

    def accept(self, word: str) -> bool:
        """Skip the word if it is next."""
        is_match = self.next < len(self.tokens) and self.tokens[self.next].text == word
        is_match = is_match and not self.tokens[self.next].quoted
        self.next += is_match
        return is_match

    def expect(self, word: str, expected: str) -> None:
        """Skip the word, which must be next."""
        if not self.accept(word):
            token_text = self.take(expected).text
            raise self.wrong(
                f"{token_text!r} stands where `{word}` belongs", expected, nearest(token_text, [word]), back=1
            )

    def metric(self, own: Sequence[str]) -> str:
        """The name of a metric: built in, declared by the project, or a function."""
        metric_name = self.take(FORM).text
        if not is_built_in(metric_name) and metric_name not in own and not is_function(metric_name):
            names = (*METRICS, *NUMBERED_METRICS, *own)
            expected = f"one of {', '.join(names)}, or module.path:function"
            suggestion = nearest(metric_name, (*METRICS, *own))
            raise self.wrong(f"there is no metric {metric_name!r}", expected, suggestion, back=1)
        return metric_name

    def operator(self) -> str:
        """One of the operators."""
        expected = f"one of {', '.join(OPERATORS)}, or `not worse than live`"
        operator_text = self.take(expected).text
        if operator_text not in OPERATORS:
            suggestion = ">=" if operator_text in {"=", "=="} else nearest(operator_text, ["not"])
            raise self.wrong(f"{operator_text!r} is not a comparison", expected, suggestion, back=1)
        return operator_text

    def number(self, what: str, lowest: float = -math.inf) -> float:
        """A finite number."""
        number_text = self.take(f"{what}, a number").text
        if not _NUMBER.fullmatch(number_text) or not math.isfinite(float(number_text)):
            raise self.wrong(f"{number_text!r} is not a number", f"{what}, such as 0.7", back=1)
        if float(number_text) < lowest:
            raise self.wrong(f"{number_text} is negative", f"{what}, at least {lowest:g}", back=1)
        return float(number_text)

    def count(self) -> int:
        """A positive whole number."""
        count_text = self.take("a number of rows").text
        if not re.fullmatch(r"[0-9]{1,12}", count_text) or int(count_text) < 1:
            raise self.wrong(f"{count_text!r} is not a number of rows", "a whole number such as 500", back=1)
        return int(count_text)

    def name(self, expected: str) -> str:
        """A name; quoted when it has spaces."""
        token = self.take(expected)
        if not token.text or (token.text in {*OPERATORS, "by", "where", "on"} and not token.quoted):
            raise self.wrong(f"{token.text!r} stands where a name belongs", expected, back=1)
        return token.text

    def end(self, expected: str) -> None:
        """Nothing may follow."""
        if self.next < len(self.tokens):
            token_text = self.tokens[self.next].text
            raise self.wrong(f"{token_text!r} is one word too many", expected, nearest(token_text, ["by", "where"]))
