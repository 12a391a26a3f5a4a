"""What the processes of one scoring tell each other: files of JSON in its folder."""

from __future__ import annotations

from typing import Literal

import msgspec

PART_ROWS = 131_072
"""Most rows of a part: what is read, scored and written at once, and what is done again after a kill."""

JOB, PLAN, PARTS, CLAIMS, OUTPUT, ERROR = (
    "job.json", "plan.json", "parts", "claims", "output.parquet", "error.json",
)  # fmt: skip
"""Names in the folder of a scoring."""


class CsvSpan(msgspec.Struct, frozen=True):
    """Whole rows of a CSV file.

    Attributes:
        start: First byte.
        end: Byte behind the last one.
        rows: How many.
    """

    start: int
    end: int
    rows: int


class CsvLayout(msgspec.Struct, frozen=True):
    """Where the rows of a CSV file lie.

    Attributes:
        header: Names of the columns.
        separator: What stands between fields.
        quoted: Whether any field has quotes.
        spans: The rows without the header.
    """

    header: tuple[str, ...]
    separator: str
    quoted: bool
    spans: tuple[CsvSpan, ...]


class AppliedRecalibration(msgspec.Struct, frozen=True):
    """By what answers are moved, as it was when the scoring began.

    Attributes:
        version: Of the release's recalibration at the location.
        offset: In log-odds, or in the unit of the answer.
        kind: What the release answers with.
        threshold: A probability from here on is the second class.
    """

    version: int
    offset: float
    kind: str
    threshold: float


class ScoringJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be scored by what. Two equal jobs give equal bytes.

    Attributes:
        input: Path of the table.
        digest: SHA-256 of its bytes in hex.
        csv: Where its rows lie; None of a Parquet file.
        model: Path of the verified model folder.
        model_digest: Digest of the release.
        release: `model@number`.
        endpoint: `environment/model`.
        keep: Columns of the input that the output repeats.
        recalibration: By what answers are moved; None for bare ones.
        sampled_rows: Most rows that the prediction log gets; 0 for none.
        metadata: What the output says of itself.
        part_rows: Most rows of a part.
    """

    input: str
    digest: str
    model: str
    model_digest: str
    release: str
    endpoint: str
    csv: CsvLayout | None = None
    keep: tuple[str, ...] = ()
    recalibration: AppliedRecalibration | None = None
    sampled_rows: int = 0
    metadata: dict[str, str] = {}
    part_rows: int = PART_ROWS


class RowBatch(msgspec.Struct, frozen=True):
    """Rows that are scored together.

    Attributes:
        number: From 0 on, in the order of the rows.
        first_row: Of the whole table, from 0 on.
        rows: How many.
        start: Of CSV, the first byte.
        end: Of CSV, the byte behind the last one.
        group: Of Parquet, the row group.
        offset: Of Parquet, the first row in the group.
    """

    number: int
    first_row: int
    rows: int
    start: int = 0
    end: int = 0
    group: int = 0
    offset: int = 0


class Plan(msgspec.Struct, frozen=True):
    """The parts of a table, and which one process does after another.

    Attributes:
        rows: Of the whole table.
        parts: In the order of the rows.
        lots: Numbers of parts that are best read by one process; the unit in which work is taken.
        sample_every: Each row whose number is a multiple of it is logged; 0 for none.
    """

    rows: int
    parts: tuple[RowBatch, ...]
    lots: tuple[tuple[int, ...], ...]
    sample_every: int = 0


class Fault(msgspec.Struct, frozen=True):
    """Why a process gave up.

    Attributes:
        kind: Which error it is.
        message: In one sentence.
        where: The place.
        hint: What to do about it.
    """

    kind: Literal["input", "disk", "model", "extra"]
    message: str
    where: str = ""
    hint: str = ""


class SampledRow(msgspec.Struct, frozen=True, array_like=True):
    """A row for the prediction log.

    Attributes:
        prediction_id: Of the row.
        features: In the order of the signature.
        outputs: As they were answered, one a row.
        bare: As the model gave them, where they were moved.
    """

    prediction_id: str
    features: tuple[bool | int | float | str | None, ...]
    outputs: dict[str, bool | int | float | str | list[float | int | str]]
    bare: dict[str, bool | int | float | str | list[float | int | str]] = {}


def part_name(number: int) -> str:
    """File of the answers of a part."""
    return f"{number:08d}.arrow"


def sample_name(number: int) -> str:
    """File of the logged rows of a part."""
    return f"{number:08d}.sample"
