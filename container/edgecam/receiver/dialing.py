"""From the name of a host to a connection in the loop: what may wait for a name server, or read files."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import Any

from edgecam.config.camera import Tls
from edgecam.errors import SourceRedirected, SourceUnreachable
from edgecam.rtsp.link import Target
from edgecam.rtsp.tls import context_for
from edgecam.rtsp.urls import Location

_ADDRESSES_LIMIT = 4
"""Of one name that are tried: a camera has two, by either protocol of the internet."""


def waits(location: Location) -> bool:
    """Whether `dial` may wait, and belongs on a thread of its own."""
    try:
        ipaddress.ip_address(location.host.partition("%")[0])
    except ValueError:
        return True
    return location.takes_tls


def dial(name: str, location: Location, tls: Tls, timeout_s: float, *, sent_by: str | None) -> Target:
    """Where to connect to.

    Args:
        name: The camera's, redacted.
        location: Where the stream is.
        tls: Whom to trust.
        timeout_s: Until a connection is given up, seconds.
        sent_by: The address of another host that has sent us there; None where the configuration has.

    Raises:
        SourceError: the name has no address, files cannot be read, or nobody may be sent there.
    """
    addresses = _addresses(name, location)
    if sent_by is not None:
        addresses = [each for each in addresses if _may_be_sent(sent_by, str(each[1][0]))]
        if not addresses:
            raise SourceRedirected(
                f"{name}: expected a redirect to another camera, found one to this core itself or to a "
                f"network that only it sees ({location.host}); give the address that it leads to as uri"
            )
    context: ssl.SSLContext | None = context_for(name, tls) if location.takes_tls else None
    return Target(
        name=name,
        host=location.host,
        port=location.port,
        addresses=addresses[:_ADDRESSES_LIMIT],
        timeout_s=timeout_s,
        context=context,
        certificate_file=tls.certificate_file,
    )


def _addresses(name: str, location: Location) -> list[tuple[int, Any]]:
    try:
        found = socket.getaddrinfo(location.host, location.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise SourceUnreachable(
            f"{name}: expected the host {location.host} to have an address, found none; check the name and "
            "DNS"
        ) from None
    return [(int(family), address) for family, _, _, _, address in found]


def _may_be_sent(sent_by: str, to: str) -> bool:
    """Whether who answers at `sent_by` may send us to `to`: nobody outside needs to know what is within."""
    origin, target = _address(sent_by), _address(to)
    is_near = target.is_loopback or target.is_link_local or target.is_unspecified or target.is_multicast
    return not is_near or origin.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """As it is connected to: one of IPv6 that holds one of IPv4 (RFC 4291, 2.5.5.2) leads there."""
    parsed = ipaddress.ip_address(text.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
