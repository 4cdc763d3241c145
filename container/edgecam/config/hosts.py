"""Hosts and ports, wherever a setting, a variable or a camera names one.

A host is a name (RFC 1123, 2.1), an IPv4 address of four plain decimals, or an IPv6 address in brackets
(RFC 3986, 3.2.2), whose zone stands behind `%25` (RFC 6874). What resolvers would read otherwise than it is
typed (`10.1` as 10.0.0.1, `010.0.0.1` as 8.0.0.1) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Annotated

from pydantic import AfterValidator

MOST_PORT = 65_535

_LONGEST_NAME = 253  # RFC 1035, 2.3.4, without the root's own length
_LONGEST_TEXT = 4 * _LONGEST_NAME
"""What is looked at: a letter beyond ASCII takes several characters in a name (RFC 3492)."""
# An underscore is in no host's name by the book, and in many of a home network.
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?|_[\w-]{1,62}")
_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,15}")  # the length of an interface's name: linux/if.h, IFNAMSIZ


@dataclass(frozen=True)
class Address:
    """Where somebody listens.

    Attributes:
        host: As resolvers and sockets take it: an IPv6 address without brackets, its zone behind a plain %.
        port: None where none is named.
    """

    host: str
    port: int | None = None

    @property
    def in_uri(self) -> str:
        """The host as it stands in a URI or a header of HTTP."""
        return f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host


def parse_host(text: str) -> Address:
    """The host that `text` names.

    Raises:
        ValueError: names what was expected.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"expected a host of at most {_LONGEST_NAME} characters")
    if "/" in text:
        raise ValueError("expected a host alone, without scheme and path")
    if text.startswith("[") and text.endswith("]"):
        return Address(_ipv6(text[1:-1]))
    if "[" in text or "]" in text or text.count(":") > 1:
        raise ValueError("expected an IPv6 address in brackets, such as [fd00::21], and a port behind them")
    if ":" in text:
        raise ValueError("expected a host without a port")
    if _NUMBER.fullmatch(text.rstrip(".").rpartition(".")[2]):
        return Address(_ipv4(text))
    return Address(_name(text))


def parse_authority(text: str) -> Address:
    """The host and port that `text` names: what stands between `//` and the path of a URI, without a login.

    Raises:
        ValueError: names what was expected.
    """
    host, colon, port = text, "", ""
    bracket = text.rfind("]")
    if text[bracket + 1 :].count(":") == 1:
        host, colon, port = text.rpartition(":")
    address = parse_host(host)
    return Address(address.host, parse_port(port) if colon else None)


def authority_of(uri: str) -> Address:
    """The host and port in `uri`, which has `//`.

    Raises:
        ValueError: names what was expected.
    """
    authority = re.split(r"[/?#]", uri.partition("//")[2], maxsplit=1)[0]
    return parse_authority(authority.rpartition("@")[2])


def parse_port(text: str) -> int:
    """A TCP port in plain decimals.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text) or int(text) > MOST_PORT:
        raise ValueError(f"expected a port from 1 to {MOST_PORT} behind the host's colon")
    return int(text)


def _ipv4(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        raise ValueError(
            "expected an IPv4 address of four numbers from 0 to 255 without leading zeros, such as 10.0.0.21"
        ) from None


def _ipv6(text: str) -> str:
    address, percent, zone = text.partition("%25")
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        raise ValueError("expected an IPv6 address in the brackets, such as [fd00::21]") from None
    if "%" in address or (percent and not _ZONE.fullmatch(zone)):
        raise ValueError("expected the zone of an IPv6 address behind %25, such as [fe80::21%25eth0]")
    if parsed.is_link_local and not percent:
        raise ValueError(
            "expected a zone behind a link-local IPv6 address, such as [fe80::21%25eth0]: the address alone "
            "does not say which of the core's networks is meant"
        )
    return f"{parsed}%{zone}" if percent else str(parsed)


def _name(text: str) -> str:
    labels = text.removesuffix(".").split(".")
    try:
        ascii_length = len(text.encode("idna"))
    except UnicodeError:
        ascii_length = _LONGEST_NAME + 1
    if ascii_length > _LONGEST_NAME or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(
            "expected the name of a host (letters, digits, hyphens, and dots between), an IPv4 address, or "
            "an IPv6 address in brackets"
        )
    return text


def _host(text: str) -> str:
    parse_host(text)
    return text


Host = Annotated[str, AfterValidator(_host)]
"""A setting that names a host; `parse_host` has it as sockets take it."""
