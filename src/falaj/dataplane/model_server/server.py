"""One replica from start to end: socket, model, warm-up, readiness, and an end that loses no request."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from falaj.core.errors import FalajError, UnavailableError
from falaj.core.sandbox import confine
from falaj.dataplane.model_server.app import ModelServer
from falaj.dataplane.model_server.feedback import Feedback
from falaj.dataplane.model_server.metrics import Metrics
from falaj.dataplane.model_server.predictor import Answered, Predictor
from falaj.dataplane.model_server.recalibration import LOOK_S, ServedRecalibration
from falaj.dataplane.model_server.recording import Recorder
from falaj.dataplane.model_server.settings import ServerSettings
from falaj.dataplane.prediction_log import LABELS, LogWriter, SegmentHeader
from falaj.models.backends import Backend, open_backend
from falaj.models.errors import ModelError
from falaj.models.model_folder import ModelFolder, read_model_folder
from falaj.models.signature import ModelFeature
from falaj.models.tables import Array, Rows

_QUIET_S = 0.25


class SocketInUseError(UnavailableError):
    """Another server answers on the socket."""

    code = "serving.socket-in-use"


def serve(settings: ServerSettings) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: How to serve.

    Returns:
        The process's exit status: 0 after an orderly end, else that of the error, which is printed.
    """
    try:
        asyncio.run(_serve(settings))
    except FalajError as error:
        print(f"{error.code}: {error}", file=sys.stderr, flush=True)  # noqa: T201 (the process's log)
        return error.exit_code
    return 0


async def _serve(settings: ServerSettings) -> None:
    folder = read_model_folder(settings.model)
    metrics = Metrics(settings.release, settings.endpoint)
    warmed: dict[str, Array] = {}
    recalibration = _recalibration(settings)
    predictor = Predictor(
        lambda: _load(folder, settings.threads, warmed),
        folder.signature,
        settings.limits,
        record=_recorder(settings, folder, metrics),
        observe=metrics.computed,
        recalibration=recalibration,
    )
    feedback = _feedback(settings, metrics)
    app = ModelServer(settings, folder.signature, predictor, metrics, feedback, recalibration)
    if settings.socket:
        _claim(settings.socket)
    server = _bound(app, settings)
    _confine(settings)
    if recalibration is not None:
        recalibration.look()
    listening = asyncio.create_task(server.serve())
    loading = predictor.start(asyncio.get_running_loop())
    watching = [asyncio.create_task(each) for each in (app.watch_deadlines(), _follow(recalibration))]
    stop = _stop_event()
    try:
        backend = await _first(loading, listening, stop)
        if backend is not None:
            app.ready(backend, warmed, folder.answer)
            print(f"ready: {settings.release} with {backend.platform} on {settings.place}", flush=True)  # noqa: T201
            await asyncio.wait([asyncio.create_task(stop.wait()), listening], return_when="FIRST_COMPLETED")
        await _drain(app, settings.grace_s)
    finally:
        for task in watching:
            task.cancel()
        server.stop()
        await listening
        predictor.stop()
        if feedback is not None:
            feedback.stop()


