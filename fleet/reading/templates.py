"""Sites that share settings: `defaults`, `templates`, and cameras by pattern. What comes out are plain sites.

A site is merged from `defaults`, the template that it names, and its own settings, each over the former:
mappings deeply, lists replaced. No setting is judged here: the model validates the result.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from fleet.reading.located import Located, merge, merge_layers
from fleet.reading.mistakes import MistakeList
from fleet.reading.placeholders import (
    NAME,
    Value,
    Values,
    combinations,
    filled,
    is_value,
    names_in,
)

_ONLY_WHILE_MERGING = ("values", "camera")
"""Keys of a site that are needed for the merge alone."""


class SiteTemplates:
    """`defaults` and `templates` of a fleet file."""

    def __init__(self, document: Located, mistakes: MistakeList) -> None:
        """Look at both; what is wrong with them goes to `mistakes`."""
        self._mistakes = mistakes
        self._defaults = self._layer(document.get("defaults"))
        listed = document.get("templates")
        if listed is not None and not listed.is_mapping:
            mistakes.add(listed, "a mapping of names to settings of a site")
        named = listed.value if listed is not None and listed.is_mapping else {}
        self._templates = {name: self._layer(each) for name, each in named.items()}

    def site(self, name: str, own: Located) -> Located:
        """The site `name`, merged from defaults, template and its own settings."""
        if not own.is_mapping:
            return own  # the model reports what a site is
        self._mistakes.site = name
        below = [self._defaults, self._template(own)]
        values = self._values(name, [*below, own])
        layers = [self._filled(layer, values) for layer in below]
        site = merge_layers([*layers, self._own_cameras(own, values)])
        assert site is not None  # own is there  # noqa: S101
        return _with_camera_settings(site).without(*_ONLY_WHILE_MERGING)

    def _layer(self, layer: Located | None) -> Located | None:
        if layer is None:
            return None
        if not layer.is_mapping:
            self._mistakes.add(layer, "a mapping of settings of a site")
            return None
        if (template := layer.get("template")) is not None:
            self._mistakes.add(template, "it only in a site: templates do not build on each other")
        return layer

    def _template(self, own: Located) -> Located | None:
        wanted = own.get("template")
        if wanted is None:
            return None
        if isinstance(wanted.value, str) and wanted.value in self._templates:
            return self._templates[wanted.value]
        names = [str(name) for name in self._templates]
        close = difflib.get_close_matches(str(wanted.value), names, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        self._mistakes.add(wanted, f"one of the templates {', '.join(names) or '(there are none)'}{hint}")
        return None

    def _values(self, name: str, layers: list[Located | None]) -> dict[str, Value]:
        """What the placeholders of this site stand for."""
        found: dict[str, Value] = {"site": name}
        values = merge_layers([layer.get("values") for layer in layers if layer is not None])
        if values is None or values.value is None:
            return found
        if not values.is_mapping:
            self._mistakes.add(values, "a mapping of names to texts")
            return found
        for key, each in values.value.items():
            if not isinstance(key, str) or not re.fullmatch(NAME, key) or key in found:
                expected = (
                    "a name of lower case letters, digits and underscores (not site, which is its name)"
                )
                self._mistakes.add(each, expected, f'"{key}"')
            elif not is_value(each.value):
                self._mistakes.add(each, "a text or a whole number (a number with a dot in quotes)")
            else:
                found[key] = each.value
        return found

    def _filled(self, layer: Located | None, values: Values) -> Located | None:
        """Defaults or a template, with the values of a site."""
        if layer is None:
            return None
        found: dict[Any, Located] = {}
        for key, each in layer.value.items():
            if key == "cameras" and isinstance(each.value, list):
                found[key] = self._cameras(each, values, own=False)
            elif key != "values":
                found[key] = filled(each, values, self._mistakes)
        return layer.with_value(found)

    def _own_cameras(self, own: Located, values: Values) -> Located:
        """A site's own settings are taken as they are, cameras with `for` excepted."""
        cameras = own.get("cameras")
        if cameras is None or not isinstance(cameras.value, list):
            return own
        return own.with_value({**own.value, "cameras": self._cameras(cameras, values, own=True)})

    def _cameras(self, cameras: Located, values: Values, *, own: bool) -> Located:
        found: list[Located] = []
        for camera in cameras.value:
            if camera.get("for") is not None:
                found += self._numbered(camera, values)
            else:
                found.append(camera if own else filled(camera, values, self._mistakes))
        return cameras.with_value(found)

    def _numbered(self, camera: Located, values: Values) -> list[Located]:
        """The cameras that one entry with `for` stands for."""
        count = len(self._mistakes)
        loops = filled(camera.value["for"], values, self._mistakes)
        for name in loops.value if loops.is_mapping else ():
            if name in values:
                self._mistakes.add(
                    loops.value[name], "a name that is not one of the site's values", f'"{name}"'
                )
        pattern = camera.without("for")
        turns = combinations(loops, self._mistakes)
        if len(self._mistakes) > count:
            return []
        self._tell_apart(pattern, {name for turn in turns[:1] for name in turn})
        count = len(self._mistakes)
        found: list[Located] = []
        for turn in turns:
            found.append(filled(pattern, {**values, **turn}, self._mistakes))
            if len(self._mistakes) > count:
                break  # the other cameras would repeat the mistake
        return found

    def _tell_apart(self, pattern: Located, names: set[str]) -> None:
        """Expect each name of `for` in the id: the same id twice would be a vaguer mistake."""
        identity = pattern.get("id")
        missing = names - set(names_in(identity.value if identity is not None else None))
        if identity is not None and missing:
            wanted = " and ".join(f"{{{name}}}" for name in sorted(missing))
            self._mistakes.add(identity, f"{wanted} in it, so that each camera has an id of its own")


def _with_camera_settings(site: Located) -> Located:
    """Merge `camera` of a site under each of its cameras."""
    shared, cameras = site.get("camera"), site.get("cameras")
    if shared is None or cameras is None or not isinstance(cameras.value, list):
        return site
    each: Mapping[Any, Located] = site.value
    return site.with_value(
        {**each, "cameras": cameras.with_value([merge(shared, camera) for camera in cameras.value])}
    )
