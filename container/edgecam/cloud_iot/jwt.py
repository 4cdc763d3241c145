"""The token that authenticates a device: a JSON Web Token, signed with its private key.

https://cloud.google.com/iot/docs/how-tos/credentials/jwts has its claims. The bridge closes the
connection when the token has expired, so its end is planned for when it is made.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecam.clock import Clock
from edgecam.cloud_iot.private_key import PrivateKey

LONGEST_TOKEN_S = 86_400
"""The bridge takes none that is valid for longer."""


@dataclass(frozen=True)
class Token:
    """A token and how long it is good.

    Attributes:
        text: What is sent as the password; never shows in `repr`.
        expires_s: Its end by the time of day, seconds since 1970, as this core's clock has it.
        made_s: When it was made, by the clock that does not step.
        valid_s: How long it is valid, seconds.
    """

    text: str = field(repr=False)
    expires_s: float
    made_s: float
    valid_s: float

    def used(self, clock: Clock) -> float:
        """How much of its life is over: 0 when it was made, 1 when it has expired.

        By both clocks, the larger of the two: the time of day may have been set since, and then the bridge,
        whose clock was right all the time, will end the token at another moment than was thought.
        """
        by_duration_s = clock.monotonic_s() - self.made_s
        by_time_of_day_s = clock.now().timestamp() - (self.expires_s - self.valid_s)
        return max(by_duration_s, by_time_of_day_s) / self.valid_s


def make_token(key: PrivateKey, *, project: str, valid_s: int, clock: Clock) -> Token:
    """A token from now on, for `valid_s` seconds (at most `LONGEST_TOKEN_S`) and the project `project`."""
    issued_s = int(clock.now().timestamp())
    expires_s = issued_s + min(valid_s, LONGEST_TOKEN_S)
    claims = {"aud": project, "iat": issued_s, "exp": expires_s}
    signed = f"{_part({'alg': key.signing.algorithm, 'typ': 'JWT'})}.{_part(claims)}"
    signature = _base64url(key.signing.sign(signed.encode()))
    return Token(f"{signed}.{signature}", expires_s, clock.monotonic_s(), expires_s - issued_s)


def _part(values: Mapping[str, object]) -> str:
    return _base64url(json.dumps(values, separators=(",", ":")).encode())


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
