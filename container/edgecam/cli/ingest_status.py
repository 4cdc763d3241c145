"""The status of `edgecam ingest`: the camera as a device of Cloud IoT Core's protocol.

    PRIVATE_KEY_FILE=keys/door.private.pem PROJECT_ID=my-project CLOUD_REGION=europe-west1 \
    IOT_REGISTRY=cameras MQTT_BRIDGE_HOSTNAME=europe-west1-mqtt.clearblade.com edgecam ingest …

GCStreamer had these as constants; the names are those of Google's own samples. Without a key no
state is reported.
The key is an argument only as the name of a file: everybody on the machine can read arguments.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecam.cli.option import Option, first_set, is_argument
from edgecam.cloud_iot.private_key import parse_private_key
from edgecam.config.brokers import StatePayload, is_device_id
from edgecam.errors import CredentialsError, Mistake
from edgecam.redaction import SECRETS

KEY_VARIABLE = "PRIVATE_KEY"
KEY_FILE_VARIABLE = "PRIVATE_KEY_FILE"


@dataclass(frozen=True)
class _Setting:
    """A setting of `CloudIot` by the names that it has here."""

    variable: str
    argument: str
    metavar: str
    meaning: str


_SETTINGS = {
    "project": _Setting("PROJECT_ID", "--project-id", "ID", "the id of the project"),
    "region": _Setting("CLOUD_REGION", "--cloud-region", "REGION", "where the registry is: europe-west1"),
    "registry": _Setting("IOT_REGISTRY", "--iot-registry", "ID", "the id of the registry of the devices"),
    "host": _Setting(
        "MQTT_BRIDGE_HOSTNAME",
        "--mqtt-bridge-hostname",
        "HOST",
        "the MQTT bridge, such as europe-west1-mqtt.clearblade.com",
    ),
    "port": _Setting("MQTT_BRIDGE_PORT", "--mqtt-bridge-port", "PORT", "8883 (the default) or 443"),
    "ca_file": _Setting("CA_CERTS", "--ca-certs", "FILE", "who signed the bridge's certificate, as PEM"),
    "payload": _Setting(
        "STATE_PAYLOAD", "--state-payload", "KIND", "word (the default: connected) or json (everything)"
    ),
}
_NEEDED = ("project", "region", "registry", "host")

_LONGEST_KEY = 64 * 1024  # characters of a file: an RSA key of 16,384 bits takes a fifth
_LEAST_SECRET = 16
"""Characters of a line that is hidden by itself; a shorter one tells nothing, and might stand anywhere."""


def add_status_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments for the status of `edgecam ingest`."""
    group = parser.add_argument_group(
        "status, by Cloud IoT Core's protocol",
        f"only with a private key; else as variables: {KEY_FILE_VARIABLE}, {KEY_VARIABLE} (the PEM text), "
        + ", ".join(setting.variable for setting in _SETTINGS.values()),
    )
    group.add_argument("--private-key-file", metavar="FILE", help="PEM, RSA or P-256; `make keys` makes one")
    for setting in _SETTINGS.values():
        group.add_argument(setting.argument, metavar=setting.metavar, help=setting.meaning)
    # Google's samples write underscores, and one name otherwise.
    for argument in ("--private-key-file", *(setting.argument for setting in _SETTINGS.values())):
        group.add_argument(_underscored(argument), dest=_attribute(argument), help=argparse.SUPPRESS)
    group.add_argument("--registry_id", dest="iot_registry", help=argparse.SUPPRESS)


