"""The zips of the functions that work at Google and ClearBlade."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stacks.functions import packing

OF_DEVICES = {"cloud-iot-google": "google/cloud/iot_v1", "cloud-iot-clearblade": "clearblade/cloud/iot_v1"}
"""Functions that make devices, and where the library of each is. That they work: CloudFormation's test."""


def test_zip_holds_our_modules_and_googles_library_for_lambdas_processor(packed: Path) -> None:
    names = zipfile.ZipFile(packed).namelist()
    assert {name for name, _ in packing.GCS_BUCKET.code.files()} <= set(names)
    assert "handlers/greengrass/component_version.py" not in names
    assert "google/cloud/storage/client.py" in names
    compiled = [name for name in names if name.endswith(".so") and "abi3" not in name]
    assert compiled
    assert all("cpython-314-x86_64" in name for name in compiled)
    assert not [name for name in names if "__pycache__" in name]


def test_zip_fits_into_lambda(packed: Path) -> None:
    assert sum(entry.file_size for entry in zipfile.ZipFile(packed).infolist()) < 250 * 1024**2


def test_zip_is_the_same_whenever_it_is_made(packed: Path) -> None:
    times = {entry.date_time for entry in zipfile.ZipFile(packed).infolist()}
    assert times == {(1980, 1, 1, 0, 0, 0)}
    names = zipfile.ZipFile(packed).namelist()
    assert names == sorted(names, key=lambda name: Path(name).parts)


def test_handler_is_imported_from_the_zips_own_packages(packed: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(packed).extractall(tmp_path)
    script = (
        "import handlers.gcs.bucket as handler, google.cloud.storage as library\n"
        "assert callable(handler.handler)\nprint(library.__file__)\n"
    )
    # Where this Python is not Lambda's, its own compiled module stands in for the one that it cannot load.
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.strip() == str(tmp_path / "google/cloud/storage/__init__.py")


def test_zip_that_is_there_is_not_made_again(packed: Path) -> None:
    before = packed.stat().st_mtime_ns
    assert packing.pack(output=packed) == packed
    assert packed.stat().st_mtime_ns == before


def test_tag_of_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(packing.PackingError, match=r"found 0000: they have changed .* Synthesize again"):
        packing.pack("0000", tmp_path / "function.zip")


def test_installer_that_fails_is_quoted_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "import sys; sys.exit('no index here')"
    monkeypatch.setattr(packing, "_installer", lambda: [sys.executable, "-c", said])
    with pytest.raises(packing.PackingError, match="could not get google-cloud-storage for Lambda") as caught:
        packing.pack(output=tmp_path / "out" / "function.zip")
    assert str(caught.value).endswith("no index here")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", OF_DEVICES)
def test_zip_of_devices_holds_its_providers_library_alone(packed_for: Callable[..., Path], name: str) -> None:
    names = zipfile.ZipFile(packed_for(name)).namelist()
    assert {each for each, _ in packing.FUNCTIONS[name].code.files()} == {
        each for each in names if each.startswith("handlers/")
    }
    held = {library for library in OF_DEVICES.values() if any(each.startswith(library) for each in names)}
    assert held == {OF_DEVICES[name]}
    # Lambda has it.
    assert not [each for each in names if each.startswith("boto")]
    compiled = [each for each in names if each.endswith(".so") and "abi3" not in each]
    assert all("cpython-313-x86_64" in each for each in compiled)


def test_hash_changes_with_modules_lock_and_python() -> None:
    functions = list(packing.FUNCTIONS.values())
    hashes = {packing.content_hash(function) for function in functions}
    hashes |= {packing.content_hash(replace(function, python="3.12")) for function in functions}
    assert len(hashes) == 2 * len(functions)
