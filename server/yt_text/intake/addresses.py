"""Which addresses intake may reach: public ones, and networks that the operator allows.

A URL from a stranger must not make this service speak to machines that the stranger cannot reach. What
counts is the address that is dialled, so `proxy` asks here after it has resolved a name, and dials the
very address that was checked.
"""

import ipaddress
import socket
from collections.abc import Sequence
from functools import cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Listed one by one: `ipaddress.is_global` lets some of these pass, and changes between Python versions.
_DENIED_V4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for the host itself
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carrier NAT; holds the metadata service of Alibaba Cloud
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # metadata and DNS of Azure, inside a public range
            "169.254.0.0/16",  # link-local; holds the metadata services of most clouds
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; holds the metadata service of Oracle Cloud
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, broadcast
        ),
    )
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")  # all else is loopback, local, multicast or unassigned
_DENIED_V6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # protocol assignments; Teredo carries an IPv4 address
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4 carries an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

DENIED_PORTS = frozenset(
    {
        *(7, 9, 13, 17, 19, 20, 21, 22, 23, 25, 37, 53, 69, 79, 110, 111, 119, 123, 135, 137, 138, 139, 143),
        *(161, 162, 179, 389, 445, 465, 512, 513, 514, 515, 548, 554, 587, 601, 631, 636, 873, 989, 990, 993, 995),
        *(1080, 1433, 1521, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 5060, 5061, 5432, 5900, 5984, 6379),
        *(6443, 9042, 9092, 9200, 9300, 10250, 10255, 11211, 27017),
    }
)
"""Ports of services that are not web sites, refused at any address."""


def parse(text: str) -> Address | None:
    """Returns the address that `text` spells, in any way that a resolver takes for one; None for a name.

    `2130706433`, `0x7f.1` and `0177.0.0.1` are all 127.0.0.1 to a C library.
    """
    text = text.strip("[]")
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        pass
    try:
        # inet_aton takes trailing words after a space; a host never holds one.
        return None if " " in text else ipaddress.IPv4Address(socket.inet_aton(text))
    except (OSError, UnicodeError, ValueError):
        return None


def is_allowed(address: Address | str, allowed_networks: Sequence[Network] = ()) -> bool:
    """Tells whether intake may connect to an address.

    Args:
        address: a literal address; a name is never allowed.
        allowed_networks: networks that may be reached although they are not public.
    """
    found = parse(address) if isinstance(address, str) else address
    if found is None:
        return False
    found = _unwrapped(found)
    if any(found.version == network.version and found in network for network in allowed_networks):
        return True
    if isinstance(found, ipaddress.IPv4Address):
        if any(found in network for network in _DENIED_V4):
            return False
    elif found not in _GLOBAL_V6 or any(found in network for network in _DENIED_V6):
        return False
    return not _is_of_this_host(found)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that a mapped or NAT64 address leads to; any other address as it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_of_this_host(address: Address) -> bool:
    """Tells whether an address is one of this machine's own: only those can be bound.

    A service that listens on all addresses would answer at a public one as well.
    """
    return not _binds_anything() and _can_bind(address)


def _can_bind(address: Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


@cache
def _binds_anything() -> bool:
    """Whether the kernel lets any address be bound (`ip_nonlocal_bind`), so that binding tells nothing."""
    # Two addresses that are for documentation only: no machine has both.
    return all(_can_bind(ipaddress.IPv4Address(text)) for text in ("192.0.2.251", "203.0.113.251"))
