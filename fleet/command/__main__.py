"""`edgecam-fleet check | list | recipe | diff`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecam.cli.arguments import ArgumentParser
from edgecam.cli.terminal import adapt_output
from edgecam.errors import EdgecamError
from fleet.command.changes import changes_between
from fleet.command.local_recipe import local_recipe
from fleet.command.site_states import Template, identity_in, states_of
from fleet.command.tables import changes_table, table
from fleet.command.templates import (
    PROJECT,
    Tree,
    deployed,
    revision,
    synthesized,
    templates_of,
)
from fleet.identity import identity_of
from fleet.load import fleet_of, load_fleet
from fleet.physical_names import names_of
from fleet.reading.files import FleetDocument, read_fleet
from fleet.settings.fleet import Fleet
from fleet.stack_placement import place_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns 1 when the fleet has mistakes, or something cannot be had."""
    adapt_output()
    options = _parser().parse_args(arguments)
    try:
        sys.stdout.write(options.run(options))
    except EdgecamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="edgecam-fleet", description="What a fleet file says, and what deploying it would change."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    every = ArgumentParser(add_help=False)
    every.add_argument(
        "--fleet", type=Path, default=PROJECT / "fleet.yaml", metavar="FILE", help="default: %(default)s"
    )
    every.add_argument("--json", action="store_true", help="for programs")
    for name, run, text in (
        ("check", _check, "look for mistakes; needs no AWS"),
        ("list", _list, "all sites: target, variant, cameras, stack, file; needs no AWS"),
        ("recipe", _recipe, "a site's component to try on a core by hand, without a deploy; needs no AWS"),
        (
            "diff",
            _diff,
            "which site gets what changed; compared with what is deployed, or as options say",
        ),
    ):
        command = commands.add_parser(name, parents=[every], help=text, description=text)
        command.set_defaults(run=run)
        if run is _recipe:
            command.add_argument("site", metavar="SITE", help="a site of the fleet file")
            command.add_argument(
                "--into",
                type=Path,
                default=Path("build/local"),
                metavar="FOLDER",
                help="where recipe and image are to lie (default: %(default)s)",
            )
    other = command.add_mutually_exclusive_group()
    other.add_argument("--git", metavar="REVISION", help="compare with the fleet of a git revision")
    other.add_argument("--file", type=Path, metavar="FLEET", help="compare with another fleet file")
    command.add_argument("--all", action="store_true", help="a line for each site, also for those alike")
    return parser


def _check(options: argparse.Namespace) -> str:
    document = read_fleet(options.fleet)
    fleet = fleet_of(document)
    facts = {
        "sites": len(fleet.sites),
        "cameras": sum(len(site.cameras) for site in fleet.sites.values()),
        "files": len(document.files),
    }
    if options.json:
        return _json_text(facts)
    counted = ", ".join(f"{count:,} {name if count != 1 else name[:-1]}" for name, count in facts.items())
    return f"{options.fleet.name}: no mistakes ({counted})\n"


def _list(options: argparse.Namespace) -> str:
    sites = _sites(read_fleet(options.fleet))
    if options.json:
        return _json_text(sites)
    rows = [[str(value) for value in site.values()] for site in sites]
    return table([name.upper() for name in sites[0]], rows)


def _sites(document: FleetDocument) -> list[dict[str, Any]]:
    fleet = fleet_of(document)
    return [
        {
            "site": name,
            "target": str(site.target),
            "variant": site.variant,
            "nucleus": site.nucleus,
            "cameras": len(site.cameras),
            "template": site.template or "",
            "stack": place_of(name, site, fleet.aws.site_stacks),
            "file": document.file_of(name),
        }
        for name, site in fleet.sites.items()
    ]


def _recipe(options: argparse.Namespace) -> str:
    fleet = load_fleet(options.fleet)  # reports its mistakes before anything is waited for
    (templates,) = templates_of(Tree(options.fleet))
    found = local_recipe(fleet, options.site, templates)
    if options.json:
        return _json_text(found.recipe)
    folder = options.into.absolute()
    path = found.write(folder)
    commands = found.commands(folder, variant=fleet.sites[options.site].variant, image=fleet.image)
    return f"{path}\n{commands}"


def _diff(options: argparse.Namespace) -> str:
    fleet = load_fleet(options.fleet)  # reports its mistakes before anything is waited for
    here = Tree(options.fleet)
    if options.git or options.file:
        then = revision(options.fleet, options.git) if options.git else nullcontext(Tree(options.file))
        with then as tree:
            before, after = synthesized(tree, here)
    else:
        templates = deployed(names_of(fleet), fleet.aws.account, fleet.aws.region)
        _expect_same_fleet(fleet, templates)
        before = states_of(templates.items())
        (after,) = synthesized(here)
    changes = changes_between(before, after)
    if options.json:
        return _json_text([asdict(change) for change in changes])
    return changes_table(changes, every_site=options.all)


def _expect_same_fleet(fleet: Fleet, templates: Mapping[str, Template]) -> None:
    """Expect that `cdk deploy` would accept the fleet where these templates are deployed.

    Raises:
        EdgecamError: they are those of another fleet, and every site of it would be removed.
    """
    other = identity_in(templates)
    own = identity_of(fleet)
    if other is not None and own.is_another(other):
        raise EdgecamError(own.refusal(other))


def _json_text(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    sys.exit(main())
