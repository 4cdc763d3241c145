"""The hash that names an image: the same wherever nothing changed, another wherever something did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from container.image.inputs import (
    FILES,
    FRAME_GRABBER,
    GCS_UPLOADER,
    PROJECT,
    VARIANTS,
    image_hash,
    input_files,
    uploader_rooms,
)
from container.image.requirements import EXTRAS, FOLDER, requirements, write

HASH = re.compile(r"^[0-9a-f]{64}$")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of everything that the hash reads, made by nobody's usual umask and at another time."""
    copy = tmp_path / "elsewhere"
    for _, path in input_files(GCS_UPLOADER):
        target = copy / path.relative_to(PROJECT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o700)
        os.utime(target, (0, 0))
    shutil.copyfile(PROJECT / "uv.lock", copy / "uv.lock")
    return copy


def _hash(project: Path, variant: str = FRAME_GRABBER) -> str:
    return image_hash(variant, "amd64", project=project)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_hash_is_the_same_on_another_machine(project: Path, variant: str) -> None:
    assert HASH.match(_hash(project, variant))
    assert _hash(project, variant) == _hash(PROJECT, variant)


@pytest.mark.parametrize("name", [*FILES[FRAME_GRABBER], "edgecam/config/camera.py", "edgecam/errors.py"])
def test_the_hash_changes_with_every_file_that_enters_the_image(project: Path, name: str) -> None:
    before = {_hash(project, variant) for variant in VARIANTS}
    path = project / "container" / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert before.isdisjoint(_hash(project, variant) for variant in VARIANTS)


@pytest.mark.parametrize(
    "name", [*FILES[GCS_UPLOADER], "edgecam/bucket/interface.py", "edgecam/spool/new.py"]
)
def test_what_only_the_uploader_has_leaves_the_frame_grabber_as_it_is(project: Path, name: str) -> None:
    grabber, uploader = _hash(project), _hash(project, GCS_UPLOADER)
    with (project / "container" / name).open("ab") as changed:
        changed.write(b"\n")
    assert _hash(project) == grabber
    assert _hash(project, GCS_UPLOADER) != uploader


def test_the_hash_changes_with_a_new_file(project: Path) -> None:
    before = _hash(project)
    (project / "container/edgecam/new.py").touch()
    assert _hash(project) != before


def test_the_hash_changes_with_a_file_that_moves(project: Path) -> None:
    before = _hash(project)
    (project / "container/edgecam/errors.py").rename(project / "container/edgecam/mistakes.py")
    assert _hash(project) != before


@pytest.mark.parametrize(
    "name",
    [
        "__pycache__/config.cpython-311.pyc",
        "__pycache__/config.py",
        ".config.py.swp",
        "config.py~",
        ".cache/a.py",
    ],
)
def test_the_hash_ignores_what_editors_and_the_interpreter_leave(project: Path, name: str) -> None:
    before = _hash(project)
    path = project / "container/edgecam" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("leavings")
    assert _hash(project) == before


def test_the_hash_changes_with_variant_architecture_and_base_image() -> None:
    hashes = {
        image_hash("frame-grabber", "amd64"),
        image_hash("frame-grabber", "arm64"),
        image_hash("frame-grabber", "amd64", "mirror.example/debian:trixie-slim"),
        image_hash("gcs-uploader", "amd64"),
    }
    assert len(hashes) == 4


def test_the_hash_changes_with_a_requirement_of_the_program_only(project: Path) -> None:
    before = _hash(project)
    _set_version(project / "uv.lock", "pytest", "99.0")
    write(project)
    assert _hash(project) == before
    _set_version(project / "uv.lock", "six", "99.0")  # which the program needs only through botocore
    write(project)
    assert _hash(project) != before


def test_the_uploaders_own_requirements_change_its_hash_alone(project: Path) -> None:
    grabber, uploader = _hash(project), _hash(project, GCS_UPLOADER)
    _set_version(project / "uv.lock", "pyasn1", "99.0")  # which it needs only through google-auth
    write(project)
    assert _hash(project) == grabber
    assert _hash(project, GCS_UPLOADER) != uploader


@pytest.mark.parametrize("name", EXTRAS)
def test_the_requirements_in_the_build_context_are_those_of_the_lock(name: str) -> None:
    assert _written(name) == requirements(EXTRAS[name]), "run `make lock`, or what it runs at its end"


