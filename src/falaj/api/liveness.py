"""Whether the server answers and reaches its database, told without waiting for anybody else's request.

Every other route takes a thread of a pool that long requests may have taken all of. This one is answered in the event
loop.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from falaj import __version__
from falaj.api.database_probe import SilentDatabaseError
from falaj.api.platform import Platform
from falaj.api.problems import problem_of
from falaj.schemas import api

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/api/v1/health"


class Liveness:
    """Answers for `/health` before the application is asked.

    Args:
        app: What answers the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        platform: Platform = scope["app"].state.platform
        try:
            await platform.database_probe.require_answer()
        except SilentDatabaseError as error:
            await problem_of(error)(scope, receive, send)
        else:
            await JSONResponse(asdict(healthy(platform)))(scope, receive, send)


def healthy(platform: Platform) -> api.Health:
    """What is told of an installation that answers."""
    kind = "s3" if platform.home.store_url.startswith("s3:") else "folder"
    return api.Health("ok", __version__, platform.database.engine.dialect.name, kind)
