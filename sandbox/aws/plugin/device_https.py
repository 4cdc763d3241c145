"""AWS IoT by HTTPS with a certificate: the credentials provider.

`GET /role-aliases/<alias>/credentials`, with a thing in the header x-amzn-iot-thingname, answers credentials
of the alias' role. As there, the policies of the certificate must allow iot:AssumeRoleWithCertificate for the
alias, and the certificate must be attached to the thing that is named. AWS has a host of its own for it; here
it shares the devices' port, and who wants HTTPS says so in the TLS handshake, as on AWS' port 443.
"""

from __future__ import annotations

import re

from sandbox.aws.ministack import host, iot
from sandbox.aws.plugin import role_aliases
from sandbox.aws.plugin.failures import ForbiddenError, NotFoundError, ServiceError

PROTOCOL = "x-amzn-http-ca"
ACTION = "iot:AssumeRoleWithCertificate"
_ASKED = re.compile(rf"GET {role_aliases.PREFIX}/([^/]+)/credentials")


def answer(certificate_id: str, method: str, path: str, headers: dict[str, str]) -> host.Answer:
    """One request of a device that has shown an active certificate."""
    try:
        found = _ASKED.fullmatch(f"{method} {path}")
        if found is None:
            raise NotFoundError(f"Only GET {role_aliases.PREFIX}/ALIAS/credentials is answered")
        alias = found[1]
        thing = headers.get("x-amzn-iot-thingname")
        if not iot.certificate_allows(certificate_id, ACTION, f"rolealias/{alias}"):
            raise ForbiddenError(f"The certificate's policies do not allow {ACTION} for {alias}")
        if thing and not iot.certificate_is_of(certificate_id, thing):
            raise ForbiddenError(f"The certificate is not attached to the thing {thing}")
        return host.answer_json({"credentials": role_aliases.credentials(alias, certificate_id, thing)})
    except ServiceError as error:
        return error.answer()


def install() -> None:
    """Answer devices that say HTTPS."""
    iot.answer_https_of_devices(PROTOCOL, answer)
