"""Start the embedded AWS in the foreground: `python -m sandbox.aws.plugin`, settings from the environment."""

from __future__ import annotations

from sandbox.aws.ministack import host, iam, iot
from sandbox.aws.plugin import (
    builds,
    device_https,
    ecr,
    encryption,
    greengrass_api,
    greengrass_resources,
    log_groups,
    pages,
    policy_variables,
    role_aliases,
)


def main() -> None:
    """Add what is missing, then serve until SIGTERM."""
    host.check_version()
    iam.take_transport_as_secure()
    iam.know_metric_namespaces()
    iam.limit_inline_policies()
    iot.listen_for_devices_on_loopback()
    ecr.install()
    builds.install()
    encryption.install()
    policy_variables.install()
    role_aliases.install()
    device_https.install()
    pages.install()
    greengrass_api.install()
    greengrass_resources.install()
    log_groups.install()
    host.serve()


if __name__ == "__main__":
    main()
