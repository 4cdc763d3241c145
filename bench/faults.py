"""What is lost when things go wrong: every fault at full length, recorded against stored by content.

    python -m bench.faults [--outage-s 60] [--at-once 4] [--only NAME …] [--json bench/results/faults.json]

Each fault has a node's own spool and uploads, an embedded Google Cloud Storage that fails on purpose, and
cameras that go on recording meanwhile: synthetic ones where only the way to the store matters, RTSP cameras
and the whole node where recordings matter. A chunk counts as recorded when the spool has taken it, as stored
when an object of its size and crc32c is in the bucket, as evicted when the spool says so, and as lost when it
is neither. The whole table takes about ten minutes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sandbox.faults.all import ALL, FaultRunner
from sandbox.faults.ledger import Outcome

ROOT = Path(__file__).resolve().parent.parent
_DAY_S = 25


def a_day() -> Outcome:
    """24 hours without the store, simulated at speed in a process of its own."""
    command = [sys.executable, "-m", "sandbox.faults.outage_day", "--seconds", str(_DAY_S)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return Outcome(**json.loads(done.stdout))


def table(outcomes: Sequence[Outcome]) -> str:
    """As it is in the README."""
    rows = [
        "| fault | chunks recorded | stored | evicted (counted) | lost | duplicated | tries failed | notes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for each in outcomes:
        notes = ", ".join(f"{name} {value:g}" for name, value in each.notes.items())
        rows.append(
            f"| {each.fault} | {each.recorded} | {each.stored} | {each.evicted} | {each.lost} | "
            f"{each.duplicated} | {each.retries} | {notes} |"
        )
    return "\n".join(rows)


def main() -> int:
    """Run, print the table, write the figures; 1 when anything was lost or stored twice."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--outage-s", type=float, default=60.0)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--only", nargs="*", choices=list(ALL), metavar="NAME")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    runner = FaultRunner(arguments.outage_s, at_once=arguments.at_once)
    try:
        running = runner.start(arguments.only or ALL)
        outcomes = [future.result() for future in running.values()]
    finally:
        runner.close()
    if not arguments.only:
        outcomes.append(a_day())
    print(table(outcomes))
    if arguments.json:
        document = {
            "outage_s": arguments.outage_s,
            "machine": platform.platform(),
            "outcomes": [asdict(each) for each in outcomes],
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return int(any(each.lost or each.duplicated for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