def _bound(app: ModelServer, settings: ServerSettings) -> Any:
    """A server whose socket is there: made before the process gives up the right to make any."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    class Bound(Server):  # type: ignore[misc]
        def _init_shared_socket(self) -> None:
            """It was bound when it was made."""

        async def shutdown(self, exit_code: int = 0) -> None:
            """Stop, and leave the socket to who made its folder: this process has no right to remove it."""
            self.bind_uds = None
            await super().shutdown(exit_code)

    options = {"interface": Interfaces.RSGI, "websockets": False, "backlog": 1024, "log_enabled": False}
    if settings.socket:
        server = Bound(app, uds=settings.socket, **options)
        Server._init_shared_socket(server)
        return server
    server = Bound(app, *settings.listen, **options)
    try:
        Server._init_shared_socket(server)
        server._shd, server._ssp = server._ssp.build(), None  # else it would be opened when none may be opened any more
    except OSError as error:
        raise SocketInUseError(f"the port cannot be used: {error}", where=settings.place) from error
    return server


async def _follow(recalibration: ServedRecalibration | None) -> None:
    """Look at the file of recalibration until cancelled."""
    while recalibration is not None:
        await asyncio.sleep(LOOK_S)
        recalibration.look()


def _recalibration(settings: ServerSettings) -> ServedRecalibration | None:
    if settings.recalibration is None:
        return None
    return ServedRecalibration(
        settings.recalibration, settings.recalibration_key, settings.endpoint, settings.release, time.time
    )


async def _first(
    loading: asyncio.Future[Backend], listening: asyncio.Task[None], stop: asyncio.Event
) -> Backend | None:
    """The loaded model, or None when the end came first; raises what stopped the load or the listener."""
    stopping = asyncio.create_task(stop.wait())
    waited: list[asyncio.Future[Any]] = [loading, listening, stopping]
    await asyncio.wait(waited, return_when="FIRST_COMPLETED")
    if loading.done():
        return loading.result()
    if listening.done():
        listening.result()
        raise ModelError("the HTTP listener ended")
    return None


async def _drain(app: ModelServer, grace_s: float) -> None:
    """Say not ready, ask connections to close with their next answer, and wait until nothing is in flight.

    A request may be on its way through the socket when the signal comes, so the quiet must last for a moment.
    """
    app.draining = True
    until = quiet_since = time.monotonic()
    until += grace_s
    while (now := time.monotonic()) < until and now - quiet_since < _QUIET_S:
        await asyncio.sleep(0.01)
        quiet_since = time.monotonic() if app.in_flight else quiet_since


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _recorder(settings: ServerSettings, folder: ModelFolder, metrics: Metrics) -> Callable[[Sequence[Answered]], None]:
    if settings.log is None:
        return lambda _answered: None
    header = SegmentHeader(settings.release, settings.endpoint, folder.signature.names, 0)
    return Recorder(LogWriter(settings.log, header, time.time_ns, key=settings.log_key), metrics)


def _feedback(settings: ServerSettings, metrics: Metrics) -> Feedback | None:
    if settings.log is None:
        return None
    header = SegmentHeader(settings.release, settings.endpoint, (), 0, kind=LABELS)
    log, key = settings.log, settings.log_key
    return Feedback(lambda: LogWriter(log, header, time.time_ns, key=key, synced=True), metrics, time.time_ns)


def _claim(path: Path) -> None:
    """Remove the socket that a killed server left; refuse one that answers. Sockets are for the owner only."""
    os.umask(0o077)
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise SocketInUseError(f"the socket cannot be used: {error}", where=str(path)) from error
    raise SocketInUseError("another server answers on the socket", where=str(path))


def _confine(settings: ServerSettings) -> None:
    """From here on code that a model brings reads its folder, writes its log, and reaches nothing else.

    Before the model is loaded and before there are threads; after the socket was made, which it cannot do any more.
    """
    os.chdir("/")  # nothing of whoever started it
    writable = [settings.log] if settings.log else []
    for folder in writable:
        folder.mkdir(parents=True, exist_ok=True)
    readable = [settings.model]
    if settings.recalibration is not None and settings.recalibration.parent.is_dir():
        readable.append(settings.recalibration.parent)
    confinement = confine(readable=readable, writable=writable)
    print(confinement, flush=True)  # noqa: T201 (the process's log)


def _load(folder: ModelFolder, threads: int, warmed: dict[str, Any]) -> Backend:
    """Load the model and run its example (or rows of zeros) through it, once alone and once as a batch."""
    backend = open_backend(folder, threads)
    for count in (1, 32):
        try:
            outputs = backend.predict(_example(folder, count))
        except FalajError:
            raise
        except Exception as error:  # whatever the model's library raises
            raise ModelError(
                f"the model failed on its own example: {type(error).__name__}: {error}", where=str(folder.path)
            ) from error
        warmed.update(outputs)
    return backend


def _example(folder: ModelFolder, count: int) -> list[Array]:
    if folder.example:
        rows = [folder.example[index % len(folder.example)] for index in range(count)]
        return Rows(rows).arrays(folder.signature)
    return [np.full((count, *(max(n, 1) for n in f.shape)), _blank(f), f.dtype) for f in folder.signature.features]


def _blank(feature: ModelFeature) -> str | int:
    if feature.time:
        return "1970-01-01"
    return "" if feature.kind == "string" else 0
