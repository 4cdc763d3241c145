"""`image.released`: what it takes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from container.image.released import released_image
from edgecam.errors import ConfigurationError
from fleet.load import load_fleet
from fleet.settings.fleet import Fleet

DIGEST = f"sha256:{'a1' * 32}"
GRABBER = f"registry.example/acme/edgecam/frame-grabber@{DIGEST}"
SITE = 'sites: {a: {thing: c, cameras: [{id: a, uri: "rtsp://h/1"}]}}\n'
RECORDER = (
    "sites: {a: {variant: gcs-uploader, thing: c, bucket: gs://recordings, "
    'cameras: [{id: a, uri: "rtsp://h/1", recording: {enabled: true}}]}}\n'
)


def fleet(folder: Path, image: str, sites: str = SITE) -> Fleet:
    path = folder / "fleet.yaml"
    path.write_text(f"{sites}image: {image}")
    return load_fleet(path)


def mistakes(folder: Path, image: str, sites: str = SITE) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        fleet(folder, image, sites)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    "name", ["registry.example:5000/frame-grabber", "127.0.0.1:5000/a/b/c", "acme/edgecam"]
)
@pytest.mark.parametrize("tag", ["", ":0.2.0"])
def test_released_image_is_named_by_its_digest(tmp_path: Path, name: str, tag: str) -> None:
    image = fleet(tmp_path, f'{{released: {{frame-grabber: "{name}{tag}@{DIGEST}"}}}}').image
    assert str(image.release_of("frame-grabber")) == f"{name}@{DIGEST}"
    assert image.release_of("gcs-uploader") is None
    assert image.build_arguments("frame-grabber") == ["--released", f"{name}@{DIGEST}"]


@pytest.mark.parametrize(
    "name",
    [
        "registry.example/frame-grabber:0.2.0",
        "registry.example/frame-grabber@sha256:a1",
        f"frame-grabber@{DIGEST}",
        f"registry.example/Frame-Grabber@{DIGEST}",
        f"registry.example/a b@{DIGEST}",
        f"https://registry.example/a@{DIGEST}",
        f"registry.example/{'a' * 300}@{DIGEST}",
    ],
)
def test_other_name_is_refused_with_the_form_that_a_release_has(tmp_path: Path, name: str) -> None:
    (line,) = mistakes(tmp_path, f'{{released: {{frame-grabber: "{name}"}}}}')
    assert line.startswith(
        "fleet.yaml: image.released: expected an image by its digest, REGISTRY/NAME@sha256:…, as the text of "
        'a release has it, found "'
    )
    assert line.endswith(" for frame-grabber")
    assert len(line) < 300


def test_login_in_a_name_is_refused_and_not_repeated(tmp_path: Path) -> None:
    (line,) = mistakes(
        tmp_path, f'{{released: {{frame-grabber: "https://me:hunter2@registry.example/a@{DIGEST}"}}}}'
    )
    assert "hunter2" not in line


def test_name_of_a_megabyte_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="expected an image by its digest"):
        released_image("a/" * 500_000 + f"a@{DIGEST}")


def test_unknown_variant_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    (line,) = mistakes(tmp_path, f'{{released: {{dashboard: "{GRABBER}"}}}}')
    place, expected = "fleet.yaml: image.released.dashboard", "expected 'frame-grabber' or 'gcs-uploader'"
    assert line == f'{place}: {expected}, found "dashboard"'


def test_every_variant_that_sites_run_has_to_be_released(tmp_path: Path) -> None:
    assert mistakes(tmp_path, f'{{released: {{frame-grabber: "{GRABBER}"}}}}', RECORDER) == [
        "fleet.yaml: image.released: expected an image of gcs-uploader as well, which sites.a runs, found "
        "one of frame-grabber alone"
    ]


def test_base_beside_a_release_is_refused(tmp_path: Path) -> None:
    assert mistakes(tmp_path, f'{{base: "debian:13", released: {{frame-grabber: "{GRABBER}"}}}}') == [
        "fleet.yaml: image: expected base only where an image is built (leave out either), found base and "
        "released"
    ]


def test_cores_pull_from_a_registry_only_what_is_released(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "{delivery: registry}") == [
        "fleet.yaml: image: expected released with delivery: registry, which is where cores pull images "
        "from, found none"
    ]


def test_release_is_pinned_by_nature(tmp_path: Path) -> None:
    assert fleet(tmp_path, f'{{pinned: true, released: {{frame-grabber: "{GRABBER}"}}}}').image.pinned


def test_content_is_that_of_digest_variant_and_architecture_and_not_of_the_registry() -> None:
    first, mirror = (released_image(f"{name}/a@{DIGEST}") for name in ("registry.example", "mirror.example"))
    other = released_image(f"registry.example/a@sha256:{'b2' * 32}")
    assert first.content_hash("frame-grabber", "amd64") == mirror.content_hash("frame-grabber", "amd64")
    found = {
        first.content_hash("frame-grabber", "amd64"),
        first.content_hash("frame-grabber", "arm64"),
        first.content_hash("gcs-uploader", "amd64"),
        other.content_hash("frame-grabber", "amd64"),
    }
    assert len(found) == 4
