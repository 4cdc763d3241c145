"""Keeps passwords out of everything that leaves the program: logs, errors, status, pages.

Two nets: `redact` knows the shapes in which a password stands in a URI or a pipeline description, and
`Secrets` knows the very values that were handed out, whatever text they turn up in.
"""

from __future__ import annotations

import html
import json
import re
import threading
from urllib.parse import quote, quote_plus

HIDDEN = "***"

# rtsp://user:password@host: everything between the scheme and the last @ before the path. A password with a
# slash in it (which belongs percent-encoded, but is typed as it is) goes on to the last @ of the word: what
# stands behind the first colon is no port then.
_SCHEME = r"([a-zA-Z][a-zA-Z0-9+.-]*://)"
_NO_PORT = r"(?!\d{1,5}(?:[/?#\s\"']|$))"
_USERINFO = re.compile(rf"{_SCHEME}(?:[^/\s\"']*@|[^/\s\"'@:\[]*:{_NO_PORT}[^\s]*@)")
# The same where the text is a URI and nothing else, so that not even a space ends the password.
_WHOLE_URI = re.compile(rf"^{_SCHEME}[^/@:\[]*:{_NO_PORT}.*@", re.DOTALL)
# password=… in a query, in a path (Dahua's /user=admin&password=…) or as a GStreamer property (user-pw=…).
_PARAMETER = re.compile(
    r"((?:\b|[_-])(?:password|passwd|passphrase|pwd|pass|pw|token|secret|auth|apikey|api_key)\s*=\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^&\s;,/\"']+)",
    re.IGNORECASE,
)
# The private key of a device, whole or cut off, and the JSON Web Token that it signs.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)
_TOKEN = re.compile(r"eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]{6,}")


def redact(text: str) -> str:
    """`text` with the user information of URIs, the values of password parameters, private keys (PEM) and
    tokens (JSON Web Tokens) replaced by `***`."""
    for pattern in (_WHOLE_URI, _USERINFO):
        text = pattern.sub(rf"\1{HIDDEN}@", text)
    text = _PARAMETER.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, _PRIVATE_KEY.sub(HIDDEN, text))


def holds_password(uri: str) -> bool:
    """Whether `uri` carries a password where anyone who reads the configuration would see it."""
    userinfo = _WHOLE_URI.search(uri) or _USERINFO.search(uri)
    has_userinfo_password = userinfo is not None and ":" in userinfo.group(0).split("://", 1)[1]
    return has_userinfo_password or _PARAMETER.search(uri) is not None


def passwords_in(text: str) -> tuple[str, ...]:
    """The values of the password parameters in `text`, to be remembered where they cannot be refused."""
    return tuple(match.group(2).strip("\"'") for match in _PARAMETER.finditer(text))


def _forms(value: str) -> set[str]:
    """How `value` may turn up: in a URI, in JSON, in `repr`, in HTML, in a pipeline's description."""
    forms = {value, quote(value, safe=""), quote(value), quote_plus(value)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    return forms | {html.escape(value), value.replace("\\", "\\\\").replace('"', '\\"')}


class Secrets:
    """The secret values in use, to be hidden wherever they appear. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: tuple[str, ...] = ()

    def remember(self, value: str) -> None:
        """From now on hide `value`, also as it stands in a URI, in JSON, in HTML and in Python's `repr`."""
        if value:
            with self._lock:
                self._keep({*self._values, *_forms(value)})

    def forget(self, value: str) -> None:
        """Hide `value` no more: a token that is no longer good, of which there would be ever more."""
        with self._lock:
            self._keep({*self._values} - _forms(value))

    def _keep(self, values: set[str]) -> None:
        # Longest first, so that a value that contains another is hidden whole.
        self._values = tuple(sorted(values, key=len, reverse=True))

    def hide(self, text: str) -> str:
        """`text`, redacted by shape and without any remembered value."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return redact(text)


SECRETS = Secrets()
"""The process-wide register: logging, HTTP and the command line hide what is remembered here."""
