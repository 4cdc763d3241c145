"""Checks of cameras against what is in the image."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from container.image.elements import elements, named_in
from edgecam.config.schemes import PIPELINE
from edgecam.errors import Mistake
from fleet.settings.site import Site

_LONGEST_NAME = 60
_ALIKE = 0.8


def mistakes_of_pipelines(sites: Mapping[str, Site]) -> Iterator[Mistake]:
    """Elements that the image does not hold: the core would try such a camera for ever."""
    known = frozenset(elements())
    for name, site in sites.items():
        for index, camera in enumerate(site.cameras):
            if camera.scheme is not PIPELINE:
                continue
            for element in named_in(camera.uri.partition(":")[2]):
                if element not in known:
                    close = difflib.get_close_matches(element, elements(), n=1, cutoff=_ALIKE)
                    hint = f" (did you mean {close[0]}?)" if close else ""
                    yield Mistake(
                        f"sites.{name}.cameras[{index}].uri",
                        f"elements that the image holds, as container/image/elements.txt lists them{hint}",
                        element[:_LONGEST_NAME],
                    )
