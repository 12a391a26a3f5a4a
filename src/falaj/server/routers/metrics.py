"""What Prometheus scrapes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from falaj.integrations.prometheus import CONTENT_TYPE, render
from falaj.server.actions import Action, action
from falaj.server.metrics import collect
from falaj.server.platform import Shared

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=Response, **action(Action.READ))
def metrics(platform: Shared) -> Response:
    """Processes, endpoints, rollouts and monitors as Prometheus reads them (text format 0.0.4)."""
    with platform.database.reading() as session:
        text = render(collect(session, platform.home.root, platform.now()))
    return Response(text.encode(errors="replace"), media_type=CONTENT_TYPE)
