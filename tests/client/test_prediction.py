"""Predictions through the SDK by a real model server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from falaj.client import Endpoint, ProblemError, ServerUnreachableError
from falaj.serving.predictionlog import find_prediction
from tests.servers import free_ports
from tests.serving.conftest import Replica, models, serve

__all__ = ["models", "serve"]


@contextmanager
def forwarded(target: Path) -> Iterator[str]:
    """A loopback port before a Unix socket, as the gateway of a location is; it takes one connection."""

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        outer, _ = listener.accept()
        with outer, socket.socket(socket.AF_UNIX) as inner:
            inner.connect(str(target))
            back = threading.Thread(target=pump, args=(inner, outer), daemon=True)
            back.start()
            pump(outer, inner)
            back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_nothing_at_the_endpoint_is_unavailable() -> None:
    with (
        Endpoint(f"http://127.0.0.1:{free_ports(1)[0]}/dev/m") as endpoint,
        pytest.raises(ServerUnreachableError, match="nothing answers") as caught,
    ):
        endpoint.predict([{"a": 1}])
    assert caught.value.exit_code == 6


@pytest.mark.e2e
def test_rows_are_predicted_over_one_connection_and_found_in_the_log(
    models: Path, serve: Callable[..., Replica]
) -> None:
    replica = serve(models / "linear")
    rows = [{"hour": 8.0, "distance": 1400.0}]
    with forwarded(replica.socket) as url, Endpoint(url) as endpoint:
        first = endpoint.predict(rows)
        with pytest.raises(ProblemError, match="colour") as caught:
            endpoint.predict([{"hour": 8.0, "distance": 1.0, "colour": "red"}])
        again = endpoint.predict(rows)
    assert (caught.value.status, caught.value.exit_code) == (400, 2)
    assert len(first.predictions) == 1 and first.predictions == again.predictions
    assert first.release == "flight-delay@7" and first.id != again.id
    found = find_prediction(replica.log, first.id)
    assert found is not None and found.rows == ((8.0, 1400.0),)
