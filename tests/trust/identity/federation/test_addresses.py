from __future__ import annotations

import pytest

from falaj.trust.identity.federation.addresses import endpoint, return_address
from falaj.trust.identity.federation.errors import ProviderError, ReturnAddressError
from falaj.trust.identity.federation.web import Web


@pytest.mark.parametrize(
    "address", ["https://login.example.org/x", "http://127.0.0.1:8000", "http://localhost:8000/a", "http://[::1]:8000"]
)
def test_a_provider_is_asked_over_tls_or_on_this_machine(address: str) -> None:
    assert endpoint(address, "keys") == address


@pytest.mark.parametrize(
    "address",
    [
        "http://login.example.org", "http://127.0.0.1.example.org", "http://10.0.0.8", "file:///etc/passwd", "ftp://h/x",
        "https://169.254.169.254/latest", "https://[fe80::1]/", "https://[::ffff:169.254.169.254]/", "https://0.0.0.0/",
        "https://u:p@login.example.org", "https://login.example.org/#x", "https:///x", "", None, 7, "https://ex\u00e4mple",
    ],
)  # fmt: skip
def test_other_addresses_are_not(address: object) -> None:
    with pytest.raises(ProviderError):
        endpoint(address, "keys")


def test_a_name_that_leads_to_the_metadata_service_is_not_asked() -> None:
    web = Web(resolver=lambda _host, _port: ["93.184.216.34", "169.254.169.254"])
    with pytest.raises(ProviderError, match=r"169\.254\.169\.254"):
        web.get("https://login.example.org/keys", "keys")


@pytest.mark.parametrize("text", ["http://127.0.0.1:4711/abc-_~", "http://[::1]:1", "/", "/login/done"])
def test_a_login_returns_to_this_machine_or_this_server(text: str) -> None:
    assert return_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/", "http://127.0.0.1.evil.example:80/", "http://127.0.0.1@evil.example:80/",
        "//evil.example",
        "/\\evil.example", "http://localhost:80/", "http://127.0.0.1/", "http://127.0.0.1:80/?a=b",
        "http://127.0.0.1:80/#a",
        "javascript:alert(1)", "", "x", "/a\r\nSet-Cookie: b", "/../x", "http://127.0.0.1:80/" + "a" * 500, "/\u2028",
    ],
)  # fmt: skip
def test_and_to_nobody_else(text: str) -> None:
    with pytest.raises(ReturnAddressError):
        return_address(text)
