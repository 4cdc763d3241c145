"""A fleet of two thousand sites, synthesized without the CDK command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from fleets import PROJECT, Templates

SITES = 2000

DEPLOYMENT = "AWS::GreengrassV2::Deployment"
GROUP = "AWS::IoT::ThingGroup"


class Assemblies(NamedTuple):
    """Folders with the templates of 2,000 sites, and of one more."""

    before: Path
    after: Path


def synth(fleet: Path, out: Path) -> subprocess.Popen[str]:
    """Begin to synthesize a fleet, without the CDK's command line."""
    return subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=PROJECT,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({"fleet": str(fleet)}),
            "CDK_VALIDATION": "false",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        },
        stderr=subprocess.PIPE,
        text=True,
    )


def templates(folder: Path) -> Templates:
    found = folder.glob("*.template.json")
    return {path.name.removesuffix(".template.json"): json.loads(path.read_text()) for path in found}


def deployments(found: Templates) -> dict[str, tuple[str, str]]:
    """Where the deployment of each site stands: stack and logical id."""
    return {
        resource["Properties"]["DeploymentName"].removeprefix("edgecam "): (stack, logical_id)
        for stack, template in found.items()
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == DEPLOYMENT
    }


def group_stacks(found: Templates, group: str) -> list[str]:
    """The stacks that make a thing group."""
    return [
        stack
        for stack, template in found.items()
        for resource in template["Resources"].values()
        if resource["Type"] == GROUP and resource["Properties"]["ThingGroupName"] == group
    ]