@pytest.mark.parametrize(("variant", "options"), [(FRAME_GRABBER, []), (GCS_UPLOADER, ["--extra", "gcs"])])
def test_the_requirements_are_those_that_uv_exports(variant: str, options: list[str]) -> None:
    uv = PROJECT / ".venv/bin/uv"
    export = [str(uv) if uv.exists() else "uv", "export", "--frozen", "--no-dev", "--no-emit-project"]
    exported = subprocess.run(
        [*export, *options], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    files = [name for name, extra in EXTRAS.items() if not extra or variant == GCS_UPLOADER]
    assert _pins("".join(map(_written, files))) == _pins(exported)


def test_no_package_is_installed_twice() -> None:
    always, added = (_names(_written(name)) for name in EXTRAS)
    assert added
    assert always.isdisjoint(added)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_requirement_has_a_wheel_for_each_architecture(machine: str) -> None:
    # The image's Python is Debian 13's, 3.13; nothing is compiled while the image is built.
    fits = re.compile(rf"-(py3|py2\.py3)-none-any\.whl|-(cp313|cp3\d+-abi3)-.*manylinux.*_{machine}.*\.whl")
    lock = tomllib.loads((PROJECT / "uv.lock").read_text(encoding="utf-8"))
    names = _names("".join(map(_written, EXTRAS)))
    files = {
        package["name"]: [wheel.get("path", wheel.get("url", "")) for wheel in package.get("wheels", [])]
        for package in lock["package"]
        if package["name"] in names
    }
    assert set(files) == names
    assert [name for name, wheels in files.items() if not any(fits.search(wheel) for wheel in wheels)] == []


def test_a_lock_with_two_versions_of_a_package_is_refused(project: Path) -> None:
    with (project / "uv.lock").open("a", encoding="utf-8") as lock:
        lock.write('\n[[package]]\nname = "six"\nversion = "1.0"\n')
    with pytest.raises(ValueError, match="expected one version of six, found 2"):
        requirements(project=project)


def test_a_package_for_another_system_is_asked_for_under_its_condition(project: Path) -> None:
    lock = project / "uv.lock"
    text = lock.read_text(encoding="utf-8")
    needed = '    { name = "six" },\n'
    assert needed in text
    lock.write_text(
        text.replace(needed, needed.replace(" }", ", marker = \"sys_platform == 'win32'\" }")),
        encoding="utf-8",
    )
    assert re.search(
        r"^six==\S+ ; \(sys_platform == 'win32'\) \\$", requirements(project=project), re.MULTILINE
    )


@pytest.mark.parametrize(("variant", "architecture"), [("grabber", "amd64"), ("frame-grabber", "aarch64")])
def test_an_image_that_cannot_be_built_has_no_hash(variant: str, architecture: str) -> None:
    with pytest.raises(ValueError, match=r"expected .* found '(grabber|aarch64)'"):
        image_hash(variant, architecture)


def test_the_hash_needs_neither_docker_nor_uv_nor_git() -> None:
    program = "from container.image.inputs import image_hash; print(image_hash('frame-grabber', 'amd64'))"
    line = [sys.executable, "-S", "-c", program]
    asked = subprocess.run(
        line, cwd=PROJECT, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert asked.stdout.strip() == _hash(PROJECT), asked.stderr


def _set_version(lock: Path, name: str, version: str) -> None:
    pattern = rf'(name = "{name}"\nversion = )"[^"]+"'
    text, count = re.subn(pattern, rf'\1"{version}"', lock.read_text(encoding="utf-8"))
    assert count == 1
    lock.write_text(text, encoding="utf-8")


def _written(name: str) -> str:
    return (PROJECT / FOLDER / name).read_text(encoding="utf-8")


def _names(text: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))


def _pins(text: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==[^\s;\\]+|--hash=\S+", text, re.MULTILINE))


def test_every_element_that_the_program_makes_is_in_the_image() -> None:
    declared = tomllib.loads(
        (PROJECT / "container/image/stage/frame-grabber.toml").read_text(encoding="utf-8")
    )["plugins"]
    programs = [
        path.read_text(encoding="utf-8") for _, path in input_files(GCS_UPLOADER) if path.suffix == ".py"
    ]
    made = {name for program in programs for name in re.findall(r'\bmake\(\s*"([a-z0-9]+)"', program)}
    assert {"appsink", "jpegenc", "videotestsrc"} <= made
    assert made - {name for elements in declared.values() for name in elements} == set()


def test_of_the_frame_grabbers_rooms_only_the_node_imports_the_uploaders_and_only_when_it_records() -> None:
    program = PROJECT / "container/edgecam"
    rooms = "|".join(uploader_rooms())
    importing = re.compile(rf"^([ ]*)(?:from|import) edgecam\.(?:{rooms})\b", re.MULTILINE)
    found = {
        path.relative_to(program).as_posix(): importing.findall(path.read_text(encoding="utf-8"))
        for _, path in input_files(FRAME_GRABBER)
        if path.suffix == ".py" and path.is_relative_to(program)
    }
    importers = {name: indents for name, indents in found.items() if indents}
    assert set(importers) == {"node/camera_worker.py", "node/process.py"}
    assert all(indent for indents in importers.values() for indent in indents)
