"""What Nucleus Lite has on its disk: configuration, versions, unit files, which of these are enabled.

It survives the core's end: after a reboot systemd starts the enabled units, each from what stands here then.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.core import recipe
from sandbox.core.cloud import Cloud
from sandbox.core.lite.configuration import ConfigurationTree
from sandbox.core.lite.limits import check_recipe
from sandbox.core.recipe import Recipe
from sandbox.core.store import Store
from sandbox.errors import CoreError


class Installed:
    """The disk of one core."""

    def __init__(self, root: Path, cloud: Cloud, attributes: Mapping[str, str]) -> None:
        """Read what an earlier start left below `root`; `attributes` are this machine's platform."""
        self.root = root
        self._cloud = cloud
        self._attributes = attributes
        self._store = Store(root / "lite-state.json")
        kept = self._store.load()
        self.handled: list[str] = kept.get("handled", [])
        """Deployments that have ended, by id."""
        self.groups: dict[str, dict[str, str]] = kept.get("groups", {})
        """Versions of components that were last deployed to each group."""
        self.versions: dict[str, str] = kept.get("versions", {})
        """By component, as the configuration says: of the newest deployment, whether it failed or not."""
        self.unit_files: dict[str, str] = kept.get("unit_files", {})
        """The version that each component's unit file would run."""
        self.enabled: list[str] = kept.get("enabled", [])
        """Components whose unit is linked and enabled: a reboot starts these, no others."""
        self._trees = {name: ConfigurationTree(tree) for name, tree in kept.get("configuration", {}).items()}

    def save(self) -> None:
        """Keep everything."""
        self._store.save(
            {
                "handled": self.handled[-100:],
                "groups": self.groups,
                "versions": self.versions,
                "unit_files": self.unit_files,
                "enabled": self.enabled,
                "configuration": {name: tree.kept() for name, tree in self._trees.items()},
            }
        )

    def configuration(self, name: str) -> ConfigurationTree:
        """The configuration of a component; empty before its first deployment."""
        return self._trees.setdefault(name, ConfigurationTree())

    def fetch_recipe(self, name: str, version: str) -> Recipe:
        """Have a recipe from the cloud in its file.

        Raises:
            CoreError: it is too large, or no recipe.
        """
        text = self._cloud.recipe_text(name, version)
        check_recipe(name, version, text.encode())
        if "-" in version:
            raise CoreError(f"{name}-{version}: a version is what follows the last - of a file's name")
        path = self._recipe_file(name, version)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return self.recipe(name, version)

    def recipe(self, name: str, version: str) -> Recipe:
        """A recipe from its file; CoreError where there is none."""
        path = self._recipe_file(name, version)
        if not path.exists():
            raise CoreError(f"Failed to find the recipe file of {name} {version}")
        return recipe.read(self._cloud.readable(path.read_text(encoding="utf-8")), self._attributes)

    def artifacts(self, name: str, version: str) -> Path:
        """The folder of a version's artifacts."""
        return self.root / "packages" / "artifacts" / name / version

    def recipes_of(self, name: str) -> dict[str, Path]:
        """The stored recipes of a component, by version: what follows the last `-` of a file's name."""
        paths = sorted((self.root / "packages" / "recipes").glob("*.json"))
        parted = [(*path.stem.rpartition("-"), path) for path in paths]
        return {version: path for found, _, version, path in parted if found == name}

    def forget(self, name: str) -> None:
        """Remove a component that nothing deploys any more."""
        self._trees.pop(name, None)
        self.versions.pop(name, None)
        self.unit_files.pop(name, None)
        if name in self.enabled:
            self.enabled.remove(name)

    def _recipe_file(self, name: str, version: str) -> Path:
        return self.root / "packages" / "recipes" / f"{name}-{version}.json"
