"""Which part of the bucket of the recordings belongs to which sites: the prefix in a site's `bucket`.

Google sees the cores' one AWS role, and in it a session for each certificate. `gcp.bucket.writers`
lets its members in to everything; `writers` of a site lets them in below the part of that site.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgecam.errors import Mistake
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site

MOST_PARTS = 33
"""With writers of their own: Google takes a hundred bindings with a condition in one policy (Cloud IAM's
quotas), and each part has three."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A prefix of objects' names without its last slash, and who may write below it."""

    prefix: str
    writers: tuple[str, ...]


def shared_prefixes(fleet: Fleet) -> list[str]:
    """Of the sites that leave it to `gcp.bucket.writers`, each once."""
    return sorted({prefix for prefix, site in _sites(fleet).values() if not site.writers})


def own_parts(fleet: Fleet) -> list[Part]:
    """Of the sites with `writers`, those with the same prefix together."""
    found: dict[str, set[str]] = {}
    for prefix, site in _sites(fleet).values():
        if site.writers:
            found.setdefault(prefix, set()).update(site.writers)
    return [Part(prefix=prefix, writers=tuple(sorted(found[prefix]))) for prefix in sorted(found)]


def shares_everything(fleet: Fleet) -> bool:
    """Whether one site's writers can reach what another one stores."""
    settings = fleet.gcp.bucket if fleet.gcp is not None else None
    return settings is not None and bool(settings.writers) and len(_sites(fleet)) > 1


def sites_without_writers(fleet: Fleet) -> list[str]:
    """Sites that store in a bucket which is made, and whose cores nobody lets in there."""
    settings = fleet.gcp.bucket if fleet.gcp is not None else None
    # An embedded store asks for no login.
    if fleet.gcp is None or settings is None or not settings.create or settings.writers or fleet.gcp.endpoint:
        return []
    return [name for name, (_, site) in _sites(fleet).items() if not site.writers]


def mistakes_of_parts(fleet: Fleet) -> Iterator[Mistake]:
    """Parts that overlap, or too many."""
    inside = _sites(fleet)
    prefixes = {prefix for prefix, _ in inside.values()}
    for name, site in fleet.sites.items():
        if site.writers and name not in inside:
            yield Mistake(f"sites.{name}.writers", "them only for a site that stores in gcp.bucket", "them")
    for part in own_parts(fleet):
        others = sorted(other for other in prefixes if other != part.prefix and _is_below(other, part.prefix))
        if not part.prefix or others:
            yield Mistake(
                "sites",
                "writers of a site to have a part of the bucket for themselves, as in bucket: gs://NAME/SITE",
                f'"{part.prefix}"' + (f", with {others[0]} below it" if others else ", which is all of it"),
            )
    if (count := len(own_parts(fleet))) > MOST_PARTS:
        yield Mistake(
            "sites",
            f"at most {MOST_PARTS} sites with writers of their own in one bucket, since Google takes a "
            "hundred conditions (or a bucket of their own for the others, with gcp.bucket.create: false)",
            str(count),
        )


def _sites(fleet: Fleet) -> dict[str, tuple[str, Site]]:
    """The sites that store in `gcp.bucket`, by name, each with its prefix there."""
    if fleet.gcp is None or fleet.gcp.bucket is None:
        return {}
    found = {}
    for site_name, site in fleet.sites.items():
        if site.bucket is not None and site.bucket.startswith("gs://"):
            name, _, prefix = site.bucket.removeprefix("gs://").partition("/")
            if name == fleet.gcp.bucket.name:
                found[site_name] = (prefix.rstrip("/"), site)
    return found


def _is_below(prefix: str, other: str) -> bool:
    return prefix.startswith(f"{other}/")
