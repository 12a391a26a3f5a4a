"""The field types of the project file: how each is written, checked and described to editors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from falaj.config.gates import SELECT_FORM, GateSyntaxError, parse_gate, parse_select
from falaj.config.quantities import (
    DURATION_PATTERN,
    SHARE_PATTERN,
    SIZE_PATTERN,
    parse_duration,
    parse_share,
    parse_size,
)
from falaj.config.spec import GateSpec, SelectSpec

PATTERN_WORDS: dict[str, str] = {}
"""What a pattern asks for, in words."""


class Strict(BaseModel):
    """A mapping of the file: unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Or:
    """Metadata of a field: the value may also be written in a shorter form, of this JSON Schema."""

    def __init__(self, short: JsonSchemaValue) -> None:
        self.short = short

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The full form or the short one."""
        return {"anyOf": [self.short, handler(core)]}


def problem(message: str, expected: str = "", **more: Any) -> PydanticCustomError:
    """The error that a validator raises; `issues.issues_of` turns it into an issue."""
    return PydanticCustomError("falaj", "{message}", {"message": message, "expected": expected, **more})


def text_like(pattern: str, words: str, most: int = 200) -> StringConstraints:
    """Text of a pattern that `words` describes."""
    PATTERN_WORDS[pattern] = words
    return StringConstraints(pattern=pattern, max_length=most)


def _written(parse: Callable[[str], Any], expected: str, pattern: str) -> tuple[BeforeValidator, WithJsonSchema]:
    """Metadata of a field that is parsed from text."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise problem(f"{shown(value)} has no unit" if isinstance(value, int | float) else "not text", expected)
        try:
            return parse(value)
        except ValueError:
            raise problem(f"{shown(value)} cannot be read", expected) from None

    return BeforeValidator(read), WithJsonSchema({"type": "string", "pattern": pattern})


def shown(value: Any) -> str:
    """A value in a message: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _gate(value: Any, info: ValidationInfo) -> GateSpec:
    if not isinstance(value, str):
        raise problem("a gate is text", "such as `auc >= 0.7 on split.test`")
    try:
        own = (info.data or {}).get("metrics") or {}
        return parse_gate(value, {name: metric.to_spec() for name, metric in own.items()})
    except GateSyntaxError as error:
        more = {"offset": error.offset, "suggestion": error.suggestion}
        raise problem(error.message, error.expected, **more) from None


def _select(value: Any) -> SelectSpec:
    if not isinstance(value, str):
        raise problem("a selection is text", SELECT_FORM)
    try:
        return parse_select(value)
    except GateSyntaxError as error:
        more = {"offset": error.offset, "suggestion": error.suggestion}
        raise problem(error.message, error.expected, **more) from None


_duration = _written(parse_duration, "a duration such as 30s, 5m, 2h or 1d", DURATION_PATTERN)
_size = _written(parse_size, "a size such as 512Mi or 2Gi", SIZE_PATTERN)
_share = _written(parse_share, "a percentage such as 5% or 25%", SHARE_PATTERN)
_gate_schema = WithJsonSchema(
    {
        "type": "string",
        "examples": ["auc >= 0.7 on split.test", "brier not worse than live by 0.005 on split.test"],
    }
)

_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?(\?region=[a-z0-9-]{1,40})?")

_TABLE = re.compile(r"(delta|iceberg)://[a-z][a-z0-9]*(-[a-z0-9]+)*/[^/?#][^?#]*")
_SQL = re.compile(r"sql://[a-z][a-z0-9]*(-[a-z0-9]+)*")


def _without_endpoint(url: str) -> str:
    """Which server a bucket is asked at, and as whom, is not for a project to say: it would be sent the credentials."""
    if url.startswith("s3://") and not _S3.fullmatch(url):
        expected = "s3://BUCKET/PREFIX, `?region=` at most; AWS_ENDPOINT_URL names a server where the worker runs"
        raise problem("this is not a bucket and a prefix alone", expected)
    if url.startswith("sql://") and not _SQL.fullmatch(url):
        raise problem("this is not a connection alone", "sql://CONNECTION; `query` says what is read from it")
    if url.startswith(("delta://", "iceberg://")) and (not _TABLE.fullmatch(url) or "/../" in f"{url}/"):
        raise problem("this is not a connection and the path of a table", "delta://CONNECTION/PATH")
    return url


ModelName = Annotated[
    str, text_like(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "lower-case words joined by hyphens, such as flight-delay", 63)
]
Name = Annotated[str, text_like(r"^[A-Za-z][A-Za-z0-9_-]*$", "letters, digits, `_` and `-`, a letter first", 63)]
ParameterName = Annotated[str, text_like(r"^[A-Za-z_][A-Za-z0-9_]*$", "a Python name", 63)]
SecretName = Annotated[str, text_like(r"^[A-Z][A-Z0-9_]*$", "the name of a variable, such as DB_PASSWORD", 63)]
Function = Annotated[
    str,
    text_like(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$", "`module:function`, such as flights.training:fit"),
]
Reference = Annotated[
    str,
    text_like(r"^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)?$", "the name of a source or step, or `step.output`"),
]
Url = Annotated[
    str,
    text_like(
        r"^(package|file|s3|sql|delta|iceberg)://\S([^\x00-\x1f\x7f]*\S)?$",
        "a URL of one of the kinds that can be read, package, file, s3, sql, delta and iceberg; such as file://data/rows.csv",
        2000,
    ),
    AfterValidator(_without_endpoint),
]
Origin = Annotated[str, text_like(r"^[A-Z]{2}(-[A-Z0-9]{1,4})?$", "an ISO 3166 code such as AE or US")]
ProjectPath = Annotated[
    str,
    text_like(r"^[^/\\~.][^\\]*$|^\.[^./\\][^\\]*$", "a path inside the project, relative to its folder"),
]
NonEmpty = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Duration = Annotated[float, *_duration]
Size = Annotated[int, *_size]
Share = Annotated[float, *_share]
Gate = Annotated[GateSpec, BeforeValidator(_gate), _gate_schema]
Select = Annotated[
    SelectSpec,
    BeforeValidator(_select),
    WithJsonSchema({"type": "string", "examples": ["brier on split.validation"]}),
]
