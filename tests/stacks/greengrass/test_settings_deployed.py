"""Settings of a large site, deployed into an embedded AWS: a core fetches them with its own role."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_fleets import WATCHED_SITES
from deployed_stacks import DeployedStack, synthesized

from sandbox.aws.server import EmbeddedAws, client_environment
from sandbox.ports import free_port

STACK = "EdgecamFrameGrabber"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:cameras/{}-AbCdEf"
CAMERAS = 100
LARGE = "".join(
    f'\n      - {{id: camera-{number}, uri: "rtsp://10.0.0.{number}/stream?a=b&c={{d}}", '
    f'credentials: {{secret: "{SECRET.format(hashlib.sha256(str(number).encode()).hexdigest())}"}}}}'
    for number in range(CAMERAS)
)
SITES = f"{WATCHED_SITES}  large:\n    thing: large-core\n    nucleus: lite\n    cameras:{LARGE}\n"


class Deployed:
    """An embedded AWS with the foundation, and what the settings need of the variant's stack."""

    def __init__(self, aws: EmbeddedAws, assembly: Path) -> None:
        self.aws = aws
        self.foundation = DeployedStack(aws.client, assembly, "EdgecamFoundation")
        template = assembly / f"{STACK}.template.json"
        whole = json.loads(template.read_text())
        (self.large,) = [
            found
            for found in whole["Resources"].values()
            if found.get("Properties", {}).get("DeploymentName") == "edgecam large"
        ]
        settings = {key: found for key, found in whole["Resources"].items() if key.startswith("Settings")}
        template.write_text(json.dumps({"Resources": settings}))
        DeployedStack(aws.client, assembly, STACK)
        self.bucket = self.foundation.output("ArtifactBucketName")

    @property
    def word(self) -> str:
        """What the deployment hands to the component."""
        update = self.large["Properties"]["Components"]["com.edgecam.frame-grabber"]["ConfigurationUpdate"]
        text = "".join(
            part if isinstance(part, str) else self.bucket for part in update["Merge"]["Fn::Join"][1]
        )
        return "".join(json.loads(text)["settings"].values())

    def fetch(self, word: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """`edgecam fetch-settings` with the credentials of the core's role."""
        role = self.foundation.output("CoreRoleName")
        session = self.aws.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName="large-core"
        )["Credentials"]
        environment = {
            **client_environment(int(self.aws.url.rpartition(":")[2])),
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
            "EDGECAM_SETTINGS": word,
        }
        return subprocess.run(
            [sys.executable, "-m", "edgecam", "fetch-settings", str(folder)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def deployed(write_fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    assembly = synthesized(write_fleet(SITES), tmp_path_factory.mktemp("assembly"))
    with EmbeddedAws(port=free_port(), folder=tmp_path_factory.mktemp("settings")) as aws:
        yield Deployed(aws, assembly)


def test_hundred_cameras_with_secrets_reach_the_core_of_a_lite_site(
    deployed: Deployed, tmp_path: Path
) -> None:
    done = deployed.fetch(deployed.word, tmp_path)
    assert done.returncode == 0, done.stderr
    checked = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import json, os, pathlib, sys; from edgecam.launch.settings import expanded;"
            "print(expanded(os.environ, pathlib.Path(sys.argv[1]))['EDGECAM_NODE'])",
            str(tmp_path),
        ],
        env={"EDGECAM_SETTINGS": deployed.word},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(checked.stdout) == deployed.large["Metadata"]["edgecam:settings"]["node"]


def test_settings_that_are_not_there_are_refused_as_s3_does_without_a_right_to_list(
    deployed: Deployed, tmp_path: Path
) -> None:
    other = f"{deployed.word[:-64]}{'0' * 64}"
    done = deployed.fetch(other, tmp_path)
    assert done.returncode == 1
    assert "expected settings that the core may read, found none" in done.stderr


def test_role_reads_no_settings_of_another_place(deployed: Deployed, tmp_path: Path) -> None:
    elsewhere = deployed.word.replace("/frame-grabber/", "/elsewhere/")
    (digest,) = deployed.word.split("/")[-1:]
    s3 = deployed.aws.client("s3")
    content = s3.get_object(Bucket=deployed.bucket, Key=f"frame-grabber/settings/{digest}")["Body"].read()
    s3.put_object(Bucket=deployed.bucket, Key=f"elsewhere/settings/{digest}", Body=content)
    done = deployed.fetch(elsewhere, tmp_path)
    assert done.returncode == 1
    assert "answered 403 (AccessDenied)" in done.stderr
