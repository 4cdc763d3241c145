"""The bill of materials of an image (SBOM), as a CycloneDX document in JSON.

Version 1.6 of https://cyclonedx.org/specification/overview/; package URLs as in https://github.com/package-url.
The same image gives the same bytes: there is no time in it, everything is sorted, and its serial number comes
from what it says.
"""

from __future__ import annotations

import json
import re
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from container.image.contents import (
    BundledLibrary,
    Contents,
    DebianPackage,
    PythonPackage,
)
from container.image.inputs import PROJECT

SPECIFICATION = "1.6"
SUFFIX = ".cdx.json"
"""What such a file's name ends with (the specification's recommendation)."""

_FFMPEG = "ffmpeg"
_NAMESPACE = uuid.UUID("6b1f7c1a-5a0e-4a4e-9d57-5b9b1e0f7c42")
"""Any one will do, as long as it stays."""

Component = dict[str, Any]


def bill_of_materials(
    contents: Contents, *, variant: str, architecture: str, tag: str, content_hash: str
) -> str:
    """Return the document.

    Args:
        contents: What is in the image.
        variant: Which image it is.
        architecture: In Docker's words.
        tag: Of the image.
        content_hash: What the tag is the beginning of.
    """
    parts = [*_parts(contents)]
    image = {
        "type": "container",
        "bom-ref": f"edgecam/{variant}:{tag}",
        "name": f"edgecam/{variant}",
        "version": tag,
        "properties": [
            {"name": "edgecam:architecture", "value": architecture},
            {"name": "edgecam:content", "value": content_hash},
        ],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": image},
        "components": parts,
        "dependencies": [
            {"ref": image["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
        ],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(document, sort_keys=True))
    return json.dumps({**document, "serialNumber": serial.urn}, indent=2) + "\n"


def _parts(contents: Contents) -> Iterator[Component]:
    yield _program()
    yield _debian_itself(contents.release)
    yield from (_debian(package, contents.release) for package in contents.debian if not _is_ffmpeg(package))
    yield from _ffmpeg(contents)
    yield from map(_python, contents.python)


def _program() -> Component:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "type": "application",
        "bom-ref": "edgecam",
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
    }


def _debian_itself(release: Mapping[str, str]) -> Component:
    version = release.get("DEBIAN_VERSION_FULL", release["VERSION_ID"])
    return {
        "type": "operating-system",
        "bom-ref": f"{release['ID']}@{version}",
        "name": release["ID"],
        "version": version,
        "description": release["PRETTY_NAME"],
    }


def _debian(package: DebianPackage, release: Mapping[str, str]) -> Component:
    purl = _debian_purl(package.name, package.version, package.architecture, release)
    if package.source != package.name or package.source_version != package.version:
        # Debian's advisories are about sources.
        upstream = package.source
        if package.source_version != package.version:
            upstream += f"@{package.source_version}"
        purl += f"&upstream={quote(upstream, safe='')}"
    return _library(package.name, package.version, purl)


def _is_ffmpeg(package: DebianPackage) -> bool:
    return package.source == _FFMPEG


def _ffmpeg(contents: Contents) -> Iterator[Component]:
    """The libraries that stand in the place of Debian's: built from Debian's source, with three decoders."""
    replaced = sorted({package.source_version for package in contents.debian if _is_ffmpeg(package)})
    names = sorted(package.name for package in contents.debian if _is_ffmpeg(package))
    release = re.match(r"[\d.]+", contents.ffmpeg)
    yield {
        **_library(_FFMPEG, contents.ffmpeg, f"pkg:generic/{_FFMPEG}@{quote(contents.ffmpeg, safe='')}"),
        # Advisories name FFmpeg so.
        "cpe": f"cpe:2.3:a:ffmpeg:ffmpeg:{release[0] if release else contents.ffmpeg}:*:*:*:*:*:*:*",
        "pedigree": {
            "ancestors": [
                {
                    "type": "library",
                    "name": _FFMPEG,
                    "version": version,
                    "purl": _debian_purl(_FFMPEG, version, "source", contents.release),
                }
                for version in replaced
            ],
            "notes": f"Built by container/Dockerfile from Debian's source, in place of {', '.join(names)}.",
        },
    }


def _python(package: PythonPackage) -> Component:
    component = _library(package.name, package.version, f"pkg:pypi/{package.name}@{quote(package.version)}")
    if package.licence:
        component["licenses"] = [{"expression": package.licence}]
    if package.bundled:
        component["components"] = [_bundled(library, package) for library in package.bundled]
    return component


def _bundled(library: BundledLibrary, owner: PythonPackage) -> Component:
    component = _library(library.name, library.version, library.purl)
    # The same library may be in two wheels.
    component["bom-ref"] = f"{owner.name}/{library.name}@{library.version}"
    return component if library.purl else {key: component[key] for key in component if key != "purl"}


def _library(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _debian_purl(name: str, version: str, architecture: str, release: Mapping[str, str]) -> str:
    distribution = f"{release['ID']}-{release['VERSION_ID']}"
    return (
        f"pkg:deb/{release['ID']}/{quote(name, safe='')}@{quote(version, safe=':')}"
        f"?arch={architecture}&distro={distribution}"
    )
