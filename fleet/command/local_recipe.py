"""A recipe for trying a site's component on a core by hand: without a deployment, an upload or a bucket.

It is what a deploy would register and deploy, read from the templates, in one file: the settings of the site
are the recipe's defaults, and the image's tarball lies where both nuclei look for artifacts of their own. Its
version begins with 0, so that it is never taken for one that the stacks register.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecam.errors import EdgecamError
from fleet.command.site_states import Template, deployment_of, merge_of, own_component, text_of
from fleet.settings.fleet import Fleet
from fleet.settings.image import Image

_REGISTERED = "Custom::GreengrassComponentVersion"
_UNKNOWN = re.compile(r"\$\{[A-Za-z0-9:.]+\}")
"""A value of a template that CloudFormation fills in (fleet/command/site_states.py)."""

_ARTIFACTS = "{artifacts:path}/"
_ARCHITECTURES = {"amd64": "amd64", "aarch64": "arm64"}
"""A nucleus' words for a processor, and Docker's words."""

_VERSION_NUMBERS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class LocalRecipe:
    """What a core needs to run the component of a site.

    Attributes:
        recipe: With the site's settings as its defaults.
        tarballs: File name of the image of each architecture, in Docker's words.
        others: The other components of the site: version, and what is merged into their configuration.
    """

    recipe: Mapping[str, Any]
    tarballs: Mapping[str, str]
    others: Mapping[str, tuple[str, Mapping[str, Any]]]

    @property
    def name(self) -> str:
        """The component's name."""
        return str(self.recipe["ComponentName"])

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.recipe["ComponentVersion"])

    def write(self, folder: Path) -> Path:
        """Write recipe and configuration to `folder`; returns the recipe's path."""
        (folder / "recipes").mkdir(parents=True, exist_ok=True)
        path = folder / "recipes" / f"{self.name}-{self.version}.json"
        path.write_text(json.dumps(self.recipe, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        update: dict[str, Any] = {name: {"MERGE": merge} for name, (_, merge) in self.others.items() if merge}
        # What an earlier deployment has configured would hide the recipe's defaults.
        update[self.name] = {"RESET": [""]}
        (folder / "update-config.json").write_text(json.dumps(update, indent=1) + "\n", encoding="utf-8")
        return path

    def commands(self, folder: Path, *, variant: str, image: Image) -> str:
        """What to type: the image, then the deployment, on either nucleus."""
        wanted = [f"{self.name}={self.version}", *(f"{name}={each[0]}" for name, each in self.others.items())]
        lite: list[str | Path] = [
            "sudo",
            "ggl-cli",
            "deploy",
            "--recipe-dir",
            folder / "recipes",
            "--artifacts-dir",
        ]
        lite += [folder / "artifacts", *(word for each in wanted for word in ("--add-component", each))]
        classic: list[str | Path] = [
            "sudo",
            "/greengrass/v2/bin/greengrass-cli",
            "deployment",
            "create",
            "--recipeDir",
        ]
        classic += [folder / "recipes", "--artifactDir", folder / "artifacts"]
        classic += [word for each in wanted for word in ("--merge", each)]
        classic += ["--update-config", folder / "update-config.json"]
        return "".join(
            [
                "\n# Here: the image. Then have the whole folder on the core, under the same path.\n",
                *map(_line, self._builds(folder, variant, image)),
                "\n# On a core with Nucleus Lite. What a deployment has configured there stays.\n",
                _line(lite),
                "\n# On a core with the classic nucleus and aws.greengrass.Cli.\n",
                _line(classic),
            ]
        )

    def _builds(self, folder: Path, variant: str, image: Image) -> Iterator[list[str | Path]]:
        for architecture, tarball in self.tarballs.items():
            output = folder / "artifacts" / self.name / self.version / tarball
            chosen = image.build_arguments(variant)
            yield [
                *("container/build", "--variant", variant, "--architecture", architecture, *chosen),
                *("--output", output),
            ]


def local_recipe(fleet: Fleet, name: str, templates: Mapping[str, Template]) -> LocalRecipe:
    """The recipe for a site, from the templates of its fleet.

    Raises:
        EdgecamError: there is no such site, or its component needs what only a deployment makes.
    """
    if name not in fleet.sites:
        raise EdgecamError(f"sites: expected one of {', '.join(fleet.sites)}, found {name}")
    if fleet.image.delivery != "s3":
        raise EdgecamError(
            "image.delivery: expected s3 for a recipe to try by hand, which has its image beside it, found "
            f"{fleet.image.delivery}"
        )
    components = deployment_of(name, templates)["Components"]
    own = own_component(components)
    recipe = _registered(own, templates)
    configuration = recipe.setdefault("ComponentConfiguration", {})
    configuration["DefaultConfiguration"] = _merged(
        configuration.get("DefaultConfiguration", {}), merge_of(components[own])
    )
    tarballs = {}
    for manifest in recipe["Manifests"]:
        manifest["Artifacts"] = []
        architecture = _ARCHITECTURES[manifest["Platform"]["architecture"]]
        archive = manifest["Lifecycle"]["Setenv"]["EDGECAM_ARCHIVE"]
        tarballs[architecture] = archive.removeprefix(_ARTIFACTS)
    _expect_no_object(name, configuration["DefaultConfiguration"])
    _expect_known(name, recipe)
    recipe["ComponentVersion"] = _version(recipe)
    return LocalRecipe(
        recipe=recipe,
        tarballs=tarballs,
        others={
            each: (text_of(components[each]["ComponentVersion"]), merge_of(components[each]))
            for each in components
            if each != own
        },
    )


def _registered(component: str, templates: Mapping[str, Template]) -> dict[str, Any]:
    """The recipe that a deploy registers."""
    for template in templates.values():
        for resource in template.get("Resources", {}).values():
            properties = resource.get("Properties", {})
            if resource["Type"] == _REGISTERED and properties["ComponentName"] == component:
                recipe: dict[str, Any] = json.loads(text_of(properties["Recipe"]))
                return recipe
    raise EdgecamError(f"{component}: expected its recipe in the templates, found none")


def _merged(defaults: Mapping[str, Any], merge: Mapping[str, Any]) -> dict[str, Any]:
    """As a nucleus merges a configuration: mappings deeply, all else is replaced."""
    merged = copy.deepcopy(dict(defaults))
    for key, value in merge.items():
        before = merged.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            merged[key] = _merged(before, value)
        else:
            merged[key] = value
    return merged


def _expect_no_object(name: str, configuration: Mapping[str, Any]) -> None:
    if configuration["settings"]["0"].startswith("s3://"):
        raise EdgecamError(
            f"sites.{name}: expected settings that fit into a recipe to try by hand, found more: a deployed "
            "component fetches them from the artifact bucket, where a deploy puts them (fewer cameras, or "
            "settings that are alike, take less)"
        )


def _expect_known(name: str, recipe: Mapping[str, Any]) -> None:
    if found := _UNKNOWN.search(json.dumps(recipe)):
        raise EdgecamError(
            f"sites.{name}: expected settings that are known without a deployment, found {found[0]} (aws: "
            "{account: …, region: …} in the fleet file names those; what lies in the artifact bucket only a "
            "deployed component finds)"
        )


def _version(recipe: Mapping[str, Any]) -> str:
    """Another one for another content, so that a core takes each change for an update."""
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).digest()
    numbers = [int.from_bytes(digest[start : start + 8], "big") % _VERSION_NUMBERS for start in (0, 8)]
    return f"0.{numbers[0]}.{numbers[1]}"


def _line(words: list[Any]) -> str:
    return shlex.join(map(str, words)) + "\n"
