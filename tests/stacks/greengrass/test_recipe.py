"""The recipe, its size and its version."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from stacks.greengrass.recipe import Artifact, Recipe, container_name, content_version

NAME = "com.edgecam.frame-grabber"


def artifact(architecture: str, tag: str = "0123456789ab") -> Artifact:
    return Artifact(
        architecture=architecture,
        image=f"edgecam/frame-grabber:{tag}",
        key=f"frame-grabber/{tag}-{architecture}.tar.gz",
        content_hash=tag * 5,
    )


def recipe_of(*artifacts: Artifact) -> Recipe:
    return Recipe(variant="frame-grabber", name=NAME, artifacts=artifacts)


def rendered(*artifacts: Artifact, bucket: str = "bucket") -> str:
    return recipe_of(*artifacts).render(version="1.2.3", bucket=bucket)


def test_recipe_has_one_manifest_for_each_architecture() -> None:
    recipe = json.loads(rendered(artifact("amd64"), artifact("arm64", "ba9876543210")))
    platforms = [manifest["Platform"]["architecture"] for manifest in recipe["Manifests"]]
    uris = [manifest["Artifacts"][0]["Uri"] for manifest in recipe["Manifests"]]
    assert platforms == ["amd64", "aarch64"]
    assert uris == [
        "s3://bucket/frame-grabber/0123456789ab-amd64.tar.gz",
        "s3://bucket/frame-grabber/ba9876543210-arm64.tar.gz",
    ]


@pytest.mark.parametrize(
    ("component", "container"),
    [
        ("com.edgecam.frame-grabber", "edgecam-frame-grabber"),
        ("com.edgecam.north.gcs-uploader", "edgecam-com.edgecam.north.gcs-uploader"),
        ("org.acme.frame-grabber", "edgecam-org.acme.frame-grabber"),
        # Docker's names begin with a letter or digit.
        ("_.frame-grabber", "edgecam-_.frame-grabber"),
    ],
)
def test_container_is_named_after_its_component(component: str, container: str) -> None:
    assert container_name(component) == container
    text = replace(recipe_of(artifact("amd64")), name=component).render(version="1.2.3", bucket="b")
    (manifest,) = json.loads(text)["Manifests"]
    assert manifest["Lifecycle"]["Setenv"]["EDGECAM_CONTAINER"] == container


def test_components_of_any_two_prefixes_have_two_containers() -> None:
    prefixes = (
        "com.edgecam",
        "edgecam",
        "com.acme",
        "acme",
        "com.a.b",
        "com.a-b",
        "com.edgecam.a",
        "a",
        "_a",
    )
    names = {container_name(f"{prefix}.frame-grabber") for prefix in prefixes}
    assert len(names) == len(prefixes)
    assert all(re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name) for name in names)  # Docker's rule


def test_version_is_three_plain_numbers_of_at_most_six_digits() -> None:
    for number in range(200):
        assert re.fullmatch(
            r"1\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})", content_version("recipe", [str(number)])
        )


def test_version_is_the_same_for_the_same_content_on_every_machine() -> None:
    # A known answer: neither hash seeds, nor times, nor folders may enter.
    assert content_version("recipe", ["image"]) == "1.951153.171572"


def test_version_changes_with_the_recipe() -> None:
    assert content_version("recipe", ["image"]) != content_version("recipe ", ["image"])


def test_version_changes_with_each_image() -> None:
    versions = {content_version("recipe", images) for images in (["a", "b"], ["a", "c"], ["c", "b"], ["a"])}
    assert len(versions) == 4


def test_version_does_not_depend_on_what_cloudformation_fills_in() -> None:
    """A repository has another name in each account; a bucket that settings name is part of the recipe."""
    pulled = [
        Artifact(architecture="amd64", image=f"{registry}/images@sha256:{'1' * 64}", content_hash="hash")
        for registry in ("1.dkr.ecr.a.example.com", "2.dkr.ecr.b.example.com")
    ]
    assert len({recipe_of(each).version for each in pulled}) == 1
    recipe = recipe_of(artifact("amd64"))
    assert replace(recipe, known_bucket="our-artifacts").version != recipe.version


def test_recipe_that_would_be_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    both = recipe_of(artifact("amd64"), artifact("arm64"))
    both.check_size()
    monkeypatch.setattr("stacks.greengrass.recipe.MAX_RECIPE_BYTES", 1_000)
    with pytest.raises(
        ValueError, match=f"recipe of {NAME}: expected at most 1000 bytes, .*choose a shorter"
    ):
        both.check_size()


def test_recipe_whose_components_name_leaves_no_room_is_refused() -> None:
    both = recipe_of(artifact("amd64"), artifact("arm64"))
    named = replace(both, name=f"{'com.acme.' * 40}frame-grabber")
    with pytest.raises(
        ValueError, match=r"all that nucleus lite takes, found \d{4,5}; choose a shorter aws.co"
    ):
        named.check_size()
