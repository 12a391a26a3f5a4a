"""How fast files are scored, and in how much memory, beside a bare loop of the library and `mlflow models predict`.

    python benchmarks/scoring/files.py [--rows 1000000] [--mlflow-rows 100000] [--rounds 5] [--json FILE] [--large ROWS]

A pipeline of scikit-learn (three text columns encoded, nine numbers, 100 trees) scores the same file in turn
by Falaj as the estimator and as its conversion to ONNX, by a loop over the same batches that reads and writes the same
files and uses all cores, and by MLflow, which reads CSV alone. Ways take turns within a round and each round gives one
ratio; the median is given with its 95% interval by order statistics (of fewer than six rounds: all that were seen).
Memory is the largest sum over all processes of a way, each shared page counted once (PSS). `--large` scores one file of
so many rows by Falaj alone, for its memory. On a machine with other work the ratio of rows in a second of the processor
says more than that of rows in a second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIMIT_BYTES = 1 << 30


@dataclass(frozen=True)
class Cost:
    """What one way took: seconds, those of the processor, and the most bytes that its processes had together."""

    seconds: float
    processor_s: float
    peak_bytes: int


def measured(command: list[str], environ: dict[str, str]) -> Cost:
    """Run a way to its end, and look at its memory meanwhile."""
    began, before = time.perf_counter(), os.times()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = [0]
    watching = threading.Thread(target=_watch, args=(process, peak))
    watching.start()
    _, written = process.communicate()
    seconds, after = time.perf_counter() - began, os.times()
    watching.join()
    if process.returncode:
        raise SystemExit(f"{command[1]} failed: {written.decode()[-2000:]}")
    return Cost(seconds, sum(after[2:4]) - sum(before[2:4]), peak[0])


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], sum(_pss_bytes(pid) for pid in _family(process.pid)))
        time.sleep(0.1)


def _family(ancestor: int) -> Iterator[int]:
    parents = {int(name): _parent(name) for name in os.listdir("/proc") if name.isdigit()}  # noqa: PTH208 - names are what is wanted
    family = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    yield from family


def _parent(pid: str) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    return int(text[text.rindex(b")") + 2 :].split()[1])


def _pss_bytes(pid: int) -> int:
    """Launchers hide their memory from others; they are a few pages."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and an interval that holds it with 95% where there are enough values."""
    ordered, count = sorted(values), len(values)
    reach = 1.96 * math.sqrt(count) / 2
    low, high = max(0, math.floor(count / 2 - reach)), min(count - 1, math.ceil(count / 2 + reach))
    return ordered[count // 2], ordered[low], ordered[high]


def make_model(folder: Path) -> None:
    """The estimator, and two packaged copies: as it is, and converted."""
    import mlflow.sklearn
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    from falaj.build.packaging import package_model

    table = pd.DataFrame(columns_of(20_000, 0))
    random = np.random.default_rng(1)
    label = (table["hour"] + table["wind_speed"] + random.normal(0, 6, len(table)) > 22).astype(int)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, ["carrier", "origin", "dest"]), remainder="passthrough")
    model = make_pipeline(columns, HistGradientBoostingClassifier(max_iter=100, random_state=0)).fit(table, label)
    mlflow.sklearn.save_model(
        model, folder / "estimator", signature=infer_signature(table, model.predict(table)), input_example=table[:5],
        serialization_format="cloudpickle", pip_requirements=[],
    )  # fmt: skip
    table[:5000].to_parquet(folder / "rows.parquet")
    result = package_model(
        folder / "estimator", folder / "onnx", python=Path(sys.executable), table=folder / "rows.parquet"
    )
    if result.flavor != "onnx":
        raise SystemExit(result.reason)


def columns_of(rows: int, seed: int) -> dict[str, object]:
    """A table shaped like the flights example."""
    import numpy as np

    random = np.random.default_rng(seed)
    texts = {"carrier": ["UA", "AA", "B6", "DL"], "origin": ["EWR", "JFK", "LGA"]}
    texts["dest"] = [f"D{index:02}" for index in range(90)]
    return {
        **{
            name: np.array(values, dtype=object)[random.integers(0, len(values), rows)]
            for name, values in texts.items()
        },
        "hour": random.integers(5, 23, rows),
        "weekday": random.integers(0, 7, rows),
        "distance": random.integers(80, 4900, rows),
        "temp": np.round(random.normal(40, 15, rows), 2),
        "humid": np.round(random.uniform(10, 100, rows), 2),
        "wind_speed": np.round(random.gamma(3, 3, rows), 5),
        "precip": np.round(random.exponential(0.01, rows), 2),
        "pressure": np.round(random.normal(1017, 8, rows), 1),
        "visib": random.choice([10.0, 9, 5, 0.25], rows),
    }


