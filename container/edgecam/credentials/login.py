"""User name and password of a camera, and texts they are read from."""

from __future__ import annotations

import logging
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from edgecam.config.camera import Camera
from edgecam.config.schemes import find_scheme
from edgecam.errors import CredentialsError
from edgecam.json_text import parse_json
from edgecam.login_places import PASSWORD_PLACE, USERNAME_PLACE, filled, is_place
from edgecam.redaction import SECRETS

_log = logging.getLogger(__name__)

_LONGEST_PASSWORD = 4096  # as much as a header of RTSP takes; a device file has no end


# As cameras call them: `?username=…&password=…`, Dahua's `/user=…&password=…`, `?usr=…&pwd=…`, and Xiongmai's
# `/user=…_password=…_channel=1_stream=0.sdp`.
_IN_PARAMETERS = {
    USERNAME_PLACE: re.compile(
        r"(?<=[?&;/])((?:user(?:_?name)?|usr|login(?:use)?)=)([^&;/?#\s]+?)(?=[&;/?#\s]|_password=|$)",
        re.IGNORECASE,
    ),
    PASSWORD_PLACE: re.compile(
        r"(?<=[?&;/_])((?:password|passwd|pass|psw|pwd|pw|loginpas)=)([^&;/?#\s]+?)(?=[&;/?#\s]|_channel=|$)",
        re.IGNORECASE,
    ),
}
_NOBODY = "-"  # a login has a name; where no place takes it, none is sent


@dataclass(frozen=True)
class Login:
    """Who asks a camera for its pictures. The password never shows in `repr`."""

    username: str
    password: str = field(repr=False)

    def filled_into(self, text: str, *, is_uri: bool = True) -> str:
        """`text` with this login in its places: percent-encoded in a URI, else as it is."""
        return filled(text, self.username, self.password, is_uri=is_uri)


class LoginProvider(Protocol):
    """Knows the logins of cameras."""

    def login(self, camera: Camera, *, refresh: bool = False) -> Login | None:
        """The login of `camera`, or None when it has no credentials. May block for some seconds.

        Args:
            camera: Whose login.
            refresh: The camera refused the last one: look again where it came from.

        Raises:
            CredentialsError: naming the ways that were tried, never the secret.
        """


def read_password(path: Path, *, named: str | None = None) -> str:
    """The first line of `path`, without its end.

    Args:
        path: Of the file.
        named: What errors call it, where its path must not be shown; by default `password_file` and the path.

    Raises:
        CredentialsError: when it cannot be read or is empty.
    """
    named = named or f"password_file {path}"
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            password = file.readline(_LONGEST_PASSWORD + 2).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "text that is not UTF-8"
        raise CredentialsError(
            f"{named}: expected a file that the user {os.geteuid()} can read, found: {problem}"
        ) from None
    if not password:
        raise CredentialsError(f"{named}: expected the password on its first line, found nothing")
    if len(password) > _LONGEST_PASSWORD:
        raise CredentialsError(
            f"{named}: expected at most {_LONGEST_PASSWORD} characters on its first line, found more"
        )
    SECRETS.remember(password)
    if mode & stat.S_IROTH:
        _log.warning("password_file %s can be read by every user of this machine: chmod o-r it", path)
    return password


def parse_secret(text: str, arn: str) -> Login:
    """The login in the text of a secret, `{"username": …, "password": …}`.

    Raises:
        CredentialsError: naming the keys that were expected and those that were found, no values.
    """
    wanted = 'expected a JSON object {"username": "…", "password": "…"}'
    try:
        document = parse_json(text)
    except ValueError:
        raise CredentialsError(f"secret {arn}: {wanted}, found text that is not JSON") from None
    if not isinstance(document, dict):
        raise CredentialsError(f"secret {arn}: {wanted}, found a JSON {type(document).__name__}")
    username, password = document.get("username"), document.get("password")
    if not isinstance(username, str) or not username or not isinstance(password, str):
        keys = ", ".join(sorted(document)) or "none"
        raise CredentialsError(f"secret {arn}: {wanted} of two texts, found the keys {keys}")
    SECRETS.remember(password)
    return Login(username, password)


def split_login(uri: str) -> tuple[str, Login | None]:
    """`uri` without user name and password, and these; as typed, also where they belong percent-encoded.

    Of a login in the path or query the places stay, `{username}` and `{password}`.
    """
    without, login = _split_userinfo(uri)
    return (without, login) if login is not None else _split_parameters(uri)


def _split_parameters(uri: str) -> tuple[str, Login | None]:
    scheme = find_scheme(uri)
    if scheme is None or not scheme.takes_credentials:
        return uri, None
    password = _IN_PARAMETERS[PASSWORD_PLACE].search(uri)
    if password is None or is_place(password.group(2)):
        return uri, None
    username = _IN_PARAMETERS[USERNAME_PLACE].search(uri)
    login = Login(unquote(username.group(2)) if username else _NOBODY, unquote(password.group(2)))
    SECRETS.remember(login.password)
    SECRETS.remember(password.group(2))
    for place, parameter in _IN_PARAMETERS.items():
        uri = parameter.sub(rf"\g<1>{place}", uri, count=1)
    return uri, login


def _split_userinfo(uri: str) -> tuple[str, Login | None]:
    scheme, rest = find_scheme(uri), uri.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme is None or not scheme.takes_credentials or authority.startswith("["):
        return uri, None
    if "@" in authority:
        userinfo = authority.rpartition("@")[0]
    elif "@" in rest and re.search(r":(?!\d{1,5}$)", authority):
        userinfo = rest.rpartition("@")[0]  # the password holds a slash: what follows the colon is no port
    else:
        return uri, None
    username, _, password = userinfo.partition(":")
    login = Login(unquote(username), unquote(password))
    SECRETS.remember(login.password)
    SECRETS.remember(password)
    return f"{scheme.prefix}{rest.removeprefix(userinfo).removeprefix('@')}", login
