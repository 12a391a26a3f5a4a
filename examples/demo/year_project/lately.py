"""The year's own steps: the warehouse as it grows, and a split of its last days."""

import polars as pl


def landed(flights: pl.DataFrame) -> pl.DataFrame:
    """The table of flights that have landed, as the warehouse keeps it."""
    return flights.sort("date", "hour", maintain_order=True)


def split_lately(table: pl.DataFrame, test_every: int, judging_days: int) -> dict[str, pl.DataFrame]:
    """The last days judge a candidate; of those before, every so many-th is held out."""
    number = (table["date"].max() - pl.col("date")).dt.total_days()
    held_out = pl.col("date").dt.ordinal_day() % test_every == 0
    return {
        "train": table.filter(number >= judging_days, ~held_out),
        "test": table.filter(number >= judging_days, held_out),
        "acceptance": table.filter(number < judging_days),
    }
