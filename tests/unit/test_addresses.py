"""Which addresses intake may reach."""

import ipaddress
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt_text.intake import addresses
from yt_text.intake.addresses import is_allowed, parse

LOOPBACK = ip_network("127.0.0.1/32")


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8"),
        *("169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.192"),
        *("168.63.129.16", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "100::1"),
        *("2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "::7f00:1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808"),
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_a_public_address_in_an_ipv6_wrapping_is_allowed(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize("name", ["example.com", "localhost", "", "1.2.3.4.5", "8.8.8.8 x", "::g"])
def test_a_name_is_never_an_address(name: str) -> None:
    assert parse(name) is None
    assert not is_allowed(name)


@pytest.mark.parametrize(
    "spelling",
    ["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "127.0.1", "[::ffff:127.0.0.1]"],
)
def test_every_spelling_of_an_address_is_judged_alike(spelling: str) -> None:
    assert not is_allowed(spelling)
    assert is_allowed(spelling, [LOOPBACK])


def test_an_allowed_network_opens_itself_only() -> None:
    assert is_allowed("127.0.0.1", [LOOPBACK])
    assert not is_allowed("127.0.0.2", [LOOPBACK])
    assert not is_allowed("10.0.0.1", [LOOPBACK])
    assert is_allowed("fd12::7", [ip_network("fd12::/16")])
    assert not is_allowed("fd13::7", [ip_network("fd12::/16")])


def test_no_address_of_this_machine_is_allowed() -> None:
    own = [
        address.address.partition("%")[0]
        for addresses_of_one in psutil.net_if_addrs().values()
        for address in addresses_of_one
        if address.family in {socket.AF_INET, socket.AF_INET6}
    ]
    assert own
    for address in own:
        assert not is_allowed(address)
        # Also if it were a public one, which this machine may not have:
        if not ip_address(address).is_link_local:
            assert addresses._is_of_this_host(ip_address(address)), address
    assert not addresses._is_of_this_host(ip_address("8.8.8.8"))


@settings(deadline=None)
@given(st.ip_addresses())
def test_nothing_is_allowed_that_the_standard_library_calls_private(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        wrapped = isinstance(address, IPv6Address) and (address.ipv4_mapped or address in ip_network("64:ff9b::/96"))
        assert wrapped or not is_allowed(address)


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_one_in_it(address: IPv4Address) -> None:
    assert is_allowed(f"::ffff:{address}") == is_allowed(address)
    nat64 = IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | int(address))
    assert is_allowed(nat64) == is_allowed(address)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert parse(text) is None or isinstance(parse(text), IPv4Address | IPv6Address)
