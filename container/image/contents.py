"""What is in an image, read out of its tarball: from the records that `prune.py` left there, not from a plan.

Needs neither Docker nor to run anything of the image, so it reads images for other processors as well.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import IO

_RECORDS = re.compile(
    r"(?:\./)?(?P<path>"
    r"var/lib/dpkg/status\.d/[^/]+"
    r"|usr/lib/os-release"
    r"|usr/lib/python3/dist-packages/[^/]+\.dist-info/(?:METADATA|INSTALLER|sboms/[^/]+\.json)"
    r"|usr/lib/[^/]+/libavutil\.so\.[\d.]+)"
)
_FFMPEG = re.compile(rb"FFmpeg version (\d[\x21-\x7e]*)\x00")
"""How each library of FFmpeg says what it was built from (libavutil/version.c)."""

_SOURCE = re.compile(r"(?P<name>\S+)(?: \((?P<version>\S+)\))?")
"""Debian Policy, 5.6.1: a version stands there where it differs from the package's own."""


class ContentsError(Exception):
    """The tarball is not of an image of ours; the message says what is missing in it."""


@dataclass(frozen=True, kw_only=True, order=True)
class DebianPackage:
    """A package of which files are in the image, and the source that it was built from."""

    name: str
    version: str
    architecture: str
    source: str
    source_version: str


@dataclass(frozen=True, kw_only=True, order=True)
class BundledLibrary:
    """What a wheel brings along, as the wheel itself declares (PEP 770)."""

    name: str
    version: str
    purl: str


@dataclass(frozen=True, kw_only=True, order=True)
class PythonPackage:
    """A package that pip installed; `licence` is an SPDX expression, empty where it states none."""

    name: str
    version: str
    licence: str
    bundled: tuple[BundledLibrary, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is in an image.

    Attributes:
        release: Of Debian, by the keys of os-release(5).
        debian: Sorted by name.
        python: Sorted by name.
        ffmpeg: The version that the libraries of FFmpeg say of themselves.
    """

    release: Mapping[str, str]
    debian: tuple[DebianPackage, ...]
    python: tuple[PythonPackage, ...]
    ffmpeg: str


def read_contents(tarball: Path) -> Contents:
    """Read the records of an image from what `docker save` wrote, compressed or not.

    Raises:
        ContentsError: the records are not there.
    """
    records = _records(tarball)
    release = [content for path, content in records.items() if path.name == "os-release"]
    ffmpeg = [
        match[1].decode()
        for path, content in records.items()
        if path.name.startswith("libavutil.so") and (match := _FFMPEG.search(content))
    ]
    entries = [content for path, content in records.items() if path.parent.name == "status.d"]
    if not (release and ffmpeg and entries):
        raise ContentsError(
            f"{tarball.name}: expected Debian's release, its packages' entries and FFmpeg's version in "
            f"the image, found {len(release)}, {len(entries)} and {len(ffmpeg)} of them"
        )
    return Contents(
        release=_release(release[0].decode()),
        debian=tuple(sorted(map(_debian, entries))),
        python=tuple(sorted(_python(records))),
        ffmpeg=ffmpeg[0],
    )


def _records(tarball: Path) -> dict[PurePosixPath, bytes]:
    """The files that list it, as the topmost layer that has them does."""
    found: dict[PurePosixPath, bytes] = {}
    with tarfile.open(tarball, "r:*") as image:
        (manifest,) = json.load(_opened(image, "manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=_opened(image, layer), mode="r|*") as files:
                for member in files:
                    match = _RECORDS.fullmatch(member.name)
                    content = files.extractfile(member) if match and member.isfile() else None
                    if match and content:
                        found[PurePosixPath(match["path"])] = content.read()
    return found


def _opened(image: tarfile.TarFile, name: str) -> IO[bytes]:
    file = image.extractfile(name) if name in image.getnames() else None
    if file is None:
        raise ContentsError(f"expected what docker save writes, found no file {name} in it")
    return file


def _release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _debian(entry: bytes) -> DebianPackage:
    fields = _fields(entry)
    name, version = fields["Package"], fields["Version"]
    source = _SOURCE.match(fields.get("Source", name))
    return DebianPackage(
        name=name,
        version=version,
        architecture=fields["Architecture"],
        source=source["name"] if source else name,
        source_version=(source["version"] if source else None) or version,
    )


def _python(records: Mapping[PurePosixPath, bytes]) -> Iterator[PythonPackage]:
    for path, content in records.items():
        # Debian leaves such a record too; its package has an entry of its own.
        if path.name != "METADATA" or records.get(path.with_name("INSTALLER"), b"").strip() != b"pip":
            continue
        fields = _fields(content)
        declared = [text for other, text in records.items() if other.parent == path.parent / "sboms"]
        yield PythonPackage(
            name=re.sub(r"[-_.]+", "-", fields["Name"]).lower(),  # as the lock and purls write it
            version=fields["Version"],
            licence=fields.get("License-Expression", ""),
            bundled=tuple(sorted({library for text in declared for library in _bundled(text)})),
        )


def _bundled(text: bytes) -> Iterator[BundledLibrary]:
    for component in json.loads(text).get("components", ()):
        # What follows the question mark are paths of the machine that built the wheel; a plus is escaped in a
        # package URL, which not every tool does.
        purl = component.get("purl", "").partition("?")[0].replace("+", "%2B")
        yield BundledLibrary(name=component["name"], version=component.get("version", ""), purl=purl)


def _fields(text: bytes) -> Message:
    return HeaderParser().parsestr(text.decode("utf-8", errors="replace"))
