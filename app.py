#!/usr/bin/env python3
"""Settings become stacks; nothing else happens here. `cdk.json` names this file."""

from __future__ import annotations

import sys
from pathlib import Path

from stacks.prerequisites import check_prerequisites

check_prerequisites()

import aws_cdk as cdk

from container.image.inputs import FRAME_GRABBER, GCS_UPLOADER
from edgecam.errors import EdgecamError
from fleet.load import fleet_path, load_fleet
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from stacks.cloud_iot import CloudIotStack
from stacks.foundation import FoundationStack
from stacks.frame_grabber import FrameGrabberStack
from stacks.gcs_uploader import GcsUploaderStack
from stacks.pipeline import PipelineStack
from stacks.rollout.template_limits import check_templates
from stacks.variant import VariantStack
from stacks.watch.stack import WatchStack


def build(app: cdk.App, fleet: Fleet) -> None:
    """Add a stack for each variant that has sites, and what they share.

    Without account and region in the settings the stacks fit any credentials.
    """
    env = cdk.Environment(account=fleet.aws.account, region=fleet.aws.region) if fleet.aws.account else None
    names = names_of(fleet)
    foundation = FoundationStack(app, names.stack("Foundation"), fleet=fleet, env=env)
    bucket, repository = foundation.artifact_bucket, foundation.image_repository
    targets: dict[str, tuple[str, type[FrameGrabberStack | GcsUploaderStack]]] = {
        FRAME_GRABBER: (names.stack("FrameGrabber"), FrameGrabberStack),
        GCS_UPLOADER: (names.stack("GcsUploader"), GcsUploaderStack),
    }
    for variant, (name, stack) in targets.items():
        if fleet.sites_of(variant):
            stack(app, name, fleet=fleet, artifact_bucket=bucket, image_repository=repository, env=env)
    variants = [made for made in app.node.children if isinstance(made, VariantStack)]
    for made in variants:
        made.deploy_after_stacks(foundation, *foundation.thing_groups)
    if fleet.has_devices:
        devices = CloudIotStack(app, names.stack("CloudIot"), fleet=fleet, env=env)
        foundation.deploy_before(devices)
        for made in variants:
            devices.deploy_before(made.deployments)
    if fleet.watch is not None:
        foundation.deploy_before(
            WatchStack(app, names.stack("Watch"), fleet=fleet, watch=fleet.watch, env=env)
        )
    if fleet.aws.pipeline is not None:
        foundation.deploy_before(
            PipelineStack(app, names.stack("Pipeline"), pipeline=fleet.aws.pipeline, env=env)
        )


def main() -> int:
    """Build the stacks of the fleet that `-c fleet=PATH` names; the exit code is 1 when it has mistakes."""
    app = cdk.App()
    try:
        fleet = load_fleet(
            fleet_path(app.node.try_get_context("fleet"), beside=Path(__file__).resolve().parent)
        )
        build(app, fleet)
        check_templates(Path(app.synth().directory))
    except EdgecamError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
