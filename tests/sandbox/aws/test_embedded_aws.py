"""The embedded AWS as a process, and the smaller things that the plug-in adds."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from sandbox.aws import environment
from sandbox.aws.clients import ACCOUNT, REGION, listed
from sandbox.aws.server import EmbeddedAws
from sandbox.errors import StartError
from sandbox.ports import free_port


def test_role_alias_is_created_changed_listed_and_deleted(embedded_aws: EmbeddedAws) -> None:
    iot = embedded_aws.client("iot")
    role = f"arn:aws:iam::{ACCOUNT}:role/core"
    created = iot.create_role_alias(roleAlias="alias", roleArn=role)
    assert created["roleAliasArn"] == f"arn:aws:iot:{REGION}:{ACCOUNT}:rolealias/alias"
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_role_alias(roleAlias="alias", roleArn=role)
    iot.update_role_alias(roleAlias="alias", credentialDurationSeconds=900)
    described = iot.describe_role_alias(roleAlias="alias")["roleAliasDescription"]
    assert (described["roleArn"], described["credentialDurationSeconds"]) == (role, 900)
    assert "alias" in listed(iot, "list_role_aliases")
    iot.delete_role_alias(roleAlias="alias")
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_role_alias(roleAlias="alias")


def test_other_requests_of_iot_are_answered_as_before(embedded_aws: EmbeddedAws) -> None:
    assert embedded_aws.client("iot").describe_endpoint()["endpointAddress"]


def test_missing_image_is_an_error_so_that_the_cdk_pushes_it(embedded_aws: EmbeddedAws) -> None:
    ecr = embedded_aws.client("ecr")
    repository = ecr.create_repository(repositoryName="frames")["repository"]
    assert repository["repositoryUri"] == f"localhost:{embedded_aws.port}/frames"
    with pytest.raises(ecr.exceptions.ImageNotFoundException):
        ecr.describe_images(repositoryName="frames", imageIds=[{"imageTag": "none"}])
    ecr.put_image(repositoryName="frames", imageManifest='{"schemaVersion": 2}', imageTag="one")
    found = ecr.describe_images(repositoryName="frames", imageIds=[{"imageTag": "one"}])
    assert found["imageDetails"][0]["imageTags"] == ["one"]
    token = ecr.get_authorization_token()["authorizationData"][0]
    assert token["proxyEndpoint"] == f"http://localhost:{embedded_aws.port}"


def test_secret_of_a_camera_is_read_back_as_json(embedded_aws: EmbeddedAws) -> None:
    secrets = embedded_aws.client("secretsmanager")
    content = {"username": "viewer", "password": "a b&c"}
    arn = secrets.create_secret(Name="edgecam/yard", SecretString=json.dumps(content))["ARN"]
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == content


def test_used_port_is_named_with_who_uses_it(embedded_aws: EmbeddedAws, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=rf"{embedded_aws.port}.* already in use by python"):
        EmbeddedAws(port=embedded_aws.port, folder=tmp_path)


def test_nothing_is_left_after_the_embedded_aws_has_stopped(tmp_path: Path) -> None:
    port = free_port()
    with EmbeddedAws(port=port, folder=tmp_path) as aws:
        mine = [
            child
            for child in psutil.Process().children(recursive=True)
            if child.environ().get("GATEWAY_PORT") == str(port)
        ]
        assert mine
        assert aws.running()
    assert not any(child.is_running() for child in mine)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_installing_what_is_installed_takes_no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.install()
    monkeypatch.setenv("PATH", "")
    assert environment.install() == environment.interpreter()


def test_lock_names_no_host() -> None:
    assert "://" not in (environment.SOURCE / "uv.lock").read_text()


def test_plug_in_refuses_another_ministack() -> None:
    script = (
        "from sandbox.aws.ministack import host\nhost.SUPPORTED_VERSION = '0.0.1'\nhost.check_version()\n"
    )
    done = subprocess.run(
        [str(environment.install()), "-c", script],
        cwd=environment.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "was written for 0.0.1" in done.stderr
