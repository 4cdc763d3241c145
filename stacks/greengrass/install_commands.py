"""The commands that make a machine a core: printed as outputs, to be pasted into a shell.

The first two need the account's credentials, the others are for root on the machine. A claim is
made by hand and not by CloudFormation, whose templates and outputs are no place for a private key.

Sources: Greengrass v2 developer guide, "Install with AWS IoT fleet provisioning"; Nucleus Lite,
docs/fleet_provisioning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CLASSIC_ROOT = "/greengrass/v2"
LITE_ROOT = "/var/lib/greengrass"
CLAIM = "claim.pem.crt"
CLAIM_KEY = "claim.private.pem.key"
ROOT_CA = "AmazonRootCA1.pem"

CLASSIC_HAS_REGISTERED = f"timeout 600 sh -c 'until test -e {CLASSIC_ROOT}/thingCert.crt; do sleep 1; done'"
"""Waits: the nucleus registers after its installer has ended. A claim that stayed would be a thief's
way to the names that have no certificate yet."""

_DOWNLOADS = "https://d2s8p88vqu9w66.cloudfront.net/releases"
_PLUGIN = "aws.greengrass.FleetProvisioningByClaim"
_ENDPOINT = "$(aws iot describe-endpoint --endpoint-type {} --query endpointAddress --output text)"
_DATA = _ENDPOINT.format("iot:Data-ATS")
_CREDENTIALS = _ENDPOINT.format("iot:CredentialProvider")


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What a core has to know to register.

    Attributes:
        region: Of AWS.
        template: Name of the provisioning template.
        role_alias: Of the token exchange role.
        claim_policy: Name of the claims' IoT policy.
    """

    region: str
    template: str
    role_alias: str
    claim_policy: str


def claim_command(registration: Registration) -> str:
    """Makes a claim certificate: two files for every machine of a batch."""
    return (
        "(umask 077; aws iot create-keys-and-certificate --set-as-active "
        f"--certificate-pem-outfile {CLAIM} --private-key-outfile {CLAIM_KEY} "
        "--query certificateArn --output text "
        f"| xargs aws iot attach-policy --policy-name {registration.claim_policy} --target)"
    )


def classic_config_command(registration: Registration, nucleus_version: str) -> str:
    """Writes `config.yaml` of the core whose name is in `THING`, for the classic nucleus."""
    return _written(
        [
            "services:",
            "  aws.greengrass.Nucleus:",
            f'    version: "{nucleus_version}"',
            f"  {_PLUGIN}:",
            "    configuration:",
            f"      rootPath: {CLASSIC_ROOT}",
            f"      awsRegion: {registration.region}",
            f"      iotDataEndpoint: {_DATA}",
            f"      iotCredentialEndpoint: {_CREDENTIALS}",
            f"      iotRoleAlias: {registration.role_alias}",
            f"      provisioningTemplate: {registration.template}",
            f"      claimCertificatePath: {CLASSIC_ROOT}/claim/{CLAIM}",
            f"      claimCertificatePrivateKeyPath: {CLASSIC_ROOT}/claim/{CLAIM_KEY}",
            f"      rootCaPath: {CLASSIC_ROOT}/{ROOT_CA}",
            "      templateParameters: {ThingName: $THING}",
        ]
    )


def lite_config_command(registration: Registration) -> str:
    """Writes `config.yaml` of the core whose name is in `THING`, for Nucleus Lite."""
    return _written(
        [
            "system:",
            f"  rootPath: {LITE_ROOT}",
            # Empty, and filled in when the core has registered.
            *(
                f"  {name}: ''"
                for name in ("privateKeyPath", "certificateFilePath", "rootCaPath", "thingName")
            ),
            "services:",
            "  aws.greengrass.NucleusLite:",
            "    componentType: NUCLEUS",
            "    configuration:",
            f"      awsRegion: {registration.region}",
            *(f"      {name}: ''" for name in ("iotCredEndpoint", "iotDataEndpoint")),
            f"      iotRoleAlias: {registration.role_alias}",
            "      runWithDefault: {posixUser: gg_component:gg_component}",
            "  aws.greengrass.fleet_provisioning:",
            "    configuration:",
            f"      iotDataEndpoint: {_DATA}",
            f"      iotCredEndpoint: {_CREDENTIALS}",
            f"      claimCertPath: {LITE_ROOT}/claim/{CLAIM}",
            f"      claimKeyPath: {LITE_ROOT}/claim/{CLAIM_KEY}",
            f"      rootCaPath: {LITE_ROOT}/{ROOT_CA}",
            "      csrCommonName: $THING",
            f"      templateName: {registration.template}",
            "      templateParams: {ThingName: $THING}",
        ]
    )


def classic_install_command(nucleus_version: str) -> str:
    """For root on the core, beside `config.yaml` and the claim; Java is there."""
    archive = f"greengrass-{nucleus_version}.zip"
    return " && ".join(
        [
            *_claim_in(CLASSIC_ROOT),
            f"curl -fsSO {_DOWNLOADS}/{archive}",
            f"unzip -qo {archive} -d GreengrassInstaller",
            f"curl -fsSo {_PLUGIN}.jar "
            f"{_DOWNLOADS}/aws-greengrass-FleetProvisioningByClaim/fleetprovisioningbyclaim-latest.jar",
            f"java -Droot={CLASSIC_ROOT} -Dlog.store=FILE -jar GreengrassInstaller/lib/Greengrass.jar "
            f"--trusted-plugin {_PLUGIN}.jar --init-config config.yaml "
            "--component-default-user ggc_user:ggc_group --setup-system-service true",
            CLASSIC_HAS_REGISTERED,
            f"rm -r {CLASSIC_ROOT}/claim {CLAIM} {CLAIM_KEY}",
        ]
    )


def lite_install_command() -> str:
    """For root on the core, beside `config.yaml`, the claim and the package of Nucleus Lite."""
    return " && ".join(
        [
            "apt-get install -y ./aws-greengrass-lite-*.deb",
            *_claim_in(LITE_ROOT),
            f"install -d {LITE_ROOT}/credentials",
            "install -D config.yaml /etc/greengrass/config.yaml",
            "systemctl restart greengrass-lite.target",
            "$(command -v fleet-provisioning || echo /usr/local/bin/fleet-provisioning)",
            f"rm -r {LITE_ROOT}/claim {CLAIM} {CLAIM_KEY}",
            "systemctl restart greengrass-lite.target",
        ]
    )


def _claim_in(root: str) -> list[str]:
    return [
        f"install -d -m 700 {root}/claim",
        f"install -m 600 {CLAIM} {CLAIM_KEY} {root}/claim/",
        f"curl -fsSo {root}/{ROOT_CA} https://www.amazontrust.com/repository/{ROOT_CA}",
    ]


def _written(lines: Sequence[str]) -> str:
    """A command that writes the lines into config.yaml, what stands behind a dollar sign filled in."""
    quoted = " ".join('"' + line.replace('"', '\\"') + '"' for line in lines)
    return f"THING=NAME-OF-THE-CORE; printf '%s\\n' {quoted} > config.yaml"
