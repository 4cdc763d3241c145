"""From the names of Google's samples to a device and its registry, and the key that nobody may see."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecam.cli.arguments import NOT_REPEATED
from edgecam.cli.ingest import Ingest, add_arguments
from edgecam.cloud_iot.private_key import parse_private_key
from edgecam.config.brokers import StatePayload
from edgecam.errors import ConfigurationError
from edgecam.redaction import SECRETS

CAMERA = {"RTSP_SOURCE": "rtsp://10.0.0.1/x", "DEVICE_ID": "door", "BUCKET": "my-films"}
REGISTRY = {
    "PROJECT_ID": "my-project",
    "CLOUD_REGION": "europe-west1",
    "IOT_REGISTRY": "cameras",
    "MQTT_BRIDGE_HOSTNAME": "europe-west1-mqtt.clearblade.com",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with private keys in the forms in which openssl writes them."""
    folder = tmp_path_factory.mktemp("keys")
    for line in (
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem",
        "rsa -in rsa.pem -traditional -out rsa-traditional.pem",
        "pkey -in rsa.pem -pubout -out public.pem",
        "pkey -in rsa.pem -aes128 -passout pass:word -out passphrase.pem",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem",
        "ecparam -name prime256v1 -genkey -out ec-traditional.pem",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out other-curve.pem",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.pem",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    return folder


def ingest(*arguments: str, environment: dict[str, str]) -> Ingest:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return Ingest.from_options(parser.parse_args(arguments), environment)


def mistakes(*arguments: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        ingest(*arguments, environment=CAMERA | environment)
    return [str(mistake) for mistake in caught.value.mistakes]


def test_without_a_key_no_state_is_sent_whatever_else_is_set() -> None:
    environment = CAMERA | REGISTRY | {"CA_CERTS": "/none.pem", "MQTT_BRIDGE_PORT": "x"}
    assert ingest(environment=environment) == ingest(environment=dict(CAMERA))
    assert ingest(environment=environment).config.cloud_iot is None


@pytest.mark.parametrize("name", ["rsa.pem", "rsa-traditional.pem", "ec.pem", "ec-traditional.pem"])
def test_key_file_makes_a_device_of_the_camera(keys: Path, name: str) -> None:
    config = ingest(environment=CAMERA | REGISTRY | {"PRIVATE_KEY_FILE": str(keys / name)}).config
    (camera,), cloud_iot = config.cameras, config.cloud_iot
    assert camera.device is not None
    assert camera.device.key.file == str(keys / name)
    assert camera.device_id == "door"
    assert cloud_iot is not None
    assert (cloud_iot.project, cloud_iot.region, cloud_iot.registry) == (
        "my-project",
        "europe-west1",
        "cameras",
    )
    assert (cloud_iot.host, cloud_iot.port, cloud_iot.ca_file) == (
        "europe-west1-mqtt.clearblade.com",
        8883,
        None,
    )


def test_states_are_the_word_that_the_forerunner_sent_unless_asked_otherwise(keys: Path) -> None:
    environment = CAMERA | REGISTRY | {"PRIVATE_KEY_FILE": str(keys / "rsa.pem")}
    for variables, payload in (({}, StatePayload.WORD), ({"STATE_PAYLOAD": "json"}, StatePayload.JSON)):
        cloud_iot = ingest(environment=environment | variables).config.cloud_iot
        assert cloud_iot is not None
        assert cloud_iot.payload is payload


@pytest.mark.parametrize("underscored", [False, True])
def test_arguments_win_and_may_be_spelt_as_in_googles_samples(keys: Path, underscored: bool) -> None:
    arguments = {
        "--private-key-file": str(keys / "ec.pem"),
        "--project-id": "other-project",
        "--cloud-region": "us-central1",
        "--registry-id" if underscored else "--iot-registry": "others",
        "--mqtt-bridge-hostname": "127.0.0.1",
        "--mqtt-bridge-port": "443",
        "--ca-certs": str(keys / "public.pem"),
    }
    line = [
        f"{name.replace('-', '_').replace('__', '--', 1) if underscored else name}={value}"
        for name, value in arguments.items()
    ]
    # Even a key in the environment steps back: the argument was typed for this one run.
    variables = {"PRIVATE_KEY": (keys / "rsa.pem").read_text(), "CA_CERTS": "/none.pem"}
    config = ingest(*line, environment=CAMERA | REGISTRY | variables).config
    assert config.cloud_iot is not None
    assert config.cloud_iot.model_dump(exclude_defaults=True) == {
        "project": "other-project",
        "region": "us-central1",
        "registry": "others",
        "host": "127.0.0.1",
        "port": 443,
        "ca_file": str(keys / "public.pem"),
        "payload": StatePayload.WORD,
    }
    assert config.cameras[0].device is not None
    assert config.cameras[0].device.key.file == str(keys / "ec.pem")


def test_files_may_be_named_from_the_folder_one_is_in(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (keys / "inner").mkdir(exist_ok=True)
    monkeypatch.chdir(keys / "inner")
    files = {"PRIVATE_KEY_FILE": "../rsa.pem", "CA_CERTS": "../public.pem"}  # the forerunner's own constants
    config = ingest(environment=CAMERA | REGISTRY | files).config
    assert config.cloud_iot is not None
    assert config.cameras[0].device is not None
    assert config.cloud_iot.ca_file == str(keys / "public.pem")
    assert config.cameras[0].device.key.file == str(keys / "rsa.pem")


@pytest.mark.parametrize("line_end", ["\n", "\\n", " ", "\r\n"])
@pytest.mark.parametrize("name", ["rsa.pem", "rsa-traditional.pem", "ec.pem"])
def test_key_of_the_environment_is_found_by_the_node_and_is_in_no_configuration(
    keys: Path, name: str, line_end: str
) -> None:
    environment = CAMERA | REGISTRY | {"PRIVATE_KEY": (keys / name).read_text().replace("\n", line_end)}
    config = ingest(environment=environment).config
    device = config.cameras[0].device
    assert device is not None
    assert device.key.env is not None
    found = parse_private_key(environment[device.key.env], "variable", "device")
    assert found == parse_private_key((keys / name).read_text(), "file", "device")
    assert "PRIVATE KEY-----" not in config.model_dump_json()


@pytest.mark.parametrize("line_end", ["\n", "\\n"])
def test_not_a_line_of_the_key_can_be_logged(line_end: str) -> None:
    # Of its own making: no other test has put it into the register.
    made = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
    ingest(environment=CAMERA | REGISTRY | {"PRIVATE_KEY": made.replace("\n", line_end)})
    for said in (made, repr(made), *made.splitlines()[1:-2]):
        hidden = SECRETS.hide(f"here: {said}")
        assert not [line for line in made.splitlines()[1:-2] if line in hidden]


def test_key_of_a_file_is_remembered_too(keys: Path) -> None:
    ingest(environment=CAMERA | REGISTRY | {"PRIVATE_KEY_FILE": str(keys / "ec.pem")})
    lines = (keys / "ec.pem").read_text().splitlines()[1:-1]
    assert SECRETS.hide(lines[0]) == "***"


def test_bridge_that_google_has_ended_is_refused_with_the_way_on(keys: Path) -> None:
    key = {"PRIVATE_KEY_FILE": str(keys / "rsa.pem")}
    in_service = (
        "expected a bridge that is in service, such as europe-west1-mqtt.clearblade.com: Google ended Cloud "
        "IoT Core on 2023-08-16, ClearBlade goes on with its devices and protocol, found "
    )
    found = mistakes(**key | REGISTRY | {"MQTT_BRIDGE_HOSTNAME": "mqtt.googleapis.com"})
    assert found == [f'MQTT_BRIDGE_HOSTNAME: {in_service}"mqtt.googleapis.com"']
    found = mistakes("--mqtt-bridge-hostname=MQTT.googleapis.com.", **key | REGISTRY)
    assert found == [f"--mqtt-bridge-hostname: {in_service}{NOT_REPEATED}"]


def test_what_is_missing_beside_the_key_is_said_by_name(keys: Path) -> None:
    assert mistakes(PRIVATE_KEY_FILE=str(keys / "rsa.pem")) == [
        "PROJECT_ID: expected the id of the project (or --project-id), since there is a private key, "
        "found nothing",
        "CLOUD_REGION: expected where the registry is: europe-west1 (or --cloud-region), since there is a "
        "private key, found nothing",
        "IOT_REGISTRY: expected the id of the registry of the devices (or --iot-registry), since there is a "
        "private key, found nothing",
        "MQTT_BRIDGE_HOSTNAME: expected the MQTT bridge, such as europe-west1-mqtt.clearblade.com (or "
        "--mqtt-bridge-hostname), since there is a private key, found nothing",
    ]


def test_what_is_wrong_is_reported_by_the_name_of_its_option(keys: Path) -> None:
    found = mistakes(
        "--cloud-region=here",
        "--state-payload=words",
        **REGISTRY | {"PROJECT_ID": "P", "MQTT_BRIDGE_PORT": "x", "CA_CERTS": "/none.pem", "DEVICE_ID": "1"},
        PRIVATE_KEY_FILE=str(keys / "none.pem"),
    )
    assert [mistake.split(": expected")[0] for mistake in found] == [
        "PRIVATE_KEY_FILE",
        "CA_CERTS",
        "DEVICE_ID",
        "PROJECT_ID",
        "--cloud-region",
        "MQTT_BRIDGE_PORT",
        "--state-payload",
    ]
    assert found[0].endswith(f"that this user can read, found {keys}/none.pem: No such file or directory")
    assert found[1].endswith("found /none.pem: No such file or directory")
    assert found[2] == (
        "DEVICE_ID: expected at least 3 characters, a letter first, not goog…, since it names the device as "
        'well, found "1"'
    )


def test_argument_without_a_key_is_not_passed_over() -> None:
    assert mistakes("--project-id=my-project") == [
        "PRIVATE_KEY_FILE: expected the device's key (or --private-key-file), since there is --project-id, "
        "found nothing"
    ]


def test_two_keys_in_the_environment_are_one_too_many(keys: Path) -> None:
    both = {"PRIVATE_KEY_FILE": str(keys / "ec.pem"), "PRIVATE_KEY": (keys / "rsa.pem").read_text()}
    assert mistakes(**REGISTRY | both) == [
        "PRIVATE_KEY: expected no value, since there is PRIVATE_KEY_FILE, found one"
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("public.pem", "PUBLIC KEY"),
        ("passphrase.pem", "one with a passphrase"),
        ("", "no PEM text"),
        ("other-curve.pem", "a key on another curve"),
        ("short.pem", "an RSA key of 1024 bits"),
    ],
)
def test_what_is_no_private_key_is_named_without_a_character_of_it(keys: Path, name: str, found: str) -> None:
    text = (keys / name).read_text() if name else "hush-hush-hush-hush"
    expected = (
        f"expected an RSA key (2048 bits or more) or a P-256 key, as PEM without a passphrase, found {found}"
    )
    assert mistakes(**REGISTRY, PRIVATE_KEY=text) == [f"PRIVATE_KEY: {expected}"]
    file = keys / "another.pem"
    file.write_text(text)
    assert mistakes(**REGISTRY, PRIVATE_KEY_FILE=str(file)) == [f"PRIVATE_KEY_FILE: {expected}"]


def test_key_in_the_place_of_its_file_is_not_repeated(keys: Path) -> None:
    pem = (keys / "rsa.pem").read_text()
    expected = "expected the name of a file (the text belongs into PRIVATE_KEY), found a private key"
    assert mistakes(**REGISTRY, PRIVATE_KEY_FILE=pem) == [f"PRIVATE_KEY_FILE: {expected}"]
    # argparse takes a name that is cut short.
    assert mistakes("--private-key", pem, **REGISTRY) == [f"--private-key-file: {expected}"]


def test_the_key_itself_is_no_argument(keys: Path) -> None:
    pem = (keys / "rsa.pem").read_text()
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "ingest", "--help"], capture_output=True, text=True, check=True
    )
    assert "--private-key-file" in done.stdout
    # As the forerunner's container was run: `docker run IMAGE "$PRIVATE_KEY" "$RTSP_URL" "$DEVICE_ID" …`.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGECAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "ingest", pem, "rtsp://10.0.0.1/x", "door"],
        env=environment | {"BUCKET": "my-films"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "edgecam: command line: expected --private-key-file FILE, or PRIVATE_KEY: everybody on the machine "
        "can read arguments, found a private key\n"
    )


def test_device_keeps_its_capitals_at_the_bridge(keys: Path) -> None:
    given = CAMERA | REGISTRY | {"DEVICE_ID": "Front_Door", "PRIVATE_KEY_FILE": str(keys / "ec.pem")}
    camera = ingest(environment=given).config.cameras[0]
    assert (camera.id, camera.device_id) == ("front-door", "Front_Door")
    given["DEVICE_ID"] = "door"
    camera = ingest("--device-id", "Gate~2", environment=given).config.cameras[0]
    assert (camera.id, camera.device_id) == ("door", "Gate~2")
