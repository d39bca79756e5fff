"""Who calls, for limits per client."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from yt_text.rpc import headers
from yt_text.rpc.headers import Context

Networks = Sequence[IPv4Network | IPv6Network]

HEADER = "x-client-address"
"""The gateway sets it to the address of its client, whatever that sent itself."""
IPV6_PREFIX = 64
"""One household or server has a whole network of so many bits: limits are for all of it."""


def client_address(context: "Context", trusted_gateways: Networks = ()) -> str:
    """Returns the address of the gateway's client, or its network for IPv6; empty for a direct call.

    Only a gateway is believed: who calls over a Unix socket, or from `trusted_gateways`. A direct call has no
    limit of its own, so that it gains nothing by naming an address.
    """
    if not _is_gateway(context.peer(), trusted_gateways):
        return ""
    try:
        address = ip_address(headers.read(context, HEADER))
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), IPV6_PREFIX), strict=False))


def _is_gateway(peer: str, trusted: Networks) -> bool:
    """Judges a peer as gRPC writes it: `unix:`, `ipv4:192.0.2.1:5000` or `ipv6:%5B2001:db8::1%5D:5000`."""
    kind, _, rest = peer.partition(":")
    if kind == "unix":
        return True
    try:
        address = ip_address(unquote(rest).rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return any(address in network for network in trusted)