def make_table(path: Path, rows: int) -> Path:
    """A Parquet or CSV file of so many rows, row groups of half a million."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    writer, remaining_rows, seed = None, rows, 100
    while remaining_rows:
        table = pa.table(columns_of(min(remaining_rows, 500_000), seed))
        make = pa.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
        writer = writer or make(path, table.schema)
        writer.write_table(table)
        remaining_rows, seed = remaining_rows - table.num_rows, seed + 1
    writer.close()
    return path


def ways(folder: Path, processes: int) -> dict[str, Callable[[Path, Path], list[str]]]:
    """Command line of each way, of input and output."""
    python = sys.executable
    own = str(HERE / "own.py")
    return {
        "bare loop": lambda source, target: [python, str(HERE / "bare.py"), str(folder / "estimator"), str(source),
                                             str(target)],
        "falaj, estimator": lambda source, target: [python, own, str(folder / "estimator"), str(source), str(target),
                                                    str(processes)],
        "falaj, onnx": lambda source, target: [python, own, str(folder / "onnx"), str(source), str(target),
                                               str(processes)],
        "mlflow": lambda source, target: [python, "-m", "mlflow", "models", "predict", "-m", str(folder / "estimator"),
                                          "-i", str(source), "-o", str(target), "-t", "csv", "--env-manager", "local"],
    }  # fmt: skip


def compare(names: list[str], source: Path, folder: Path, rounds: int, rows: int) -> list[dict[str, object]]:
    """The ratios of ways to the first of them, in rows a second."""
    commands = ways(folder, os.cpu_count() or 1)
    environ = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            target = folder / "out.parquet"
            costs[name].append(measured(commands[name](source, target), environ))
            target.unlink()
    return [_figures(name, costs, source, rows) for name in names]


def _figures(name: str, costs: dict[str, list[Cost]], source: Path, rows: int) -> dict[str, object]:
    base = next(iter(costs.values()))
    pairs = [*zip(costs[name], base, strict=True)]
    ratio, low, high = interval([other.seconds / own.seconds for own, other in pairs])
    work, least, most = interval([other.processor_s / own.processor_s for own, other in pairs])
    figures = {
        "way": name, "input": source.suffix[1:], "rows": rows, "rounds": len(base),
        "rows_a_second": round(rows / interval([each.seconds for each in costs[name]])[0]),
        "ratio": round(ratio, 3), "interval": [round(low, 3), round(high, 3)],
        "processor_ratio": round(work, 3), "processor_interval": [round(least, 3), round(most, 3)],
        "peak_mb": round(max(each.peak_bytes for each in costs[name]) / 1e6),
    }  # fmt: skip
    print(f"{name} ({figures['input']}, {rows} rows): {figures['rows_a_second']} rows/s, {ratio:.2f} of the first way "
          f"[{low:.2f}, {high:.2f}], a second of the processor {work:.2f} [{least:.2f}, {most:.2f}], "
          f"{figures['peak_mb']} MB", flush=True)  # fmt: skip
    return figures


def large(rows: int, folder: Path) -> dict[str, object]:
    """Time and memory of one large file, by the conversion."""
    source, target = make_table(folder / "large.parquet", rows), folder / "out.parquet"
    command = ways(folder, os.cpu_count() or 1)["falaj, onnx"](source, target)
    cost = measured(command, dict(os.environ))
    share = cost.peak_bytes / LIMIT_BYTES
    print(f"{rows} rows: {rows / cost.seconds:.0f} rows/s, {cost.peak_bytes / 1e6:.0f} MB, {share:.2f} of 1 GiB")
    return {"way": "falaj, onnx", "input": "parquet", "rows": rows, "rows_a_second": round(rows / cost.seconds),
            "peak_mb": round(cost.peak_bytes / 1e6), "share_of_limit": round(share, 3)}  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--mlflow-rows", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--large", type=int, default=0)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    own = ["bare loop", "falaj, estimator", "falaj, onnx"]
    with tempfile.TemporaryDirectory() as folder_name:
        folder, measurements = Path(folder_name), []
        make_model(folder)
        for kind in ("parquet", "csv"):
            if chosen.rows:
                source = make_table(folder / f"rows.{kind}", chosen.rows)
                measurements += compare(own, source, folder, chosen.rounds, chosen.rows)
        if chosen.mlflow_rows:
            source = make_table(folder / "small.csv", chosen.mlflow_rows)
            measurements += compare(["mlflow", *own], source, folder, chosen.rounds, chosen.mlflow_rows)
        if chosen.large:
            measurements.append(large(chosen.large, folder))
    if chosen.json:
        chosen.json.write_text(json.dumps(measurements, indent=1) + "\n")


if __name__ == "__main__":
    main()
