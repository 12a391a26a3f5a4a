"""A database of somebody else, in the real PostgreSQL of the tests; import the fixtures where needed."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from falaj.build.pipeline.connections import OpenConnection
from falaj.config.connections import ConnectionSpec, DatabaseAddress

PASSWORD = "only-for-tests"


@dataclass(frozen=True)
class Warehouse:
    """A database with a user that may read, and who else writes to it."""

    server: psycopg.Connection[Any]
    connection: OpenConnection

    def run(self, statement: str) -> None:
        self.server.execute(statement)  # type: ignore[call-overload]

    def bounded(self, **limits: Any) -> OpenConnection:
        address = self.connection.spec.database
        assert address
        spec = replace(self.connection.spec, database=replace(address, **limits))
        return replace(self.connection, spec=spec)


@pytest.fixture(scope="module")
def warehouse_server(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    """Another program's connection, to a server that asks the role `reader` for its password."""
    url = postgres.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as client:
        folder = client.execute("select current_setting('data_directory')").fetchone()
        assert folder
        rules = Path(folder[0], "pg_hba.conf")
        rules.write_text("local all reader scram-sha-256\n" + rules.read_text())
        client.execute("select pg_reload_conf()")
        client.execute(f"create role reader login password '{PASSWORD}'")
        client.execute("create database dwh")
        with psycopg.connect(url.replace("/postgres?", "/dwh?"), autocommit=True) as inside:
            inside.execute("alter default privileges in schema public grant all on tables to reader")
            yield inside
        client.execute("drop database dwh with (force)")
        client.execute("drop role reader")


@contextmanager
def over_tcp(server: psycopg.Connection[Any]) -> Iterator[int]:
    """A port on loopback that leads to the server's socket, for processes that may not enter its folder."""
    path = f"{server.info.host}/.s.PGSQL.{server.info.port}"

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as behind:
                behind.connect(path)
                back = threading.Thread(target=_copy, args=(behind, self.request), daemon=True)
                back.start()
                _copy(self.request, behind)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Relay) as listener:
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield listener.server_address[1]
        listener.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def dwh(warehouse_server: psycopg.Connection[Any]) -> Iterator[Warehouse]:
    address = DatabaseAddress(warehouse_server.info.host, "dwh", "reader", tls="off")
    spec = ConnectionSpec("dwh", "postgres", "AE", secrets={"password": "DWH_PASSWORD"}, database=address)
    warehouse = Warehouse(warehouse_server, OpenConnection(spec, {"password": PASSWORD}))
    warehouse.run("create table claims (id int primary key, text text, paid numeric(10, 2), rate numeric)")
    warehouse.run("insert into claims select g, 'claim ' || g, g / 4.0, g * 1.125 from generate_series(1, 5) g")
    yield warehouse
    warehouse.run("drop table claims")
