"""Keeps passwords out of everything that leaves the program: logs, errors, status, pages.

Two nets: `redact` knows the shapes of a password in a URI or a pipeline description, and
`Secrets` knows the very values that were handed out, whatever text they turn up in.
"""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Sequence
from urllib.parse import quote, quote_plus

from edgecam.login_places import in_uri, is_place

HIDDEN = "***"

LONGEST_TEXT = 4_000
"""Characters that are kept of a text from outside (a camera's, a bucket's): a long sentence with a URI."""
LONGEST_MESSAGE = 600
"""Characters of a sentence about a fault: two of them, three bytes each and in base64, leave half of the
10,000 bytes that Nucleus Lite takes."""
_OVERLAP = 2_000
"""Characters that are looked at beyond a cut: a URI or a password that begins before it is seen whole."""
_NOTE_LENGTH = 40  # of `… (N more characters)`

# Every pattern takes time in proportion to the text: a camera writes it, and a search holds the interpreter.
# rtsp://user:password@host: everything between the scheme and the last @ before the path. A password with a
# slash in it (which belongs percent-encoded, but is typed as it is) goes on to the last @ of the word: what
# stands behind the first colon is no port then. A word is searched up to its last @ alone, which `.*@` finds
# at once; the other parts exclude the slash, so that no two searches cross the same characters.
_WORD = re.compile(r"\S+")
_NO_PORT = r"(?!\d{1,5}(?:[/?#\s\"']|$))"
_USERINFO = re.compile(rf"://(?:[^/\s\"']*@|[^/\s\"'@:\[]*:{_NO_PORT}.*@)", re.DOTALL)
# The same where the text is a URI and nothing else, so that not even a space ends the password.
_WHOLE_URI = re.compile(rf"^([a-zA-Z][a-zA-Z0-9+.-]*)(://[^/@:\[]*:{_NO_PORT}.*@)", re.DOTALL)
# password=… in a query, in a path (Dahua's /user=admin&password=…) or as a GStreamer property (user-pw=…); a
# quoted one may be cut off. Xiongmai's ends before `_channel=` (/user=admin_password=…_channel=1_stream=0).
_PARAMETER = re.compile(
    r"((?:\b|[_-])(?:password|passwd|passphrase|pwd|pass|psw|pw|loginpas|token|secret|auth|api_?key)\s*=\s*)"
    r"(\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|(?:(?!_channel=)[^&\s;,/\"'])+)",
    re.IGNORECASE,
)
# --password VALUE, in two arguments of a program, or in one that a shell takes apart.
_OPTION = re.compile(
    r"--?(?:[\w-]*[_-])?(?:password|passwd|passphrase|pwd|pass|pw|token|secret|apikey|api[_-]key)",
    re.IGNORECASE,
)
# The private key of a device, whole or cut off, and the JSON Web Token that it signs.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL
)
# A word that only begins like a token is taken in as well, so that it is not searched again from within.
_TOKEN = re.compile(r"eyJ(?:([\w-]{6,}+\.[\w-]{6,}+\.[\w-]{6,}+)|[\w-]*+)")


def redact(text: str) -> str:
    """`text` with the user information of URIs, the values of password parameters, private keys (PEM) and
    tokens (JSON Web Tokens) replaced by `***`. Takes time in proportion to the text."""
    text = _WHOLE_URI.sub(rf"\1://{HIDDEN}@", text)
    text = _WORD.sub(_without_userinfo, text)
    text = _PARAMETER.sub(_without_value, text)
    return _TOKEN.sub(_without_token, _PRIVATE_KEY.sub(HIDDEN, text))


def _without_userinfo(word: re.Match[str]) -> str:
    head, at, tail = word.group().rpartition("@")
    return _USERINFO.sub(f"://{HIDDEN}@", head + at) + tail if at else tail


def _without_value(parameter: re.Match[str]) -> str:
    return parameter.group() if is_place(parameter.group(2)) else parameter.group(1) + HIDDEN


def _without_token(found: re.Match[str]) -> str:
    return HIDDEN if found.group(1) else found.group()


def holds_password(uri: str) -> bool:
    """Whether `uri` carries a password where anyone who reads the configuration would see it."""
    whole = _WHOLE_URI.search(uri)
    userinfos = [whole.group(2)] if whole is not None else _userinfos(uri)
    logins = [userinfo.removeprefix("://").removesuffix("@") for userinfo in userinfos]
    values = [parameter.group(2) for parameter in _PARAMETER.finditer(uri)]
    return any(":" in login and not is_place(login) for login in logins) or not all(map(is_place, values))


def holds_password_argument(arguments: Sequence[str]) -> bool:
    """Whether a program's `arguments` carry a password: as in a URI, or behind an option of that name."""
    words = [word for argument in arguments for word in argument.split()]
    return any(map(holds_password, arguments)) or any(map(_is_password_of, words, words[1:]))


def _is_password_of(option: str, value: str) -> bool:
    is_pass_of_ffmpeg = option == "-pass" and value in ("1", "2", "3")
    return bool(_OPTION.fullmatch(option)) and not value.startswith("-") and not is_pass_of_ffmpeg


def _userinfos(text: str) -> list[str]:
    heads = (word.rpartition("@") for word in text.split())
    return [found for head, at, _ in heads for found in _USERINFO.findall(head + at)]


def passwords_in(text: str) -> tuple[str, ...]:
    """The values of the password parameters in `text`, to be remembered where they cannot be refused."""
    values = (match.group(2).strip("\"'") for match in _PARAMETER.finditer(text))
    return tuple(value for value in values if not is_place(value))


def _forms(value: str) -> set[str]:
    """How `value` may turn up: in a URI, in JSON, in `repr`, in HTML, in a pipeline's description."""
    forms = {value, quote(value, safe=""), quote(value), quote_plus(value), in_uri(value)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    return forms | {html.escape(value), value.replace("\\", "\\\\").replace('"', '\\"')}


def one_line(text: str) -> str:
    """`text` with line ends and other control characters written out: one event, one line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _encodable(text: str) -> str:
    """`text` with bytes that were no UTF-8, and half characters, written out."""
    return text.encode("utf-8", "backslashreplace").decode()


class Secrets:
    """The secret values in use, to be hidden wherever they appear. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: tuple[str, ...] = ()  # longest first

    def remember(self, value: str) -> None:
        """From now on hide `value`, also as written in a URI, in JSON, in HTML and in Python's `repr`."""
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

    def shown(self, text: str, longest: int = LONGEST_TEXT) -> str:
        """`text` from outside as it may be looked at: redacted as by `hide`, and cut.

        Args:
            text: Of any length; the work depends on `longest` alone.
            longest: Most characters of the answer, at least `_NOTE_LENGTH`; a text that is cut ends in how
                many more there were.
        """
        # Half a secret is not recognised: what begins before the cut is looked at whole, and what the end of
        # the look cuts in half stands behind the cut.
        overlap = max([_OVERLAP, *map(len, self._values[:1])])
        hidden = _encodable(self.hide(text[: longest + overlap]))
        unseen = len(text) - longest - overlap
        if unseen <= 0 and len(hidden) <= longest:
            return hidden
        if unseen > 0:
            hidden, unseen = hidden[:-overlap], unseen + overlap
        shown = hidden[: longest - _NOTE_LENGTH]
        return f"{shown}… ({max(0, unseen) + len(hidden) - len(shown)} more characters)"


SECRETS = Secrets()
"""The process-wide register: logging, HTTP and the command line hide what is remembered here."""
