"""The HTTP proxy that the variables of a core name."""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from edgecam.config.hosts import Address, parse_authority
from edgecam.errors import StoreRefused

_DEFAULT_PORT = 80
_VARIABLES = "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"


@dataclass(frozen=True)
class Proxy:
    """A proxy.

    Attributes:
        address: Where it listens; the port is there.
        login: The headers that it is asked with.
    """

    address: Address
    login: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.address.port or _DEFAULT_PORT


def proxy_for(scheme: str, netloc: str) -> Proxy | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name (a nucleus sets them).

    Args:
        scheme: `https` or `http`, of what is to be reached.
        netloc: Its host and port.

    Raises:
        StoreRefused: the variable names no proxy that could be asked; nothing of it is repeated, since it may
            hold a password.
    """
    proxies = urllib.request.getproxies()
    uri = proxies.get(scheme) or proxies.get("all")
    if not uri or urllib.request.proxy_bypass(netloc):
        return None
    named, separator, rest = uri.rpartition("://")
    if separator and named.lower() != "http":
        raise StoreRefused(
            f"{_VARIABLES}: expected a proxy of the form http://HOST:PORT, found {named}://; it is asked "
            "without TLS, and to what it leads with TLS"
        )
    login, at, authority = rest.partition("/")[0].rpartition("@")
    try:
        address = parse_authority(authority)
    except ValueError as error:
        raise StoreRefused(
            f"{_VARIABLES}: {error} of the proxy, as http://HOST:PORT, found something else"
        ) from None
    return Proxy(address, _login(login) if at else {})


def _login(text: str) -> dict[str, str]:
    username, _, password = text.partition(":")
    login = f"{unquote(username)}:{unquote(password)}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
