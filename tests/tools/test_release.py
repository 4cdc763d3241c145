"""`make release`: what it makes without a forge, and what it refuses."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

from container.image.inputs import ARCHITECTURES, VARIANTS, image_hash, image_name, image_tag
from container.image.tarball import tarball_holds
from edgecam import __version__
from fleet.load import load_fleet
from tools import release, release_text

PROJECT = Path(__file__).resolve().parents[2]
VERSIONED = ("pyproject.toml", "container/edgecam/__init__.py", "uv.lock", "CHANGELOG.md")
PUSHED = {variant: f"registry.example/acme/{variant}:0.2.0@sha256:{'a1' * 32}" for variant in VARIANTS}
SITE = 'sites: {a: {thing: c, cameras: [{id: a, uri: "rtsp://h/1"}]}}\n'


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """What holds a version, to be changed."""
    for name in VERSIONED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, tmp_path / name)
    return tmp_path


def test_this_tree_can_be_released() -> None:
    done = subprocess.run(
        ["make", "-s", "release", f"VERSION={__version__}", "IMAGES=none"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    folder = PROJECT / "build" / "release" / __version__
    said = [line for line in done.stdout.splitlines() if not line.startswith("install: ")]
    assert [line.split()[0] for line in said] == ["versions", "wheel", "text", "sums"]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        assert f"edgecam-{__version__}.dist-info/METADATA" in package.namelist()
    assert (folder / "SHA256SUMS").read_text() == (
        f"{hashlib.sha256(wheel.read_bytes()).hexdigest()}  {wheel.name}\n"
    )
    text = (folder / "notes.md").read_text()
    assert text.startswith("### ")
    assert "\n## " not in text


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0-rc1", ""])
def test_version_of_another_form_is_refused(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        release.main([version])
    assert ended.value.code == 2
    assert "expected three numbers, such as 0.2.0, found" in capsys.readouterr().err


def test_make_asks_for_the_version() -> None:
    done = subprocess.run(["make", "release"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "expected a version, as in: make release VERSION=0.2.0" in done.stderr


def test_every_place_with_another_version_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert release.main(["9.9.9", "--into", str(tmp_path / "out")]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [*VERSIONED]
    assert f"pyproject.toml: expected version 9.9.9, found {__version__}; write 9.9.9 there" in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", VERSIONED[:3])
def test_a_version_that_was_forgotten_is_named(versions: Path, name: str) -> None:
    assert list(release.mistakes_of(__version__, versions)) == []
    path = versions / name
    beginning = 'name = "edgecam"\nversion' if name == "uv.lock" else "version"
    text = path.read_text()
    other = re.sub(rf'({beginning}_*) = "{re.escape(__version__)}"', r'\1 = "0.0.9"', text, count=1)
    assert other != text
    path.write_text(other)
    (mistake,) = release.mistakes_of(__version__, versions)
    assert mistake == f"{name}: expected version {__version__}, found 0.0.9; write {__version__} there"


@pytest.mark.parametrize(
    ("changelog", "complaint"),
    [
        ("## [Unreleased]\n- new\n", "found Unreleased; give what stands under Unreleased this heading"),
        ("## [0.2.0]\n- new\n", "found it without a date"),
        ("## [0.2.0] - 2026-01-02\n\n## [0.1.0] - 2026-01-01\n- old\n", "found an empty one"),
        ("", "found none"),
    ],
)
def test_changelog_without_the_version_is_refused(changelog: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as refused:
        release_text.section(changelog, "0.2.0")
    assert "expected a section ## [0.2.0] - YYYY-MM-DD" in str(refused.value)


def test_text_is_the_section_of_the_version_alone() -> None:
    later, before = "## [Unreleased]\n- later\n", "## [0.1.0]\n- old\n"
    here = "## [0.2.0] - 2026-01-02\n\n### Added\n- new\n"
    changelog = "\n".join(["# Changelog\n", later, here, before])
    assert release_text.section(changelog, "0.2.0") == "### Added\n- new\n"


def test_text_has_the_images_as_a_fleet_takes_them(tmp_path: Path) -> None:
    arguments = [f"{variant}={image}" for variant, image in PUSHED.items()]
    done = subprocess.run(
        # As the workflow runs it: nothing is installed where something may be written.
        ["/usr/bin/python3", "-S", "-m", "tools.release_text", __version__, *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", done.stdout, re.MULTILINE | re.DOTALL)
    assert yaml.safe_load(block)["image"]["released"] == PUSHED
    path = tmp_path / "fleet.yaml"
    path.write_text(SITE + block)
    assert load_fleet(path).image.released == PUSHED


@pytest.mark.parametrize(
    "pushed",
    ["frame-grabber", "frame-grabber=registry.example/a:0.2.0", f"dashboard=r.example/a@sha256:{'0' * 64}"],
)
def test_image_that_no_fleet_could_use_is_not_written_into_a_text(
    pushed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        release_text.main([__version__, pushed])
    assert ended.value.code == 2
    assert "expected " in capsys.readouterr().err


def test_images_that_cannot_be_made_are_said_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for images, code in (("possible", 0), ("all", 1)):
        assert release.main([__version__, "--images", images, "--into", str(tmp_path / "out")]) == code
        said = capsys.readouterr().out
        for variant in VARIANTS:
            for architecture in ARCHITECTURES:
                assert f"{variant} for {architecture}: not made. Docker is not installed" in said
        # A release is built on a base that has its digest.
        assert "to try only, not to release: base image of a release: expected it with its digest" in said


def test_images_for_this_machine_are_made(
    docker_engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main([__version__, "--into", str(tmp_path)]) == 0
    sums = (tmp_path / "SHA256SUMS").read_text()
    for variant in VARIANTS:
        tarball = tmp_path / f"edgecam-{__version__}-{variant}-{docker_engine}.tar.gz"
        assert tarball_holds(tarball, image_name(variant, image_tag(image_hash(variant, docker_engine))))
        assert f"  {tarball.name}\n" in sums
        assert f"  edgecam-{__version__}-{variant}-{docker_engine}.cdx.json\n" in sums
    assert "for amd64: " in capsys.readouterr().out
