"""The settings of a site as they reach a core: one word, or the name of an object that holds them.

Nucleus Lite 2.6.0 writes environment variables into a shell script without quotes, so a word of letters,
digits, `-` and `_` is all that arrives as it was sent (design/nuclei.md). It is JSON, compressed (zlib), in
base64url (RFC 4648, 5). What is longer than a nucleus takes lies in the artifact bucket, named by its hash;
`settings_object.py` fetches it, and a container finds it in `FOLDER`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecam.config.load import NODE_VARIABLE
from edgecam.errors import ConfigurationError, Mistake
from edgecam.json_text import MOST_BYTES, JsonError, parse_json
from edgecam.launch.command_override import COMMAND_VARIABLE, ENTRYPOINT_VARIABLE

SETTINGS_VARIABLE = "EDGECAM_SETTINGS"
DATA_DIR_VARIABLE = "EDGECAM_DATA_DIR"
DOCKER_VARIABLE = "EDGECAM_DOCKER"

FOLDER = Path("/run/edgecam")
"""Where a container finds what was fetched; the recipe mounts it, read-only."""

PIECES = 4
PIECE_CHARACTERS = 1000
"""Of the word, in the component's configuration: Nucleus Lite keeps no value of more than 1,024 bytes."""

MOST_PACKED_BYTES = 256 * 1024
"""Of compressed settings. 1,000 cameras with secrets, written out, take 20 kB."""

_PARTS = {
    "node": NODE_VARIABLE,
    "data_dir": DATA_DIR_VARIABLE,
    "docker": DOCKER_VARIABLE,
    "entrypoint": ENTRYPOINT_VARIABLE,
    "command": COMMAND_VARIABLE,
}
"""What a site configures, and the variable that has the same for who runs a container by hand."""

_OBJECT = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[a-z0-9-]+/settings/(?P<hash>[0-9a-f]{64}))"
)
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_NO_LINK = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, kw_only=True)
class SettingsObject:
    """An object of the artifact bucket that holds settings.

    Attributes:
        bucket: The bucket's name.
        key: Of the object.
        hash: SHA-256 of its bytes, in hex.
    """

    bucket: str
    key: str
    hash: str

    @property
    def uri(self) -> str:
        """As the configuration names it."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def file_name(self) -> str:
        """Of its copy on the core."""
        return f"settings-{self.hash}"


def object_of(environment: Mapping[str, str]) -> SettingsObject | None:
    """The object that the settings are in; None where they are in the variable itself.

    Raises:
        ConfigurationError: it begins as an object's name does, and is none.
    """
    word = environment.get(SETTINGS_VARIABLE, "").strip()
    if "://" not in word:
        return None
    match = _OBJECT.fullmatch(word)
    if match is None:
        raise _mistake("s3://BUCKET/VARIANT/settings/SHA256, or settings in one word", "another address")
    return SettingsObject(**match.groupdict())


def expanded(environment: Mapping[str, str], folder: Path = FOLDER) -> Mapping[str, str]:
    """`environment` with what `EDGECAM_SETTINGS` holds in the variables that it stands for, as JSON.

    Args:
        environment: Where it has no `EDGECAM_SETTINGS` it is returned as it is.
        folder: Where a fetched object is.

    Raises:
        ConfigurationError: the settings are missing, damaged, or too large.
    """
    word = environment.get(SETTINGS_VARIABLE)
    if word is None:
        return environment
    if not word.strip():
        if environment.get(NODE_VARIABLE):
            return environment
        raise _mistake("the settings of a site, which its deployment by edgecam's stacks has", "nothing")
    stored = object_of(environment)
    packed = _of_word(word.strip()) if stored is None else _of_file(folder, stored)
    document = unpacked(packed)
    others = {name: value for name, value in environment.items() if name not in _PARTS.values()}
    return {**others, **{_PARTS[part]: _text(part, value) for part, value in document.items()}}


def unpacked(packed: bytes) -> dict[str, Any]:
    """The settings in these bytes: `node`, and what there is of data_dir, docker, entrypoint, command.

    Raises:
        ConfigurationError: they are no compressed settings, or beyond `json_text.MOST_BYTES` without it.
    """
    inflater = zlib.decompressobj()
    try:
        # One byte more than may be: what would fill a core's memory is never made.
        text = inflater.decompress(packed, MOST_BYTES + 1)
    except zlib.error:
        raise _mistake("compressed settings", "other bytes, or damaged ones") from None
    if len(text) > MOST_BYTES:
        raise _mistake(f"settings of at most {MOST_BYTES} bytes", "more")
    if not inflater.eof or inflater.unused_data:
        raise _mistake("whole settings", "more behind their end" if inflater.eof else "ones that end early")
    try:
        document = parse_json(text)
    except JsonError as error:
        expected, _, found = str(error).removeprefix("expected ").partition(", found ")
        raise _mistake(expected, found) from None
    if not isinstance(document, dict) or document.keys() - _PARTS.keys() or "node" not in document:
        raise _mistake(f"an object with node, and others of {', '.join(_PARTS)} alone", "another document")
    return document


def content_of(path: Path, stored: SettingsObject) -> bytes:
    """The bytes in the file `path`, which are those of `stored`.

    Raises:
        OSError: it cannot be read.
        ConfigurationError: it holds others.
    """
    with os.fdopen(os.open(path, _NO_LINK), "rb") as file:
        content = file.read(MOST_PACKED_BYTES + 1)
    check_hash(content, stored)
    return content


def check_hash(content: bytes, stored: SettingsObject) -> None:
    """Expect the bytes that the object is named by.

    Raises:
        ConfigurationError: they are others.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != stored.hash:
        raise _mistake(f"content of SHA-256 {stored.hash} in {stored.uri}", f"{found}: torn, or replaced")


def _of_word(word: str) -> bytes:
    if len(word) > PIECES * PIECE_CHARACTERS:
        raise _mistake(f"at most {PIECES * PIECE_CHARACTERS} characters", f"{len(word)}")
    if not _WORD.fullmatch(word):
        raise _mistake("letters, digits, - and _ alone", "other characters, which are not repeated here")
    try:
        return base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
    except binascii.Error:
        raise _mistake("base64url", "a word that ends early") from None


def _of_file(folder: Path, stored: SettingsObject) -> bytes:
    path = folder / stored.file_name
    try:
        return content_of(path, stored)
    except OSError as error:
        expected = f"the file {path}, which `edgecam fetch-settings` fetches from {stored.uri}"
        raise _mistake(expected, error.strerror or "none that can be read") from None


def _text(part: str, value: Any) -> str:
    # A folder is no JSON in its variable, where a person would write it.
    return value if part == "data_dir" and isinstance(value, str) else json.dumps(value)


def _mistake(expected: str, found: str) -> ConfigurationError:
    return ConfigurationError([Mistake("", expected, found)], document=SETTINGS_VARIABLE)
