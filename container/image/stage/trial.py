"""Import, load and make what stdin names, as JSON; exit with what cannot be, one a line.

Run by the new root's own Python, which sees nothing but the new root.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

Attempt = Callable[[], object]
"""Returns nothing, or raises, where what it is about is missing."""


def attempts(wanted: dict[str, Any]) -> Iterator[tuple[str, Attempt]]:
    """Yield the name of each thing with a way to use it."""
    for name in wanted["imports"]:
        yield f"module {name}", lambda name=name: importlib.import_module(name)
    for name in wanted["services"]:
        yield f"AWS service {name}", lambda name=name: client(name)
    for name, version in wanted["typelibs"]:
        yield f"typelib {name}", lambda name=name, version=version: typelib(name, version)
    for name in wanted["plugins"]:
        yield f"plugin {name}", lambda name=name: gst().Registry.get().find_plugin(name)
    for name in wanted["elements"]:
        yield f"element {name}", lambda name=name: gst().ElementFactory.make(name)


def client(service: str) -> object:
    """A client of an AWS service."""
    import botocore.session

    return botocore.session.Session().create_client(service, region_name="eu-west-1")


def typelib(name: str, version: str) -> object:
    """A module that a typelib describes."""
    import gi

    gi.require_version(name, version)
    return importlib.import_module(f"gi.repository.{name}")


def gst() -> Any:
    """GStreamer, initialised."""
    from gi.repository import Gst

    if not Gst.is_initialized():
        Gst.init(None)
    return Gst


def main() -> None:
    """Attempt everything."""
    wrong = []
    for what, attempt in attempts(json.load(sys.stdin)):
        try:
            if attempt() is None:
                wrong.append(what)
        except Exception as error:
            wrong.append(f"{what}: {error}")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
