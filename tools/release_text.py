"""The text of a release: its section of CHANGELOG.md, and its images, which a fleet may use as they are.

python3 -m tools.release_text 0.2.0 frame-grabber=REGISTRY/NAME:0.2.0@sha256:… gcs-uploader=…
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from container.image.inputs import VARIANTS
from container.image.released import released_image

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"

_HEADING = re.compile(r"^## \[(?P<version>[^\]\n]+)\](?: - (?P<date>\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)

_IMAGES = """\
## Images
Each for amd64 and arm64. A fleet takes them in place of building its own:

```yaml
image:
  released:
{entries}
```

Where cores may pull from there without a login, `delivery: registry` beside it saves the copy. Provenance and
bills of materials are signed and stand beside the images:
`gh attestation verify oci://NAME@sha256:… --repo OWNER/REPOSITORY`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="tools.release_text", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version")
    parser.add_argument("pushed", nargs="*", type=_pushed, metavar="VARIANT=IMAGE")
    options = parser.parse_args(arguments)
    try:
        text = release_text(CHANGELOG.read_text(encoding="utf-8"), options.version, dict(options.pushed))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(text)
    return 0


def _pushed(text: str) -> tuple[str, str]:
    variant, _, image = text.partition("=")
    if variant not in VARIANTS:
        raise argparse.ArgumentTypeError(
            f"expected {' or '.join(VARIANTS)}, =, and its image, found {text!r}"
        )
    try:
        released_image(image)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, found {image!r}") from error
    return variant, image


def section(changelog: str, version: str) -> str:
    """What CHANGELOG.md says of a version, without its heading.

    Raises:
        ValueError: there is no such section, it has no date, or says nothing.
    """
    found = list(_HEADING.finditer(changelog))
    here = next((heading for heading in found if heading["version"] == version), None)
    wanted = f"CHANGELOG.md: expected a section ## [{version}] - YYYY-MM-DD"
    if here is None:
        known = ", ".join(heading["version"] for heading in found) or "none"
        raise ValueError(f"{wanted}, found {known}; give what stands under Unreleased this heading")
    if here["date"] is None:
        raise ValueError(f"{wanted}, found it without a date; add the day of the release")
    end = next((heading.start() for heading in found if heading.start() > here.start()), len(changelog))
    text = changelog[here.end() : end].strip()
    if not text:
        raise ValueError(f"{wanted} that says what is new, found an empty one")
    return f"{text}\n"


def release_text(changelog: str, version: str, released: Mapping[str, str]) -> str:
    """The text of a release.

    Args:
        changelog: CHANGELOG.md.
        version: Which one.
        released: By variant, the image by its digest; none where nothing has been pushed.

    Raises:
        ValueError: CHANGELOG.md does not have the version.
    """
    text = section(changelog, version)
    if not released:
        return text
    entries = "\n".join(f"    {variant}: {image}" for variant, image in sorted(released.items()))
    return f"{text}\n{_IMAGES.format(entries=entries)}"


if __name__ == "__main__":
    sys.exit(main())
