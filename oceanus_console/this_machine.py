"""What others may call this machine."""

import contextlib
import socket

# Addresses for documentation: no packet goes there, but the kernel says which of ours it would use.
FAR_AWAY = [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]


def own_hosts() -> list[str]:
    """Return the names of this machine, and its addresses towards the network, as they stand in a Host header."""
    name = socket.gethostname()
    found = {name.lower(), socket.getfqdn(name).lower()}
    with contextlib.suppress(OSError):
        found |= {str(address[0]) for *_kind, address in socket.getaddrinfo(name, None)}
    for family, there in FAR_AWAY:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as way_out:
            way_out.connect((there, 9))
            found.add(way_out.getsockname()[0])
    return sorted(bracketed(host.partition("%")[0]) for host in found)


def bracketed(host: str) -> str:
    """Return a host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
