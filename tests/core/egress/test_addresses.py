from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falaj.core.egress import EgressRules, ForbiddenAddressError

PUBLIC = ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]
PRIVATE = ["127.0.0.1", "127.9.9.9", "10.0.0.5", "172.16.3.4", "192.168.1.1", "100.64.0.1", "::1", "fd12::1"]
NOWHERE = [
    "169.254.169.254", "fe80::1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "100.100.100.200",
    "168.63.129.16", "fd00:ec2::254",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address: str) -> None:
    assert EgressRules(any_private=False).require("h.example", [address]) == (address,)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_for_who_asks_for_them(address: str) -> None:
    with pytest.raises(ForbiddenAddressError, match="allow_private"):
        EgressRules(any_private=False).require("h.example", [address])
    assert EgressRules(any_private=True).require("h.example", [address]) == (address,)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", NOWHERE)
def test_where_no_receiver_is_nothing_is_sent(address: str, allow_private: bool) -> None:
    with pytest.raises(ForbiddenAddressError):
        EgressRules(any_private=allow_private).require("h.example", [address])


@pytest.mark.parametrize("bad", ["10.0.0.5", "169.254.169.254", "::ffff:127.0.0.1"])
def test_one_bad_address_refuses_the_name(bad: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        EgressRules(any_private=False).require("h.example", [*PUBLIC, bad])


@pytest.mark.parametrize(
    ("rules", "host", "address", "expected"),
    [
        (EgressRules(loopback=True), "localhost", "127.0.0.1", True),
        (EgressRules(loopback=True), "h.example", "10.0.0.5", False),
        (EgressRules(("git.example",)), "Git.Example", "10.0.0.5", True),
        (EgressRules(("git.example",)), "h.example", "10.0.0.5", False),
        (EgressRules(("git.example",)), "git.example", "169.254.169.254", False),
        (EgressRules(("10.0.0.0/24",)), "h.example", "10.0.0.5", True),
        (EgressRules(("10.0.0.0/24",)), "h.example", "::ffff:10.0.0.5", True),
        (EgressRules(("10.0.0.0/24",)), "h.example", "10.0.1.5", False),
        (EgressRules(("fd12::/16",)), "h.example", "fd12::1", True),
        (EgressRules(("0.0.0.0/0",)), "h.example", "169.254.169.254", False),
    ],
)
def test_what_the_platform_file_names_may_be_private(
    rules: EgressRules, host: str, address: str, expected: bool
) -> None:
    if expected:
        assert rules.require(host, [address]) == (address,)
    else:
        with pytest.raises(ForbiddenAddressError):
            rules.require(host, [address])


def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(ForbiddenAddressError):
        EgressRules(any_private=True).require("h.example", [])


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "64:ff9b::", "::"]), st.booleans())
def test_an_ipv4_address_in_another_form_is_judged_as_itself(
    inner: ipaddress.IPv4Address, prefix: str, allow_private: bool
) -> None:
    if int(inner) <= 1:
        return
    outer = ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(inner))
    assert _refused(str(outer), allow_private) == _refused(str(inner), allow_private)


@given(st.ip_addresses(v=4).filter(lambda each: not each.is_global))
def test_6to4_of_an_address_that_is_not_public_is_refused(inner: ipaddress.IPv4Address) -> None:
    assert _refused(str(ipaddress.IPv6Address((0x2002 << 112) | (int(inner) << 80))), allow_private=False)


def _refused(address: str, allow_private: bool) -> bool:
    try:
        EgressRules(any_private=allow_private).require("h.example", [address])
    except ForbiddenAddressError:
        return True
    return False
