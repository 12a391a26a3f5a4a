"""The application, and the process that serves it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import FrameType

import uvicorn
from fastapi import Depends, FastAPI

from falaj import __version__
from falaj.api import problems
from falaj.api.authorization import gate
from falaj.api.body_limit import BodyLimit
from falaj.api.caller_provider import provider_followed
from falaj.api.connections import options, raise_file_limit
from falaj.api.controller import Controller
from falaj.api.liveness import Liveness
from falaj.api.mutual_tls import agents_let_in
from falaj.api.notifier import Notifier
from falaj.api.openapi import document
from falaj.api.platform import Platform
from falaj.api.route_actions import require_actions
from falaj.api.routers import (
    accounts,
    audit,
    auth,
    callers,
    changes,
    credentials,
    evidence,
    executors,
    federation,
    gates,
    keys,
    lineage,
    locations,
    metrics,
    monitoring,
    notifications,
    pages,
    policy,
    predictions,
    privacy,
    projects,
    releases,
    rollouts,
    runs,
    scorings,
    settings,
    system,
    trainings,
    workloads,
)
from falaj.api.tls_listener import open_door
from falaj.api.tracing import traced
from falaj.api.user_interface import UserInterface
from falaj.core.errors import UnavailableError
from falaj.core.home import Home
from falaj.storage import Database
from falaj.storage.facts import open_fact_store
from falaj.storage.sealed import examine
from falaj.trust.identity import offer_setup
from falaj.trust.secrets import synchronise


def create_app(platform: Platform, *, controllers: bool = True) -> FastAPI:
    """The API of one installation.

    Args:
        platform: Its parts; the database must be migrated.
        controllers: False serves requests only, as in tests of routes.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        controller, notifier = Controller(platform, f"server:{os.getpid()}"), Notifier(platform)
        if controllers:
            controller.start()
            notifier.start()
        yield
        if controllers:
            controller.stop()
            notifier.stop()

    app = FastAPI(
        title="Falaj",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # the stock page loads its scripts from elsewhere
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        dependencies=[Depends(gate)],
    )
    app.state.platform = platform
    app.add_middleware(BodyLimit)
    app.add_middleware(UserInterface)
    app.add_middleware(Liveness)
    problems.install(app)
    for router in (
        runs.router,
        projects.router,
        releases.router,
        changes.router,
        rollouts.router,
        callers.router,
        gates.router,
        audit.router,
        lineage.router,
        evidence.router,
        locations.router,
        executors.router,
        monitoring.router,
        workloads.router,
        trainings.router,
        settings.router,
        policy.router,
        predictions.router,
        scorings.router,
        privacy.router,
        keys.router,
        notifications.router,
        auth.router,
        credentials.router,
        federation.router,
        pages.router,
        accounts.router,
        accounts.services,
        system.router,
        metrics.router,
    ):
        app.include_router(router)
    require_actions(app)
    app.openapi = partial(document, app)  # type: ignore[method-assign]
    return app


def serve(home: Home, port: int) -> None:
    """Serve the API on loopback until SIGTERM.

    Raises:
        UnavailableError: The port is taken (`server.port-in-use`).
    """
    _refuse_taken_port(port)
    database = Database(home.prepare().database_url, open_fact_store(home.root, home.keys))
    database.migrate()
    with database.reading() as session:
        examine(session)  # what was committed before the last process died is recorded before anybody is served
    platform = Platform(home, database)
    synchronise(database, platform.keys)
    offer_setup(database, home.root, f"http://127.0.0.1:{port}", platform.now())
    app = create_app(platform)
    raise_file_limit()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, **options())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides; a Ctrl-C reaches the whole group
    followed = provider_followed(platform.caller_provider, platform.now)
    with agents_let_in(platform, app), open_door(platform, app), followed, traced(platform):
        _PromptServer(config, platform).run()
    database.close()


class _PromptServer(uvicorn.Server):
    """A server that ends at once: whoever waits for news, as agents do all the time, is answered without."""

    def __init__(self, config: uvicorn.Config, platform: Platform) -> None:
        super().__init__(config)
        self._platform = platform

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._platform.stopping.set()
        super().handle_exit(sig, frame)


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UnavailableError(
                f"port {port} is in use by another program",
                hint="falaj up --port chooses another one",
                code="server.port-in-use",
            ) from error