class IngestStatus:
    """The status settings in arguments and variables; arguments win.

    Attributes:
        mistakes: Those that no configuration would show.
        names: By the path of a setting in the node configuration, the name of its argument or variable.
    """

    def __init__(self, options: argparse.Namespace, environment: Mapping[str, str], device: Option) -> None:
        self._options = options
        self._device = device
        self._environment = environment
        self.mistakes: list[Mistake] = []
        self.names: dict[str, str] = {}
        self._key = self._private_key()
        self._set = {field: self._setting(field) for field in _SETTINGS}
        if self._key is not None:
            self._look_at()
        elif not self.mistakes:
            self._refuse_unused_arguments()

    def camera_document(self, camera_id: str) -> dict[str, Any]:
        """What it adds to the camera of a node configuration, which has this id."""
        if self._key is None:
            return {}
        place = {"env": KEY_VARIABLE} if self._key.name == KEY_VARIABLE else {"file": self._key.value}
        name = {} if self._device.value == camera_id else {"id": self._device.value}
        return {"device": {"key": place} | name}

    def node_document(self) -> dict[str, Any]:
        """What it adds to a node configuration."""
        if self._key is None:
            return {}
        # Programs that read GCStreamer's states expect the plain word.
        values = {field: option.value for field, option in self._set.items() if option.value}
        return {"cloud_iot": {"payload": StatePayload.WORD.value} | values}

    def _private_key(self) -> Option | None:
        """The file, or the PEM text by the name of its variable; None without a key."""
        text = self._environment.get(KEY_VARIABLE) or ""
        _remember(text)
        file = first_set(
            ("--private-key-file", self._options.private_key_file),
            (KEY_FILE_VARIABLE, self._environment.get(KEY_FILE_VARIABLE)),
        )
        if is_private_key(file.value):
            self._mistake(
                file.name, f"the name of a file (the text belongs into {KEY_VARIABLE})", "a private key"
            )
            return None
        if not file.value:
            return Option(KEY_VARIABLE, text) if text else None
        if text and file.name == KEY_FILE_VARIABLE:
            self._mistake(KEY_VARIABLE, f"no value, since there is {KEY_FILE_VARIABLE}", "one")
        return Option(file.name, _whole_path(file.value))

    def _setting(self, field: str) -> Option:
        setting = _SETTINGS[field]
        given = getattr(self._options, _attribute(setting.argument))
        in_environment = self._environment.get(setting.variable)
        option = first_set((setting.argument, given), (setting.variable, in_environment))
        self.names[f"cloud_iot.{field}"] = option.name
        if field == "ca_file" and option.value:
            return Option(option.name, _whole_path(option.value))
        return option

    def _look_at(self) -> None:
        """What would show only when the node is running, or in words that nobody here has used."""
        self._look_at_key()
        for field in _NEEDED:
            setting = _SETTINGS[field]
            if not self._set[field].value:
                expected = f"{setting.meaning} (or {setting.argument}), since there is a private key"
                self._mistake(setting.variable, expected, "nothing")
        authorities = self._set["ca_file"]
        if authorities.value:
            self._read(authorities)
        if self._device.value and not is_device_id(self._device.value):
            expected = "at least 3 characters, a letter first, not goog…, since it names the device as well"
            self._mistake(self._device.name, expected, self._device.found)

    def _look_at_key(self) -> None:
        """Report a key that could never sign now, rather than at the first connection."""
        if self._key is None:
            return
        name, text = self._key.name, self._key.value
        if name != KEY_VARIABLE:
            text = self._read(self._key)
            _remember(text)
        if not text:
            return
        values = {field: option.value for field, option in self._set.items()}
        registry = (
            f"projects/{values['project']}/locations/{values['region']}/registries/{values['registry']}"
        )
        try:
            parse_private_key(text, name, f"{registry}/devices/{self._device.value}")
        except CredentialsError as error:
            expected, _, found = str(error).removeprefix(f"{name}: expected ").partition(", found ")
            self._mistake(name, expected, found)

    def _read(self, file: Option) -> str:
        try:
            with Path(file.value).open(encoding="ascii", errors="replace") as opened:
                text = opened.read(_LONGEST_KEY)
        except OSError as error:
            text, found = "", error.strerror
        else:
            found = "nothing in it"
        if not text:
            where = "" if is_argument(file.name) else f"{file.value}: "
            self._mistake(file.name, "a file that this user can read", f"{where}{found}")
        return text

    def _refuse_unused_arguments(self) -> None:
        """Variables of these names may be there for other programs; an argument is meant."""
        for option in self._set.values():
            if option.value and option.name.startswith("--"):
                expected = f"the device's key (or --private-key-file), since there is {option.name}"
                self._mistake(KEY_FILE_VARIABLE, expected, "nothing")
                return

    def _mistake(self, name: str, expected: str, found: str) -> None:
        self.mistakes.append(Mistake(name, expected, found))


def is_private_key(argument: str) -> bool:
    """Whether somebody has typed the key itself, as for the forerunner's container; it is remembered then."""
    if "PRIVATE KEY-----" not in argument:
        return False
    _remember(argument)
    return True


def _remember(pem: str) -> None:
    """Nothing of the key may be logged, not even a line of it."""
    for secret in (pem, *_lines(pem)):
        SECRETS.remember(secret)


def _lines(pem: str) -> Iterator[str]:
    for line in re.split(r"\\n|\s+", pem):
        if len(line) >= _LEAST_SECRET and "-----" not in line:
            yield line


def _whole_path(path: str) -> str:
    """As the forerunner did it: from the folder that it is started in. Links stay: a secret that is renewed
    in Kubernetes is another file behind the same link."""
    return os.path.normpath(Path.cwd() / path)


def _attribute(argument: str) -> str:
    return argument.removeprefix("--").replace("-", "_")


def _underscored(argument: str) -> str:
    return f"--{_attribute(argument)}"
