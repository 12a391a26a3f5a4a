from datetime import date

import polars as pl

from flights.features import FEATURES, KEYS, LABEL
from flights.replay import questions


def test_questions_hold_the_features_alone_and_the_outcome_beside_them():
    flight = {**dict.fromkeys(KEYS + FEATURES, 1.0), "date": date(2013, 3, 9), LABEL: 1}
    table = pl.DataFrame([flight | {"date": date(2013, 3, 1)}, flight, flight])
    first, *rest = questions(table, since=date(2013, 3, 8), count=1)
    assert [*first["row"]] == FEATURES
    assert first[LABEL] == 1
    assert not rest
