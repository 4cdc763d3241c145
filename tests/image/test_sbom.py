"""The bill of materials: of the image that a deployment builds, and by the rules of its format."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from tiny_image import tiny_image

from container.image.build import build, build_image
from container.image.contents import (
    Contents,
    ContentsError,
    DebianPackage,
    read_contents,
)
from container.image.inputs import (
    GCS_UPLOADER,
    PROJECT,
    image_hash,
)
from container.image.requirements import EXTRAS, requirements
from container.image.sbom import bill_of_materials

Run = Callable[..., subprocess.CompletedProcess[str]]

STATED = {"variant": "frame-grabber", "architecture": "amd64", "tag": "0" * 12, "content_hash": "0" * 64}


@pytest.fixture(scope="session")
def bill(tarball: Path) -> dict[str, Any]:
    """What lies beside the tarball."""
    found: dict[str, Any] = json.loads(beside(tarball).read_text())
    return found


@pytest.fixture(scope="session")
def contents(tarball: Path) -> Contents:
    return read_contents(tarball)


def beside(tarball: Path) -> Path:
    return tarball.with_name(tarball.name.replace(".tar.gz", ".cdx.json"))


def named(bill: dict[str, Any], kind: str) -> dict[str, str]:
    """Versions by name of the components whose package URL is of a kind."""
    return {
        component["name"]: component["version"]
        for component in bill["components"]
        if component.get("purl", "").startswith(f"pkg:{kind}/")
    }


def locked(variant: str) -> dict[str, str]:
    extras = [extra for extra in EXTRAS.values() if not extra or variant == GCS_UPLOADER]
    pins = re.findall(r"^(\S+)==(\S+)", "".join(map(requirements, extras)), re.MULTILINE)
    return dict(pins)


def test_it_lies_beside_the_tarball_and_says_whose_it_is(bill: dict[str, Any], architecture: str) -> None:
    image = bill["metadata"]["component"]
    content = image_hash("frame-grabber", architecture)
    assert (image["name"], image["version"]) == ("edgecam/frame-grabber", content[:12])
    assert {entry["name"]: entry["value"] for entry in image["properties"]} == {
        "edgecam:architecture": architecture,
        "edgecam:content": content,
    }


def test_it_is_valid_cyclonedx(tarball: Path) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(beside(tarball).read_text()) is None


def test_it_has_a_component_of_debian_for_each_entry_in_the_image(bill: dict[str, Any], run: Run) -> None:
    listing = "import os; print(*os.listdir('/var/lib/dpkg/status.d'))"
    in_image = set(run("python3", "-c", listing).stdout.split())
    debian = named(bill, "deb")
    (ffmpeg,) = [component for component in bill["components"] if component["name"] == "ffmpeg"]
    replaced = set(re.findall(r"lib\w+", ffmpeg["pedigree"]["notes"]))
    assert len(in_image) > 40
    assert set(debian) | replaced == in_image
    assert not set(debian) & replaced


def test_versions_are_those_that_debian_gave(bill: dict[str, Any], run: Run) -> None:
    entry = run("python3", "-c", "print(open('/var/lib/dpkg/status.d/tini').read())").stdout
    version = re.search(r"^Version: (\S+)$", entry, re.MULTILINE)
    assert version
    assert named(bill, "deb")["tini"] == version[1]


def test_python_packages_are_those_of_the_lock(bill: dict[str, Any]) -> None:
    assert named(bill, "pypi") == locked("frame-grabber")


def test_the_uploaders_are_the_frame_grabbers_and_its_own(uploader_image: str, architecture: str) -> None:
    name = build_image(GCS_UPLOADER, architecture)
    assert name == uploader_image
    text = (PROJECT / "build" / f"edgecam-{GCS_UPLOADER}-{architecture}-{name[-12:]}.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert named(json.loads(text), "pypi") == locked(GCS_UPLOADER)


def test_ffmpeg_is_named_as_what_it_is_and_where_it_comes_from(bill: dict[str, Any], run: Run) -> None:
    (ffmpeg,) = [component for component in bill["components"] if component["name"] == "ffmpeg"]
    assert ffmpeg["version"].endswith("-edgecam")
    (ancestor,) = ffmpeg["pedigree"]["ancestors"]
    assert ancestor["purl"].startswith("pkg:deb/debian/ffmpeg@")
    upstream = ffmpeg["version"].removesuffix("-edgecam")
    assert upstream in ancestor["version"]
    assert f":ffmpeg:{upstream}:" in ffmpeg["cpe"]
    assert run("gst-inspect-1.0", "avdec_h264").returncode == 0


def test_what_wheels_bring_along_is_named(bill: dict[str, Any]) -> None:
    (core,) = [component for component in bill["components"] if component["name"] == "pydantic-core"]
    assert len(core["components"]) > 20
    assert {component["purl"].split("/")[0] for component in core["components"]} == {"pkg:cargo"}


def test_our_program_is_named(bill: dict[str, Any]) -> None:
    (program,) = [component for component in bill["components"] if component["type"] == "application"]
    assert (program["name"], program["licenses"]) == ("edgecam", [{"license": {"id": "Apache-2.0"}}])


def test_package_urls_are_in_their_canonical_form(bill: dict[str, Any]) -> None:
    urls = re.findall(r'"purl": "(.*?)"', json.dumps(bill))
    assert len(urls) > 60
    assert [url for url in urls if PackageURL.from_string(url).to_string() != url] == []


def test_it_names_nothing_of_the_machines_that_built_it(tarball: Path) -> None:
    here = re.escape(f"{PROJECT.parent}/")
    assert not re.search(rf"https?://|file:|/home/|/root/|{here}|timestamp", beside(tarball).read_text())


def test_the_same_image_gives_the_same_bytes(tarball: Path, image: str, tmp_path: Path) -> None:
    again = tmp_path / "again.tar"
    subprocess.run(["docker", "save", "--output", str(again), image], check=True)
    texts = {bill_of_materials(read_contents(path), **STATED) for path in (tarball, again)}
    assert len(texts) == 1


def test_another_content_gives_another_serial_number(contents: Contents) -> None:
    serials = {
        json.loads(bill_of_materials(contents, **{**STATED, **other}))["serialNumber"]
        for other in ({}, {"architecture": "arm64"}, {"content_hash": "1" * 64})
    }
    assert len(serials) == 3


def test_a_bill_that_is_missing_is_written_without_building(tarball: Path, tmp_path: Path) -> None:
    copy = tmp_path / tarball.name
    shutil.copyfile(tarball, copy)
    architecture = tarball.name.split("-")[3]
    assert build("frame-grabber", architecture, output=copy) == copy
    assert beside(copy).read_bytes() == beside(tarball).read_bytes()


@pytest.mark.usefixtures("docker_engine")
def test_an_image_without_records_is_refused(tmp_path: Path) -> None:
    saved = tmp_path / "tiny.tar"
    with tiny_image() as name:
        subprocess.run(["docker", "save", "--output", str(saved), name], check=True)
    with pytest.raises(ContentsError, match="found 0, 0 and 0 of them"):
        read_contents(saved)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as archive:
        archive.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(ContentsError, match=r"found no file manifest\.json"):
        read_contents(other)


def layer(**files: bytes) -> bytes:
    """A compressed layer, as newer versions of Docker save them."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue())


def test_newer_dockers_tarball_is_read_and_upper_layers_win(tmp_path: Path) -> None:
    entry = b"Package: tini\nArchitecture: amd64\nVersion: %s\nDescription: init\n of containers\n"
    layers = {
        "blobs/sha256/aa": layer(
            **{
                "usr/lib/os-release": b'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n',
                "usr/lib/x86_64-linux-gnu/libavutil.so.59.39.100": b"\0FFmpeg version 7.1-edgecam\0",
                "var/lib/dpkg/status.d/tini": entry % b"0.19.0-3+b8",
            }
        ),
        "blobs/sha256/bb": layer(**{"var/lib/dpkg/status.d/tini": entry % b"0.20.0-1"}),
    }
    manifest = json.dumps([{"Layers": list(layers)}]).encode()
    saved = tmp_path / "image.tar"
    with tarfile.open(saved, "w") as archive:
        for name, content in {**layers, "manifest.json": manifest}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    found = read_contents(saved)
    assert found.ffmpeg == "7.1-edgecam"
    assert found.debian == (
        DebianPackage(
            name="tini", version="0.20.0-1", architecture="amd64", source="tini", source_version="0.20.0-1"
        ),
    )
