"""Write the model folders that the tests serve, as a project's training step would; run as a process of its own.

python make_models.py FOLDER
"""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import polars as pl
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

CATEGORIES = ["carrier", "origin", "dest"]
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]


def flights(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A table shaped like the flights example, with missing weather, and late or not."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "hour": random.integers(5, 23, rows),
            "weekday": random.integers(0, 7, rows),
            "carrier": random.choice(["UA", "AA", "B6", "DL"], rows),
            "origin": random.choice(["EWR", "JFK", "LGA"], rows),
            "dest": random.choice([f"D{index:02}" for index in range(90)], rows),
            "distance": random.integers(80, 4900, rows),
            "temp": np.round(random.normal(40, 15, rows), 2),
            "humid": np.round(random.uniform(10, 100, rows), 2),
            "wind_speed": np.round(random.gamma(3, 3, rows) * 1.15078, 5),
            "precip": np.round(random.exponential(0.01, rows), 2),
            "pressure": np.round(random.normal(1017, 8, rows), 1),
            "visib": random.choice([10.0, 9, 5, 0.25], rows),
        }
    )
    for name in WEATHER:
        table.loc[random.random(rows) < 0.05, name] = np.nan
    late = random.random(rows) < 1 / (1 + np.exp(1.5 - (table["hour"] - 14) / 5))
    return table, late.to_numpy().astype(int)


def encoded(model, *, named: bool):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, CATEGORIES), remainder="passthrough", verbose_feature_names_out=False)
    return make_pipeline(columns.set_output(transform="pandas") if named else columns, model)


def save(model, table, folder: Path, **options) -> None:
    mlflow.sklearn.save_model(
        model,
        folder,
        signature=infer_signature(table, model.predict(table)),
        input_example=table[:5],
        serialization_format="cloudpickle",
        pip_requirements=[],
        **options,
    )


def main(folder: Path) -> None:
    table, late = flights(1500, 0)
    boosting = {"max_iter": 15, "random_state": 0}
    flight_delay = encoded(HistGradientBoostingClassifier(categorical_features=CATEGORIES, **boosting), named=True).fit(
        table, late
    )
    save(flight_delay, table, folder / "flights")
    three = encoded(HistGradientBoostingClassifier(**boosting), named=False).fit(
        table, np.array(["early", "ok", "late"])[late + (table["hour"] > 18)]
    )
    save(three, table, folder / "three-classes", pyfunc_predict_fn="predict_proba")
    numbers = table[["hour", "distance"]].astype(float)
    save(
        HistGradientBoostingRegressor(loss="poisson", **boosting).fit(numbers, table["distance"] / 100),
        numbers,
        folder / "poisson",
    )
    save(make_pipeline(StandardScaler(), LogisticRegression()).fit(numbers, late), numbers, folder / "linear")
    matrix = numbers.to_numpy()
    save(LogisticRegression().fit(matrix, late), matrix, folder / "tensor")
    # The conversion of this metric computes distances in single precision and decides ties differently.
    far = numbers * 1e6 + 1e12
    save(KNeighborsClassifier(3).fit(far, late), far, folder / "imprecise")
    held_out, _ = flights(400, 1)
    columns = {name: [None if v != v else v for v in held_out[name].tolist()] for name in held_out}
    pl.DataFrame(columns).write_parquet(folder / "held-out.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
