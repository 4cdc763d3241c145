"""The commands that make a machine a core, as a shell takes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stacks.greengrass.install_commands import (
    CLASSIC_HAS_REGISTERED,
    Registration,
    claim_command,
    classic_config_command,
    classic_install_command,
    lite_config_command,
    lite_install_command,
)

REGISTRATION = Registration(
    region="eu-central-1", template="EdgecamCores", role_alias="Alias", claim_policy="EdgecamClaimPolicy"
)
COMMANDS = {
    "claim": claim_command(REGISTRATION),
    "classic config": classic_config_command(REGISTRATION, "2.18.0"),
    "classic install": classic_install_command("2.18.0"),
    "lite config": lite_config_command(REGISTRATION),
    "lite install": lite_install_command(),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_is_one_line_that_a_shell_can_read(name: str) -> None:
    assert "\n" not in COMMANDS[name]
    subprocess.run(["sh", "-n", "-c", COMMANDS[name]], check=True)


@pytest.mark.parametrize("name", ["classic install", "lite install"])
def test_installing_ends_with_the_first_step_that_fails(name: str) -> None:
    assert ";" not in COMMANDS[name].replace(CLASSIC_HAS_REGISTERED, "")
    assert COMMANDS[name].count(" && ") >= 5


@pytest.mark.parametrize("nucleus", ["classic", "lite"])
def test_claim_does_not_stay_on_the_core(nucleus: str) -> None:
    steps = COMMANDS[f"{nucleus} install"].split(" && ")
    (removal,) = [number for number, step in enumerate(steps) if step.startswith("rm ")]
    assert steps[removal].split()[2:] == [
        {"classic": "/greengrass/v2/claim", "lite": "/var/lib/greengrass/claim"}[nucleus],
        "claim.pem.crt",
        "claim.private.pem.key",
    ]
    registered = {"classic": CLASSIC_HAS_REGISTERED, "lite": "fleet-provisioning"}[nucleus]
    assert registered in steps[removal - 1]


def test_claim_is_attached_to_its_policy_and_its_key_is_for_nobody_else(tmp_path: Path) -> None:
    aws = tmp_path / "aws"
    aws.write_text('#!/bin/sh\necho "$*" >> calls\numask >> calls\necho arn:aws:iot:x:1:cert/abc\n')
    aws.chmod(0o755)
    subprocess.run(
        ["sh", "-c", COMMANDS["claim"]],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    made, umask, attached, _ = (tmp_path / "calls").read_text().splitlines()
    assert made.startswith("iot create-keys-and-certificate --set-as-active")
    assert "--private-key-outfile claim.private.pem.key" in made
    assert umask == "0077"
    assert attached == "iot attach-policy --policy-name EdgecamClaimPolicy --target arn:aws:iot:x:1:cert/abc"
