"""The command line, `python -m fuzz [--minutes 10] [--only NAME …] [--seed N]`: 1 when anything is found."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence

from fuzz.target import MB
from fuzz.targets import TARGETS
from fuzz.watch import FOLDER, Outcome, fuzz


def table(outcomes: Sequence[Outcome]) -> str:
    """As it is in the README of the measurements."""
    rows = [
        "| target | inputs | faults | slowest s | memory MB | grown MB | descriptors more |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    rows += [
        f"| {each.target} | {each.fed:,} | {len(each.faults)} | {each.slowest_s:.2f} | "
        f"{each.most_bytes / MB:.0f} | {each.grown_bytes / MB:+.1f} | {each.descriptors_more:+.0f} |"
        for each in outcomes
    ]
    return "\n".join(rows)


def main() -> int:
    """Feed, show progress, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", choices=list(TARGETS), metavar="NAME", default=list(TARGETS))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000_000))
    arguments = parser.parse_args()
    print(f"fuzz: seed {arguments.seed}, inputs and logs in {FOLDER}", flush=True)
    outcomes = fuzz(arguments.only, arguments.minutes * 60, arguments.seed)
    print(table(outcomes))
    faults = [(each.target, fault) for each in outcomes for fault in each.faults]
    for target, fault in faults:
        print(f"\n{target}: {fault['fault']}\n{fault['message']}")
        for path in fault["inputs"]:
            print(f"  {path}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
