"""What Prometheus scrapes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from falaj.api.metrics import collect
from falaj.api.platform import Shared
from falaj.api.route_actions import Action, action
from falaj.integrations.prometheus import CONTENT_TYPE, render

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=Response, **action(Action.READ))
def metrics(platform: Shared) -> Response:
    """Processes, endpoints, rollouts and monitors as Prometheus reads them (text format 0.0.4)."""
    with platform.database.reading() as session:
        text = render(collect(session, platform.home.root, platform.now()))
    return Response(text.encode(errors="replace"), media_type=CONTENT_TYPE)
