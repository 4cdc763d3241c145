"""Which images the recipe's scripts keep on a core, and which they remove: sh, and real Docker."""

from __future__ import annotations

import subprocess
import uuid
from typing import Any

from recipe_image import TestImage, docker
from recipe_scripts import has_image, id_of, is_here


def started(run: Any, environment: dict[str, str], image: str) -> str:
    """What the run script says until the container runs, which is ended then."""
    running = run({**environment, "EDGECAM_IMAGE": image})
    running.end()
    said: str = running.output()
    return said


def test_image_that_has_gone_is_loaded_again(run: Any, environment: dict[str, str], image: TestImage) -> None:
    docker("image", "rm", "--force", image.name)
    assert f"Loading the image {image.name}." in run(environment).output()


def test_image_that_ran_before_stays_for_a_rollback_and_the_one_before_that_goes(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    second, third = (image.another(tag, uuid.uuid4().hex) for tag in ("second", "third"))
    # It crashes, and is started again as often as the nucleus does.
    for _ in range(3):
        started(run, environment, second)
    started(run, environment, image.name)
    assert is_here(second)
    # The core goes back, and later to a third one.
    assert "Loading" not in started(run, environment, second)
    assert f"Removed the superseded image {image.name}." in started(run, environment, third)
    assert (is_here(image.name), is_here(second), is_here(third)) == (False, True, True)


def test_superseded_image_in_use_is_kept(run: Any, environment: dict[str, str], image: TestImage) -> None:
    used, *later = (image.another(f"used{number}", uuid.uuid4().hex) for number in range(3))
    container = docker("run", "--detach", used, "sleep", "600")
    try:
        for each in (used, *later):
            started(run, environment, each)
        assert has_image(id_of(used))
    finally:
        docker("rm", "--force", container)


def test_image_of_another_component_on_this_machine_is_kept(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    """Both of a variant may have run the same image, and the other is off."""
    shared, *later = (image.another(f"shared{number}", uuid.uuid4().hex) for number in range(3))
    other = {**environment, "EDGECAM_CONTAINER": f"{image.container}-other"}
    started(run, other, shared)
    loaded = image.another("loaded", uuid.uuid4().hex)  # for another core, which has not run it yet
    for each in (shared, *later):
        started(run, environment, each)
    assert is_here(shared)
    assert is_here(loaded)
    assert "Loading" not in started(run, other, shared)


def test_images_of_others_are_kept(run: Any, environment: dict[str, str], image: TestImage) -> None:
    theirs = f"example/{image.variant}:theirs"
    superseded, *later = (image.another(f"ours{number}", uuid.uuid4().hex) for number in range(3))
    docker("tag", superseded, theirs)
    try:
        for each in (superseded, *later):
            started(run, environment, each)
        assert (is_here(superseded), is_here(theirs)) == (False, True)
    finally:
        subprocess.run(["docker", "image", "rm", "--force", theirs], capture_output=True, check=False)
