#!/usr/bin/env python3
"""Settings become stacks; nothing else happens here. `cdk.json` names this file."""

from __future__ import annotations

import sys
from pathlib import Path

import aws_cdk as cdk

from container.image_inputs import FRAME_GRABBER, GCS_UPLOADER
from edgecam.errors import EdgecamError
from stacks.cloud_iot import CloudIotStack
from stacks.foundation import FoundationStack
from stacks.frame_grabber import FrameGrabberStack
from stacks.gcs_uploader import GcsUploaderStack
from stacks.settings import Fleet, fleet_path, load_fleet
from stacks.variant import VariantStack


def build(app: cdk.App, fleet: Fleet) -> None:
    """Add a stack for each variant that has sites, and what they share.

    Without account and region in the settings the stacks fit any credentials.
    """
    env = cdk.Environment(account=fleet.aws.account, region=fleet.aws.region) if fleet.aws.account else None
    foundation = FoundationStack(app, "EdgecamFoundation", fleet=fleet, env=env)
    bucket = foundation.artifact_bucket
    variants: list[VariantStack] = []
    if fleet.sites_of(FRAME_GRABBER):
        variants.append(
            FrameGrabberStack(app, "EdgecamFrameGrabber", fleet=fleet, artifact_bucket=bucket, env=env)
        )
    if fleet.sites_of(GCS_UPLOADER):
        variants.append(
            GcsUploaderStack(app, "EdgecamGcsUploader", fleet=fleet, artifact_bucket=bucket, env=env)
        )
    if fleet.has_devices:
        devices = CloudIotStack(app, "EdgecamCloudIot", fleet=fleet, env=env)
        for variant in variants:
            # A node finds its key when it starts; but a fleet's other stack need not wait.
            if any(site.devices for site in fleet.sites_of(variant.variant).values()):
                variant.add_stack_dependency(devices)


def main() -> int:
    """Build the stacks of the fleet that `-c fleet=PATH` names; the exit code is 1 when it has mistakes."""
    app = cdk.App()
    try:
        fleet = load_fleet(
            fleet_path(app.node.try_get_context("fleet"), beside=Path(__file__).resolve().parent)
        )
    except EdgecamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    build(app, fleet)
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
