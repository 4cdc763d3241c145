"""GStreamer's and GLib's own messages go into the node's log, and not past it.

Their warnings quote what a camera sends, a password in a URI as well, once for each oddity: two kilobytes of
odd fields make 170 kB of lines. In the log they are redacted, cut and summed up as everything else is.
"""

from __future__ import annotations

import ctypes
import logging

from edgecam.redaction import LONGEST_MESSAGE, SECRETS

log = logging.getLogger(__name__)

_FATAL = 0x02 | 0x04  # G_LOG_FLAG_FATAL, G_LOG_LEVEL_ERROR: the process is aborted after it
_LOGGED = 0x08 | 0x10 | _FATAL  # G_LOG_LEVEL_CRITICAL and G_LOG_LEVEL_WARNING; GLib/gmessages.h
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def take_over() -> None:
    """From now on GLib's messages are logged here; those below a warning are left out, as GLib does."""
    glib = ctypes.CDLL("libglib-2.0.so.0")
    glib.g_log_set_default_handler.restype = ctypes.c_void_p
    glib.g_log_set_default_handler(_HANDLER, None)


def _log_message(domain: bytes | None, level: int, message: bytes | None, _data: object) -> None:
    """On any thread of GLib. By ctypes, since PyGObject raises at bytes that are no text."""
    if level & _LOGGED:
        text = SECRETS.shown((message or b"").decode(errors="replace"), LONGEST_MESSAGE)
        speak = log.critical if level & _FATAL else log.warning
        speak("%s: %s", (domain or b"GLib").decode(errors="replace"), text)


_HANDLER = _Handler(_log_message)
"""Kept for as long as GLib may call it."""
