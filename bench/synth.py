"""How long `cdk synth` takes, and how large its templates are, for fleets from ten sites to thousands.

    python -m bench.synth [--json bench/results/synth.json]

Each fleet is shops of four cameras, as `bench/many_sites.py` writes them: a template, values, 20 files.
Beside the whole of `cdk synth`, as a user runs it, stand its parts: reading and checking the fleet, and the
app without the CDK's own check of the templates' form (`CDK_VALIDATION=false`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.many_sites import CAMERAS, entry, write_fleet

PROJECT = Path(__file__).resolve().parents[1]

FLEETS = (
    (10, None, False),
    (100, None, False),
    (2000, 32, False),
    (2000, 32, True),
    (10_000, 64, False),
)
"""Sites, `aws.site_stacks`, and whether each camera is a device."""

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Row:
    """One fleet. Memory is the sum over all processes at its highest, resident, MB of 10^6 bytes."""

    sites: int
    devices: int
    stacks: int
    check_s: float
    app_s: float
    cdk_synth_s: float
    cdk_synth_mb: float
    largest_resources: int
    largest_outputs: int
    largest_template_bytes: int
    templates_bytes: int
    changed_by_one_more: int


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, default=PROJECT / "bench/results/synth.json")
    options = parser.parse_args()
    rows = []
    for sites, site_stacks, devices in FLEETS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(_measured(Path(folder), sites, site_stacks, devices))
        print(json.dumps(asdict(rows[-1])), flush=True)
    _print(rows)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


def _measured(folder: Path, sites: int, site_stacks: int | None, devices: bool) -> Row:
    fleet = write_fleet(folder / "fleet", sites, site_stacks=site_stacks, devices=devices)
    python, cdk = sys.executable, str(PROJECT / "node_modules/.bin/cdk")
    check_s, _ = _run([python, "-m", "fleet.command", "check", "--fleet", str(fleet)], {})
    app_s, _ = _run([python, "app.py"], _for_app(fleet, folder / "app"))
    synth = [cdk, "synth", "--quiet", "--no-notices", "--context", f"fleet={fleet}", "--output"]
    synth_s, synth_mb = _run([*synth, str(folder / "synth")], {})
    with (fleet.parent / "sites" / "district-00.yaml").open("a") as file:
        file.write(entry(sites))
    _run([python, "app.py"], _for_app(fleet, folder / "more"))
    before, after = _templates(folder / "app"), _templates(folder / "more")
    texts = [path.read_bytes() for path in (folder / "app").glob("*.template.json")]
    return Row(
        sites=sites,
        devices=CAMERAS * sites if devices else 0,
        stacks=len(before),
        check_s=round(check_s, 1),
        app_s=round(app_s, 1),
        cdk_synth_s=round(synth_s, 1),
        cdk_synth_mb=round(synth_mb),
        largest_resources=max(len(found["Resources"]) for found in before.values()),
        largest_outputs=max(len(found.get("Outputs", {})) for found in before.values()),
        largest_template_bytes=max(map(len, texts)),
        templates_bytes=sum(map(len, texts)),
        changed_by_one_more=_changed(before, after),
    )


def _for_app(fleet: Path, out: Path) -> dict[str, str]:
    return {
        "CDK_OUTDIR": str(out),
        "CDK_CONTEXT_JSON": json.dumps({"fleet": str(fleet)}),
        "CDK_VALIDATION": "false",
    }


def _run(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds, and most megabytes of the process and all below it."""
    quiet = {"CDK_DISABLE_CLI_TELEMETRY": "true", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}
    begun, most = time.monotonic(), 0.0
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, env={**os.environ, **quiet, **environment}, stdout=log, stderr=log
        )
        while process.poll() is None:
            most = max(most, _resident_mb(process.pid))
            time.sleep(_LOOK_EVERY_S)
        if process.returncode != 0:
            log.seek(0)
            raise RuntimeError(f"{command[0]}: {log.read().decode()[-2000:]}")
    return time.monotonic() - begun, most


def _resident_mb(pid: int) -> float:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended while it was looked at
    return total / 1e6


def _templates(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    return {path.name: json.loads(path.read_bytes()) for path in folder.glob("*.template.json")}


def _changed(
    before: dict[str, dict[str, dict[str, object]]], after: dict[str, dict[str, dict[str, object]]]
) -> int:
    """How many resources differ, or are on one side only."""
    count = 0
    for name in before.keys() | after.keys():
        old, new = (side.get(name, {}).get("Resources", {}) for side in (before, after))
        count += sum(old.get(key) != new.get(key) for key in old.keys() | new.keys())
    return count


def _print(rows: Sequence[Row]) -> None:
    print(
        "| sites | devices | stacks | check s | app.py s | cdk synth s | cdk synth MB | most resources "
        "| most outputs | largest template kB | all templates MB | resources that one more site changes |"
    )
    print("| " + "--- | " * 12)
    for row in rows:
        print(
            f"| {row.sites:,} | {row.devices:,} | {row.stacks} | {row.check_s} | {row.app_s} | "
            f"{row.cdk_synth_s} | {row.cdk_synth_mb:,.0f} | {row.largest_resources} | "
            f"{row.largest_outputs} | {row.largest_template_bytes / 1e3:.0f} | "
            f"{row.templates_bytes / 1e6:.2f} | {row.changed_by_one_more} |"
        )


if __name__ == "__main__":
    main()
