from datetime import date, datetime

import polars as pl
import pytest

from flights.features import FEATURES, LABEL, prepare, split, weather_before_departure


@pytest.fixture
def flights() -> pl.DataFrame:
    """Two flights that landed, 40 and 15 minutes late, and one that was cancelled."""
    return pl.DataFrame(
        {
            "year": [2013] * 3, "month": [1] * 3, "day": [1, 1, 2], "hour": [17, 17, 9],
            "arr_delay": [40, 15, None], "carrier": ["AA", "UA", "UA"], "origin": ["JFK", "EWR", "EWR"],
            "dest": ["MIA", "IAH", "IAH"], "distance": [1089, 1400, 1400], "flight": [1, 2, 3],
            "tailnum": ["N1", "N2", None],
            "time_hour": ["2013-01-01T22:00:00Z", "2013-01-01T22:00:00Z", "2013-01-02T14:00:00Z"],
        }
    )  # fmt: skip


@pytest.fixture
def weather() -> pl.DataFrame:
    """JFK at 21 and 22 hours UTC; nothing from Newark."""
    return pl.DataFrame(
        {
            "origin": ["JFK", "JFK"], "time_hour": ["2013-01-01T21:00:00Z", "2013-01-01T22:00:00Z"],
            "temp": [30.0, 10.0], "humid": [50.0, 51.0], "wind_dir": [180, 190], "wind_speed": [5.0, 6.0],
            "precip": [0.0, 1.0], "pressure": [1012.0, 1000.0], "visib": [10.0, 0.5],
        }
    )  # fmt: skip


def test_label_is_more_than_15_minutes_late_and_cancelled_flights_have_none(flights, weather):
    table = prepare(flights, weather, months=[1])
    assert dict(zip(table["flight"], table[LABEL], strict=True)) == {1: 1, 2: 0}


def test_weather_is_the_report_finished_before_the_hour_of_departure(flights, weather):
    table = prepare(flights, weather, months=[1])
    assert table.filter(flight=1)["temp"].item() == 30.0


def test_a_flight_without_weather_is_kept(flights, weather):
    table = prepare(flights, weather, months=[1])
    assert table.filter(flight=2)["temp"].item() is None


def test_each_report_is_used_one_hour_later(weather):
    shifted = weather_before_departure(weather)
    assert shifted["time_hour"].to_list() == [datetime(2013, 1, 1, 22), datetime(2013, 1, 1, 23)]


@pytest.mark.parametrize("known_later", ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", LABEL])
def test_nothing_known_after_departure_is_a_feature(known_later):
    assert known_later not in FEATURES


def test_months_are_a_filter(flights, weather):
    assert prepare(flights, weather, months=[2]).is_empty()


def test_split_keeps_days_whole_and_apart():
    days = pl.date_range(date(2013, 1, 1), date(2013, 3, 31), eager=True)
    table = pl.DataFrame({"date": days.extend(days)})
    parts = {name: set(part["date"]) for name, part in split(table, test_every=4).items()}
    assert parts["train"] | parts["test"] == {day for day in days if day.month <= 2}
    assert not parts["train"] & parts["test"]
    assert parts["acceptance"] == {date(2013, 3, day) for day in range(1, 8)}
