"""How an endpoint is reached from here: by which address, with which authority, and with a token of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from falaj.core.errors import NotFoundError
from falaj.core.home import Home
from falaj.schemas import api
from falaj.sdk.client import Client

OWN_LOCATION = "local"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Reached:
    """An endpoint, from here.

    Args:
        url: Its base URL.
        token: What makes a token; empty where the installation is not on this machine.
        cacert: The installation's authority; None where it is not on this machine.
    """

    url: str
    token: str | Callable[[], str] = ""
    cacert: Path | None = None


def reach(name: str, home: Home | None = None) -> Reached:
    """Find an endpoint.

    Args:
        name: `environment/model`.
        home: The installation; by default what `FALAJ_HOME` names.

    Raises:
        NotFoundError: Nothing serves under that name, or not where this machine could reach it.
        ServerUnreachableError: The server does not answer.
    """
    chosen = home or Home.from_environment()
    endpoint_info = Client.from_home(chosen).endpoint(name)
    here = not chosen.settings.get("FALAJ_SERVER")
    url = _url(endpoint_info, here=here) if endpoint_info is not None else ""
    if not url:
        raise NotFoundError(f"no endpoint '{name}' serves now", hint="falaj endpoint list lists them")
    if not here:
        return Reached(url)
    return Reached(url, partial(own_token, name, chosen), _authority(chosen) if url.startswith("https:") else None)


def _url(endpoint_info: api.Endpoint, *, here: bool) -> str:
    """On the machine itself by the loopback interface; a location elsewhere is another machine."""
    local = here and endpoint_info.location == OWN_LOCATION
    return (endpoint_info.url if local else endpoint_info.door or endpoint_info.url) or ""


def own_token(endpoint: str, home: Home | None = None) -> str:
    """A token for an endpoint of an installation whose keys are on this machine; empty where they are not.

    Args:
        endpoint: `environment/model`.
        home: The installation; by default what `FALAJ_HOME` names.
    """
    from falaj.trust.pki.caller_tokens import FILE, open_caller_key

    keys = (home or Home.from_environment()).keys
    return open_caller_key(keys).own_token(endpoint, time.time()) if (keys / FILE).exists() else ""


def _authority(home: Home) -> Path | None:
    """The certificate of the installation's authority, written beside its key for those who check with it."""
    from falaj.supply_chain.certificates.authority import open_authority

    path = home.root / "authority.crt"
    text = open_authority(home.keys, time.time).pem
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path
