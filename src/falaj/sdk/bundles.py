"""What was signed about releases."""

from __future__ import annotations

from urllib.parse import quote

from falaj.schemas import api
from falaj.schemas.evidence import ReleaseBundle
from falaj.sdk.http import Transport


class BundleCalls:
    """The calls about what was signed.

    Args:
        transport: How the server is reached.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def of(self, release: str) -> ReleaseBundle:
        """All envelopes about the release that `model@number` names, with the audit log's proof."""
        return api.decode(ReleaseBundle, self._transport.json("GET", f"/api/v1/releases/{quote(release)}/bundle"))
