"""Which source `edgecam probe` and `edgecam frame` are to ask, from their command line."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from edgecam.cli.arguments import NOT_REPEATED
from edgecam.config.camera import Camera
from edgecam.config.schemes import Form, find_scheme, prefixes_where
from edgecam.config.validation import validate
from edgecam.credentials.login import Login, read_password, split_login
from edgecam.errors import ConfigurationError, CredentialsError, Mistake
from edgecam.login_places import without_places
from edgecam.redaction import HIDDEN, SECRETS, passwords_in, redact

PICTURE_QUALITY = 90
"""JPEG quality of a single picture that somebody wants to look at."""


@dataclass(frozen=True)
class Target:
    """A source to be asked.

    Attributes:
        camera: As `fleet.yaml` would describe it, but its uri may hold a password.
        login: User name and password, or None.
        timeout_s: For the whole.
    """

    camera: Camera
    login: Login | None
    timeout_s: float

    def with_transport(self, transport: str) -> Target:
        """The same, asked to send another way."""
        return replace(self, camera=self.camera.model_copy(update={"transport": transport}))

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Target:
        """The target of `edgecam probe` and `edgecam frame`.

        Raises:
            ConfigurationError: the command line makes no sense.
            CredentialsError: the password cannot be had.
        """
        if not 1 <= options.timeout_s <= 600:
            raise _wrong("--timeout-s", "a number from 1 to 600", f"{options.timeout_s:g}")
        for password in passwords_in(options.uri):
            SECRETS.remember(password)
        uri, login = split_login(options.uri)
        if options.username is not None:
            login = Login(options.username, _password(options))
        elif options.password_file is not None or options.password_env is not None:
            raise _wrong("--username", "a user name, since there is a password", "nothing")
        # What the model would refuse is allowed here, where it is typed by hand: put back below.
        harmless = re.sub(rf"(?<!\s)\s*=\s*{re.escape(HIDDEN)}", "", redact(without_places(uri)))
        tls = {"ca_file": options.ca_file} if options.ca_file else {"verify": not options.insecure}
        document = {
            "id": camera_id(harmless),
            "uri": harmless,
            "transport": options.transport,
            "receiver": options.receiver,
            "connect_timeout_s": min(120.0, options.timeout_s),
            "frames": {"quality": PICTURE_QUALITY},
        } | ({"tls": tls} if tls != {"verify": True} else {})
        try:
            camera = validate(Camera, document, name="command line")
        except ConfigurationError as error:
            found = [Mistake(each.path, each.expected, NOT_REPEATED) for each in error.mistakes]
            raise ConfigurationError(found, document=error.document) from None
        camera = camera.model_copy(update={"uri": uri})
        if login is not None and not camera.scheme.takes_credentials and not camera.has_login_places:
            where = prefixes_where(lambda scheme: scheme.takes_credentials)
            raise _wrong("--username", f"no user name: only {where} ask", "one")
        if login is None and camera.has_login_places:
            raise _wrong("--username", "a user name, since the URI has a place for the login", "nothing")
        return cls(camera, login, options.timeout_s)


def _wrong(path: str, expected: str, found: str) -> ConfigurationError:
    return ConfigurationError([Mistake(path, expected, found)], document="command line")


def _password(options: argparse.Namespace) -> str:
    if options.password_file is not None:
        # Its path is not shown: many a user has typed the password itself.
        return read_password(Path(options.password_file), named="--password-file")
    if options.password_env is None:
        raise _wrong("--username", "--password-file or --password-env beside it", "neither")
    if options.password_env not in os.environ:
        raise CredentialsError(
            "--password-env: expected the name of an environment variable, found none of that name"
        )
    password = os.environ[options.password_env]
    SECRETS.remember(password)
    return password


def camera_id(uri: str) -> str:
    """A name for the camera behind `uri` (without a login), made of host and path."""
    name, _, rest = uri.partition(":")
    scheme = find_scheme(uri)
    if scheme is None:  # the URI is what is wrong then, and no name is made of it
        return "camera"
    form = scheme.form
    path = "" if form is Form.DESCRIPTION else re.sub(r":\d+", "", rest.strip("/").partition("?")[0], count=1)
    words = re.findall(r"[a-z0-9]+", re.sub(r"%0?\d*d|\.(jpe?g|png|mp4|mkv|mov|avi|ts)$", "", path.lower()))
    if form is Form.ABSOLUTE_PATH:
        words = words[-2:]
    return "-".join(words)[:63].strip("-") or f"{name}-camera"
