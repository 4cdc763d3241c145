"""Logins at a camera: Basic (RFC 7617) and Digest (RFC 2617, RFC 7616) with MD5, SHA-256 and SHA-512/256.

One login an attempt: many cameras lock an account after some refusals. What a camera has accepted once may be
said again with another nonce; what it has refused may not, unless it says that the nonce alone was old.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgecam.credentials.login import Login
from edgecam.rtsp.bounds import CHALLENGES

_Hash = Callable[[bytes], str]


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sha512_256(data: bytes) -> str:
    return hashlib.new("sha512_256", data).hexdigest()


_ALGORITHMS: Mapping[str, _Hash] = {"SHA-512-256": _sha512_256, "SHA-256": _sha256, "MD5": _md5}
"""The best first (RFC 7616, 3.7: the client chooses)."""
_SESSION = "-SESS"
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)\s+(?=[A-Za-z][\w-]*\s*=)")
_PARAMETER = re.compile(r'(?<![\w-])([A-Za-z][\w-]*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')


@dataclass(frozen=True)
class Challenge:
    """One way in which a camera lets itself be convinced.

    Attributes:
        scheme: In lower case.
        parameters: Names in lower case; values without quotes, escapes as they are.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def realm(self) -> str:
        return self.parameters.get("realm", "")

    @property
    def nonce(self) -> str:
        return self.parameters.get("nonce", "")

    @property
    def is_stale(self) -> bool:
        """Whether it was the nonce alone that was refused."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def algorithm(self) -> str:
        """In upper case, as `MD5-SESS`."""
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def rank(self) -> int | None:
        """How good it is, 0 the best; None where it is not understood."""
        if self.scheme == "basic":
            return len(_ALGORITHMS)
        algorithm = self.algorithm.removesuffix(_SESSION)
        has_quality = "qop" not in self.parameters or "auth" in _qualities(self.parameters["qop"])
        if self.scheme != "digest" or algorithm not in _ALGORITHMS or not has_quality or not self.nonce:
            return None
        return list(_ALGORITHMS).index(algorithm)

    def __str__(self) -> str:
        if self.scheme != "digest":
            return self.scheme.capitalize()
        quality = self.parameters.get("qop")
        return f"Digest {self.algorithm}" + (f" with qop={quality}" if quality else "")


def challenges_in(values: list[str]) -> list[Challenge]:
    """The challenges in the values of `WWW-Authenticate`, of which each may hold several."""
    found: list[Challenge] = []
    for value in values:
        if re.fullmatch(r"\s*[A-Za-z][\w-]*\s*", value):
            found.append(Challenge(value.strip().lower()))
            continue
        begins = list(_SCHEME.finditer(value))
        ends = [each.start() for each in begins[1:]] + [len(value)]
        for begin, end in zip(begins, ends, strict=False):
            parameters = {
                name.lower(): quoted or plain
                for name, quoted, plain in _PARAMETER.findall(value, begin.end(), end)
            }
            found.append(Challenge(begin[1].lower(), parameters))
    return found[:CHALLENGES]


class Authentication:
    """One attempt's login at one host. Not safe for threads.

    Args:
        login: Who we are; None where we are nobody.
    """

    def __init__(self, login: Login | None) -> None:
        self._login = login
        self._challenge: Challenge | None = None
        self._count = 0
        self._client_nonce = secrets.token_hex(8)
        self._is_accepted = False

    @property
    def has_login(self) -> bool:
        """Whether there is anything to say."""
        return self._login is not None

    def header(self, method: str, url: str) -> str | None:
        """The value of `Authorization` for a request; None while nobody has asked."""
        if self._login is None or self._challenge is None:
            return None
        if self._challenge.scheme == "basic":
            both = f"{self._login.username}:{self._login.password}".encode()
            return f"Basic {base64.b64encode(both).decode()}"
        return self._digest(self._login, self._challenge, method, url)

    def accepted(self) -> None:
        """A request with the login was answered with another status than 401."""
        self._is_accepted = self._challenge is not None

    def challenged(self, values: list[str], *, was_sent: bool, tries: int) -> bool:
        """A request was refused (401); whether to make it again with the login.

        Args:
            values: Of the answer's `WWW-Authenticate`.
            was_sent: Whether the login was in it.
            tries: How often this request was refused with the login in it.
        """
        best = self.best(values)
        if self._login is None or best is None:
            return False
        former, self._challenge = self._challenge, best
        if former is None or best.nonce != former.nonce:
            self._count = 0
        if not was_sent:
            return True
        is_other = former is None or best.nonce != former.nonce
        return tries <= 2 and is_other and best.scheme == "digest" and (self._is_accepted or best.is_stale)

    @staticmethod
    def best(values: list[str]) -> Challenge | None:
        """The best challenge that is understood; None where there is none."""
        ranked = [(each.rank, number, each) for number, each in enumerate(challenges_in(values))]
        known = [(rank, number, each) for rank, number, each in ranked if rank is not None]
        return min(known, key=lambda each: each[:2])[2] if known else None

    def _digest(self, login: Login, challenge: Challenge, method: str, url: str) -> str:
        hashed = _ALGORITHMS[challenge.algorithm.removesuffix(_SESSION)]
        # As bytes: the camera's own are what it wrote, ours are UTF-8 (RFC 7616, 4).
        realm, nonce = _unescaped(challenge.realm), _unescaped(challenge.nonce)
        secret = hashed(b":".join((login.username.encode(), realm, login.password.encode())))
        asked = hashed(f"{method}:{url}".encode("latin-1", "replace"))
        self._count += 1
        count, client = f"{self._count:08x}", self._client_nonce
        if challenge.algorithm.endswith(_SESSION):
            secret = hashed(b":".join((secret.encode(), nonce, client.encode())))
        has_quality = "qop" in challenge.parameters
        middle = f"{count}:{client}:auth:" if has_quality else ""
        response = hashed(b":".join((secret.encode(), nonce, f"{middle}{asked}".encode())))
        fields = {
            "username": _quoted(login.username),
            "realm": f'"{challenge.realm}"',
            "nonce": f'"{challenge.nonce}"',
            "uri": f'"{url}"',
            "response": f'"{response}"',
        }
        if "algorithm" in challenge.parameters:
            fields["algorithm"] = challenge.parameters["algorithm"]
        if "opaque" in challenge.parameters:
            fields["opaque"] = f'"{challenge.parameters["opaque"]}"'
        if has_quality:
            fields |= {"qop": "auth", "nc": count, "cnonce": f'"{client}"'}
        elif challenge.algorithm.endswith(_SESSION):
            fields["cnonce"] = f'"{client}"'
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields.items())


def _qualities(text: str) -> set[str]:
    return {each.strip().lower() for each in text.split(",")}


def _unescaped(text: str) -> bytes:
    return re.sub(r"\\(.)", r"\1", text).encode("latin-1", "replace")


def _quoted(text: str) -> str:
    """A text of ours within quotes, its bytes in UTF-8 one character each."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped.encode().decode("latin-1")}"'
