"""In which stack the deployment of a site is, and when a stack is full.

A small fleet has the deployments beside the component, in the stack of the variant. A large one has
`aws.site_stacks`: a number of stacks, chosen once, over which sites are spread by a hash of their names. So a
site's place depends on its own name and that number alone: sites that come and go move nobody. A site with
`stack: NAME` is in that one instead, whatever the number is; `main` is the stack of the variant.

The devices of a site are at the same place beside `EdgecamCloudIot` (stacks/cloud_iot.py).
"""

from __future__ import annotations

import hashlib

from fleet.settings.site import Site

MAIN = "main"
"""The stack of the variant itself."""

RESOURCE_LIMIT = 500
OUTPUT_LIMIT = 200
TEMPLATE_LIMIT_BYTES = 1_000_000
"""Of one stack (CloudFormation's user guide, quotas)."""


def place_of(name: str, site: Site, site_stacks: int | None) -> str:
    """The end of the name of the stack that holds the site's deployment, or `main`."""
    return site.stack or (MAIN if site_stacks is None else shard_of(name, site_stacks))


def group_place_of(site: Site, site_stacks: int | None) -> str:
    """The same for its thing group, which has nothing to do with the variant and outlives a renamed site."""
    if site_stacks is None or site.stack == MAIN:
        return MAIN
    return shard_of(site.made_group or "", site_stacks)


def shard_of(name: str, count: int) -> str:
    """One of `count` stacks, as two digits or more: for a name always the same one."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % count
    return f"{number:02}"
