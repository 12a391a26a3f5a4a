"""What `falaj open` opens, and what `falaj approve --expect` refuses."""

from __future__ import annotations

import pytest

from falaj.cli.approval_digest import digest_of_approval, require_expected
from falaj.cli.ui_address import page_of
from falaj.core.errors import ConflictError, UsageError

APPROVAL = {"change": "c1", "release": "a@7", "environment": "prod", "approved_at": 10.0, "expires_at": 99.5}


@pytest.mark.parametrize(
    ("thing", "path"),
    [
        ("", "/"),
        ("0gq8spp3pavb", "/runs/0gq8spp3pavb"),
        ("flight-delay", "/models/flight-delay"),
        ("flight-delay@7", "/models/flight-delay/releases/7"),
        ("prod/flight-delay", "/endpoints/prod/flight-delay"),
        ("change/0gq8spp3pavb", "/changes/0gq8spp3pavb"),
        ("changes", "/changes"),
        ("alerts/a b", "/alerts/a%20b"),
    ],
)
def test_things_are_opened_by_the_names_that_commands_give_them(thing: str, path: str) -> None:
    assert page_of(thing) == path


@pytest.mark.parametrize("thing", ["//evil.example.org", "https://evil.example.org/x/y", "a b", "../x", "javascript:1"])
def test_what_has_no_page_is_not_opened(thing: str) -> None:
    with pytest.raises(UsageError, match="no page"):
        page_of(thing)


def test_an_approval_that_is_the_same_but_for_its_moment_is_signed() -> None:
    require_expected({**APPROVAL, "approved_at": 11.0}, f"SHA256:{digest_of_approval(APPROVAL).upper()}")


def test_another_approval_than_was_seen_is_refused() -> None:
    with pytest.raises(ConflictError, match="nothing was signed"):
        require_expected({**APPROVAL, "environment": "dev"}, digest_of_approval(APPROVAL))
    with pytest.raises(UsageError, match="not a SHA-256"):
        require_expected(APPROVAL, "abc")
