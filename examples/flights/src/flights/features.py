"""From raw flights and weather to one table of what is known before a flight leaves.

The rule of this module: a feature may use only what is known at the scheduled departure. So `dep_time`,
`dep_delay`, `air_time` and everything about the arrival stay out, and the weather is the last report made
before the hour of departure (see `weather_before_departure`).
"""

import polars as pl

CATEGORIES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
FEATURES = ["hour", "weekday", *CATEGORIES, "distance", *WEATHER]
LABEL = "arrived_late"
KEYS = ["date", "time_hour", "flight", "tailnum"]  # identify a row; never given to the model
LATE_AFTER_MINUTES = 15


def prepare(flights: pl.DataFrame, weather: pl.DataFrame, months: list[int]) -> pl.DataFrame:
    """Build the labelled feature table of the given months.

    Cancelled and diverted flights have no arrival delay, hence no label, and are left out.

    Args:
        flights: One row a scheduled flight; local times of departure and `time_hour` in UTC.
        weather: One row an airport and hour.
        months: Months of 2013 to keep, 1 to 12.

    Returns:
        The columns KEYS, FEATURES and LABEL, in order of departure.
    """
    landed = flights.filter(pl.col("month").is_in(months), pl.col("arr_delay").is_not_null())
    labelled = departures(landed).with_columns(
        (pl.col("arr_delay") > LATE_AFTER_MINUTES).cast(pl.Int64).alias(LABEL)
    )
    joined = labelled.join(weather_before_departure(weather), on=["origin", "time_hour"], how="left")
    return joined.select(*KEYS, *FEATURES, LABEL).sort("time_hour", "origin", "carrier", "flight")


def departures(flights: pl.DataFrame) -> pl.DataFrame:
    """Add the calendar of the scheduled departure; numbers become floats so that any may be missing."""
    date = pl.date("year", "month", "day")
    return flights.with_columns(
        date.alias("date"),
        date.dt.weekday().cast(pl.Float64).alias("weekday"),  # Monday is 1
        pl.col("hour", "distance").cast(pl.Float64),
        utc("time_hour"),
    )


def weather_before_departure(weather: pl.DataFrame) -> pl.DataFrame:
    """Give each hour the weather report of the hour before.

    A report labelled 17:00 is usually made at 17:51, after most flights of that hour have left, and its rain
    is the sum up to then. A flight scheduled at 17:05 can know only the report labelled 16:00.
    """
    return weather.select(
        "origin",
        utc("time_hour") + pl.duration(hours=1),
        *[pl.col(name).cast(pl.Float64) for name in WEATHER],
    )


def split(table: pl.DataFrame, test_every: int) -> dict[str, pl.DataFrame]:
    """Split by whole days, because flights of one day share its weather and its queues.

    Args:
        table: What `prepare` returns.
        test_every: Days of January and February whose number in the year is a multiple of this are the test.

    Returns:
        `train` and `test` from January and February; `acceptance`, the first week of March.
    """
    date = pl.col("date")
    winter = table.filter(date.dt.month() <= 2)
    held_out = date.dt.ordinal_day() % test_every == 0
    return {
        "train": winter.filter(~held_out),
        "test": winter.filter(held_out),
        "acceptance": table.filter(date.dt.month() == 3, date.dt.day() <= 7),
    }


def utc(column: str) -> pl.Expr:
    """Read a column of text such as `2013-01-01T10:00:00Z`."""
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ")
