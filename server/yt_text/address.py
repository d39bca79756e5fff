"""Addresses of the form `host:port`."""


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of `host:port`; an IPv6 host stands in brackets. Raises ValueError."""
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not host or (":" in host and not bracketed) or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(address)
    return host.removeprefix("[").removesuffix("]"), int(port)
