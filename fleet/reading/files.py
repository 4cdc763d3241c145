"""The files of a fleet, read as one document in which each setting has its location.

include: [sites/*.yaml]     # further files with sites, relative to this one
defaults: {…}               # under every site
templates: {shop: {…}}      # under the sites that say template: shop
sites: {…}
"""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from edgecam.config.document import parse_document, read_text
from edgecam.config.validation import Model, validate
from edgecam.errors import ConfigurationError, Mistake
from fleet.reading.located import Located, locate, trace, unwrap
from fleet.reading.mistakes import LocatedMistake, MistakeList, each_once
from fleet.reading.templates import SiteTemplates

ModelT = TypeVar("ModelT", bound=Model)


@dataclass(frozen=True)
class FleetDocument:
    """A fleet's files, merged.

    Attributes:
        name: The main file's name, as messages show it.
        files: All files, the main one first.
    """

    name: str
    files: tuple[Path, ...]
    _tree: Located

    def validated(self, model: type[ModelT]) -> ModelT:
        """The whole as `model`.

        Raises:
            ConfigurationError: with every mistake, each where a user can correct it.
        """
        document = unwrap(self._tree)
        try:
            return validate(model, document)
        except ConfigurationError as error:
            raise self.error_for(list(error.mistakes)) from None

    def error_for(self, mistakes: list[Mistake]) -> ConfigurationError:
        """Mistakes of the merged document, each at its place in the files; a template's once."""
        found: list[LocatedMistake] = []
        for mistake in mistakes:
            file, path = trace(self._tree, mistake.path)
            is_shared = mistake.path.startswith("sites.") and not path.startswith("sites.")
            # Names of sites hold no dots.
            site = mistake.path.split(".")[1] if is_shared else ""
            found.append((file, replace(mistake, path=path), site))
        return _error(self.name, each_once(found))

    def file_of(self, site: str) -> str:
        """The name of the file that has a site."""
        sites = self._tree.get("sites")
        found = sites.get(site) if sites is not None else None
        return found.file if found is not None else self.name


def read_fleet(path: Path) -> FleetDocument:
    """Read `path` and the files that it includes, and merge each site.

    Raises:
        ConfigurationError: a file cannot be read or included, a site is there twice, or its template is
            missing.
    """
    name = path.name
    main = _read(path, name, hint=" (-c fleet=PATH names another)")
    if not main.is_mapping:
        return FleetDocument(name, (path,), main)
    mistakes = MistakeList()
    included = list(_included(main, path, mistakes))
    sites = _all_sites([main, *(tree for _, tree in included)], mistakes)
    if sites is not None:
        templates = SiteTemplates(main, mistakes)
        sites = sites.with_value({key: templates.site(str(key), site) for key, site in sites.value.items()})
    if mistakes:
        raise _error(name, mistakes.once())
    parts = dict(main.value)
    if sites is not None:
        parts["sites"] = sites
    return FleetDocument(name, (path, *(file for file, _ in included)), main.with_value(parts))


def _read(path: Path, name: str, hint: str = "") -> Located:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "text that is not UTF-8"
        raise ConfigurationError(
            [Mistake("", f"a readable file{hint}", problem)], document=str(path) if hint else name
        ) from None
    return locate(parse_document(text, name=name), name)


def _included(main: Located, path: Path, mistakes: MistakeList) -> Iterator[tuple[Path, Located]]:
    """The files that `include` names, in the order of its patterns and their names, each once."""
    patterns = main.get("include")
    if patterns is None:
        return
    if not isinstance(patterns.value, list):
        mistakes.add(patterns, "a list of files, such as [sites/*.yaml]")
        return
    seen: set[str] = set()
    for pattern in patterns.value:
        for name in _matching(pattern, path, mistakes):
            if name not in seen:
                seen.add(name)
                yield path.parent / name, _sites_only(_read(path.parent / name, name), mistakes)


def _matching(pattern: Located, path: Path, mistakes: MistakeList) -> list[str]:
    if not isinstance(pattern.value, str) or not pattern.value or Path(pattern.value).is_absolute():
        mistakes.add(pattern, "a file or a pattern, relative to this file, such as sites/*.yaml")
        return []
    # Not Path.glob, which would take hidden files, such as an editor leaves behind.
    names = sorted(glob.glob(pattern.value, root_dir=path.parent, recursive=True))  # noqa: PTH207
    files = [name for name in names if (path.parent / name).is_file()]
    if not files:
        mistakes.add(pattern, "a file, or a pattern that at least one file matches", f'"{pattern.value}"')
    if any((path.parent / name).samefile(path) for name in files):
        mistakes.add(
            pattern, "other files than this one", f'"{pattern.value}", which is also {path.name} itself'
        )
        return []
    return files


def _sites_only(tree: Located, mistakes: MistakeList) -> Located:
    """Included files have sites alone; settings of the whole fleet are in the main file."""
    for key, each in tree.value.items() if tree.is_mapping else ():
        if key != "sites":
            expected = "sites: alone in an included file; the rest is in the file that includes it"
            mistakes.add(each, expected, f"{key}:")
    if tree.get("sites") is None:
        mistakes.add(tree, "sites: and what they are")
    return tree


def _all_sites(trees: list[Located], mistakes: MistakeList) -> Located | None:
    """The sites of all files; None when no file has any."""
    found: dict[Any, Located] = {}
    first: Located | None = None
    for tree in trees:
        sites = tree.get("sites")
        if sites is None or (sites.value is None and tree is trees[0]):
            continue
        if not sites.is_mapping:
            mistakes.add(sites, "a mapping of names to sites")
            continue
        first = first or sites
        for name, site in sites.value.items():
            if (other := found.setdefault(name, site)) is not site:
                mistakes.add(site, "a name that no other site has", f"sites.{name} in {other.file} as well")
    return first.with_value(found) if first is not None else None


def _error(name: str, located: list[tuple[str, Mistake]]) -> ConfigurationError:
    """Mistakes of one file as before, with the file's name in front; of several, each with its own."""
    if all(file == name for file, _ in located):
        return ConfigurationError([mistake for _, mistake in located], document=name)
    return ConfigurationError(
        [
            Mistake(f"{file}: {mistake.path}" if mistake.path else file, mistake.expected, mistake.found)
            for file, mistake in located
        ]
    )
